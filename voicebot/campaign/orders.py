"""What a call worker is told of one claimed attempt: all that a call needs, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Mapping

from sip.trunk import Trunk
from voicebot.call.order import CaseSlot, DialOrder
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.claim import Claim
from voicebot.clock import Clock


def dial_order(
    claim: Claim, campaign: Campaign, trunk: Trunk, voice: str, run_slots: Mapping[str, str], clock: Clock
) -> DialOrder:
    """`run_slots` are values of this moment, not of the case."""
    return DialOrder(
        attempt_id=claim.attempt_id,
        campaign=campaign.name,
        case_id=claim.case_id,
        phone_masked=claim.phone_masked,
        request_uri=trunk.request_uri(claim.phone),
        caller_uri=trunk.caller_uri(claim.caller),
        caller=claim.caller,
        headers=trunk.invite_headers(claim.caller),
        digest=claim.digest,
        pack=claim.pack,
        voice=voice,
        slots={name: CaseSlot(type=kind, value=str(value)) for name, (kind, value) in claim.slots.items()},
        run_slots=dict(run_slots),
        flags=track_flags(claim, campaign),
        tail_mac=claim.tail_mac,
        queue=campaign.queue,
        ring_s=campaign.ring_s,
        voicemail=campaign.voicemail,
        simulated_now=clock.now() if clock.simulated else None,
        today=clock.now().date(),
    )


def track_flags(claim: Claim, campaign: Campaign) -> dict[str, bool]:
    """What the talk track may ask about a case; never inferred from speech."""
    return {
        **claim.flags,
        "agency": claim.flags.get("by_agency", False),
        "to_contact": claim.party == "contact",
        "leave_message": campaign.voicemail == "leave_line",
    }
