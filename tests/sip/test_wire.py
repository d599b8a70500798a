"""Messages that are lost, repeated or make no sense, to the letter: the far end is bare datagrams."""

from __future__ import annotations

import asyncio
import struct

import pytest

from sip.cause import CauseKind
from sip.leg import Leg, LegState
from sip.softphone import PhoneSettings, Softphone
from tests.sip.legs import kinds, slots_are_free
from tests.sip.wire import Wire, wire

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]


async def test_a_repeated_200_is_acknowledged_again_and_answers_once(phone: Softphone) -> None:
    async with wire() as far:
        leg = await phone.dial(far.uri)
        invite = await far.next("INVITE")
        for _ in range(3):
            far.reply(invite, "200 OK", far.sdp())
            await far.next("ACK")
        await asyncio.wait_for(leg.answered, 5)
        assert far.count("ACK") == 3 and far.count("BYE") == 0
        await leg.hangup()
        far.reply(await far.next("BYE"), "200 OK")
        assert kinds(leg).count("answered") == 1
    await slots_are_free(phone)


async def test_the_invite_is_repeated_until_something_comes(phone: Softphone) -> None:
    async with wire() as far:
        leg = await phone.dial(far.uri)
        first = await far.next("INVITE")
        again = await far.next("INVITE")
        assert again.text == first.text
        far.reply(again, "486 Busy Here")
        assert (await asyncio.wait_for(leg.ended, 5)).kind is CauseKind.BUSY
        await far.next("ACK")
    await slots_are_free(phone)


async def test_a_repeated_refusal_is_acknowledged_again(phone: Softphone) -> None:
    async with wire() as far:
        leg = await phone.dial(far.uri)
        invite = await far.next("INVITE")
        for _ in range(2):
            far.reply(invite, "486 Busy Here")
            await far.next("ACK")
        assert (await asyncio.wait_for(leg.ended, 5)).kind is CauseKind.BUSY
    await slots_are_free(phone)


async def test_two_forks_answer_and_the_second_is_ended(phone: Softphone) -> None:
    """A 200 of another branch: acknowledged and ended, the first call goes on."""
    async with wire() as far:
        leg = await phone.dial(far.uri)
        invite = await far.next("INVITE")
        far.reply(invite, "200 OK", far.sdp(), tag="one")
        await asyncio.wait_for(leg.answered, 5)
        far.reply(invite, "200 OK", far.sdp(), tag="two")
        bye = await far.next("BYE")
        assert "tag=two" in bye.headers("To")[0]
        far.reply(bye, "200 OK")
        assert leg.state is LegState.CONNECTED
        await leg.hangup()
        far.reply(await far.next("BYE"), "200 OK")
    await slots_are_free(phone)


def unusable(far: Wire, fault: str) -> str:
    return {
        "none": "",
        "nonsense": "this is no SDP",
        "codec-unknown": far.sdp("18"),
        "refused": far.sdp(port=0),
        "no-audio": far.sdp("96", media="video"),
    }[fault]


@pytest.mark.parametrize("fault", ["none", "nonsense", "codec-unknown", "refused", "no-audio"])
async def test_answered_without_usable_media_is_ended(phone: Softphone, fault: str) -> None:
    """It is acknowledged, hung up, and the carrier's failure: nobody could be heard."""
    async with wire() as far:
        leg = await phone.dial(far.uri)
        invite = await far.next("INVITE")
        far.reply(invite, "200 OK", unusable(far, fault))
        far.reply(await far.next("BYE"), "200 OK")
        cause = await asyncio.wait_for(leg.ended, 5)
        assert cause.kind is CauseKind.CARRIER_FAILED, cause
        far.reply(invite, "200 OK", unusable(far, fault))  # its ACK may have been lost
        await asyncio.sleep(0.05)
        assert far.count("ACK") >= 1
    await slots_are_free(phone)


async def answered(phone: Softphone, far: Wire, rtp_port: int | None = None) -> Leg:
    leg = await phone.dial(far.uri)
    far.reply(await far.next("INVITE"), "200 OK", far.sdp(port=rtp_port))
    await asyncio.wait_for(leg.answered, 5)
    await far.next("ACK")
    return leg


async def hung_up(leg: Leg, far: Wire) -> None:
    await leg.hangup()
    far.reply(await far.next("BYE"), "200 OK")


