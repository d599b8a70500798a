"""Messages that are lost, repeated or make no sense, to the letter: the far end is bare datagrams."""

from __future__ import annotations

import asyncio

import pytest

from sip.cause import CauseKind
from sip.leg import LegState
from sip.softphone import PhoneSettings, Softphone
from tests.sip.wire import Wire, wire

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]


async def slots_are_free(phone: Softphone) -> None:
    for _ in range(100):
        if not phone.slots_in_use():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("a call slot is not given back")


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
        assert [leg.events.get_nowait().kind for _ in range(leg.events.qsize())].count("answered") == 1
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
