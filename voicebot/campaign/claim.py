"""A claimed attempt as it goes to a worker: its number and its case's record, opened in memory only."""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.campaign.attempts import Due
from voicebot.campaign.facts import Ask
from voicebot.campaign.running import RunningCampaign
from voicebot.policy.gate import Decision
from voicebot.store.bindings import phone_binding, record_binding
from voicebot.store.bulk import json_value
from voicebot.store.encryption import KeyRing
from voicebot.store.masking import mask_phone

MOST_REMEMBERED = 20_000


@dataclass(frozen=True)
class Claim:
    """A claimed attempt.  The number lives in memory only; `slots` are typed case slots."""

    attempt_id: str
    campaign: str
    case_id: str
    phone: str
    phone_masked: str
    caller: str
    trunk: str
    slots: dict[str, tuple[str, str | int]]
    flags: dict[str, bool]
    tail_mac: str | None
    party: str
    digest: str
    pack: str
    number: int


def opened(
    keys: KeyRing, running: RunningCampaign, due: Due, ask: Ask, sealed: bytes, decision: Decision
) -> Claim:
    """Decrypts number and record.  Unreadable or ValueError when they are damaged."""
    about, balance = due.about, ask.balance
    phone = keys.decrypt(sealed, phone_binding(ask.point.bix))
    own = json_value(keys.decrypt(due.record_ct, record_binding(running.id, about.case_id)))
    slots: dict[str, tuple[str, str | int]] = {name: (kind, value) for name, (kind, value) in own.items()}
    slots |= running.campaign.shared_slots() | (dict(balance.slots) if balance else {})
    assert ask.caller is not None
    return Claim(
        attempt_id=about.attempt_id,
        campaign=running.id,
        case_id=about.case_id,
        phone=phone,
        phone_masked=mask_phone(phone),
        caller=ask.caller,
        trunk=running.campaign.trunk,
        slots=slots,
        flags={**due.flags, "by_agency": about.agency is not None},
        tail_mac=due.tail_mac,
        party=about.party,
        digest=running.digest,
        pack=decision.pack,
        number=about.number,
    )


class CasesClaimed:
    """Whose attempts this process claimed: their balances are asked for before their permission."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def note(self, attempt_id: str, campaign_id: str, case_id: str) -> None:
        if len(self._known) >= MOST_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[attempt_id] = (campaign_id, case_id)

    def take(self, attempt_id: str) -> tuple[str, str] | None:
        """Campaign and case, once; None when another process claimed it."""
        return self._known.pop(attempt_id, None)