async def test_a_longer_session_is_asked_for_when_ours_is_too_short(phone: Softphone) -> None:
    async with wire() as far:
        leg = await phone.dial(far.uri)
        far.reply(await far.next("INVITE"), "422 Session Interval Too Small", "", "Min-SE: 3600")
        again = await far.next("INVITE")
        assert int(again.headers("Session-Expires")[0].split(":")[1].split(";")[0]) >= 3600
        far.reply(again, "200 OK", far.sdp())
        await asyncio.wait_for(leg.answered, 5)
        await hung_up(leg, far)
    await slots_are_free(phone)


async def test_the_session_is_renewed_by_whom_the_answer_names(phone: Softphone) -> None:
    """The far end leaves it to us, for 90 s at least: nothing is due in a test, and the call is up."""
    async with wire() as far:
        leg = await phone.dial(far.uri)
        invite = await far.next("INVITE")
        assert "timer" in invite.headers("Supported")[0]
        far.reply(invite, "200 OK", far.sdp(), "Session-Expires: 90;refresher=uac", "Require: timer")
        await asyncio.wait_for(leg.answered, 5)
        await hung_up(leg, far)
    await slots_are_free(phone)


@pytest.mark.parametrize("status", ["491 Request Pending", "488 Not Acceptable Here", "500 Server Error"])
async def test_a_hold_of_ours_that_is_refused_keeps_the_call(phone: Softphone, status: str) -> None:
    async with wire() as far:
        leg = await answered(phone, far)
        await leg.hold()
        far.reply(await far.next("INVITE"), status)
        await far.next("ACK")
        await asyncio.sleep(0.05)
        assert leg.state is LegState.CONNECTED
        await hung_up(leg, far)
    await slots_are_free(phone)


async def test_a_hold_of_ours_that_finds_no_call_ends_it(phone: Softphone) -> None:
    async with wire() as far:
        leg = await answered(phone, far)
        await leg.hold()
        far.reply(await far.next("INVITE"), "481 Call/Transaction Does Not Exist")
        far.reply(await far.next("BYE"), "481 Call/Transaction Does Not Exist")
        cause = await asyncio.wait_for(leg.ended, 5)
        assert cause.kind is CauseKind.CARRIER_FAILED
    await slots_are_free(phone)


async def test_lost_packets_are_counted_and_silence_is_seen(phone: Softphone) -> None:
    """60 RTP packets with every tenth left out; then nothing."""
    async with wire() as far, wire() as rtp:
        leg = await answered(phone, far, rtp.port)
        assert await leg.received_packets() == 0
        await asyncio.sleep(0.2)  # the phone speaks first: that is where its RTP is
        for number in range(60):
            if number % 10 != 5:
                packet = struct.pack("!BBHII", 0x80, 8, number, 160 * number, 7) + b"\xd5" * 160
                rtp.transport.sendto(packet, rtp.raw[0])
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        await hung_up(leg, far)
    stats = leg.rtp
    assert (stats.codec, stats.received, stats.lost) == ("PCMA", 54, 6)
    assert stats.loss >= 0.1 and stats.mos is not None and stats.mos < 4.0 and stats.sent > 20
    assert stats.sent_loss is None  # this far end reports nothing
    await slots_are_free(phone)


async def test_who_calls_a_phone_that_only_dials_is_refused() -> None:
    """Nobody would answer; the call would hold a slot."""
    async with Softphone(PhoneSettings(takes_calls=False)) as phone, wire() as far:
        far.invite(phone.sip_port)
        assert await far.final("stranger") == "480"
        assert phone.incoming.empty()
    await slots_are_free(phone)


async def test_who_would_take_the_callees_place_is_refused(phone: Softphone) -> None:
    """INVITE with Replaces: the stack's own answer would put a stranger on the line."""
    async with wire() as far:
        leg = await phone.dial(far.uri)
        invite = await far.next("INVITE")
        far.reply(invite, "200 OK", far.sdp())
        await asyncio.wait_for(leg.answered, 5)
        ours = invite.headers("From")[0].rpartition("tag=")[2]
        call_id = invite.headers("Call-ID")[0].partition(":")[2].strip()
        far.invite(phone.sip_port, f"Replaces: {call_id};to-tag={ours};from-tag=far")
        assert await far.final("stranger") >= "400"
        assert leg.state is LegState.CONNECTED and far.count("BYE") == 0
        await leg.hangup()
        far.reply(await far.next("BYE"), "200 OK")
    await slots_are_free(phone)
