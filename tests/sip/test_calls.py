"""Real calls between two phones: how they are set up and how they end."""

from __future__ import annotations

import asyncio

import pytest

from sip.cause import CauseKind
from sip.errors import DialError, NoSlot, PortBusy, SipError
from sip.leg import Leg, LegState
from sip.softphone import PhoneSettings, Softphone
from tests.sip.far_end import FarEnd
from tests.sip.heard import Ticks
from tests.sip.legs import slots_are_free

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]


def kinds(leg: Leg) -> list[str]:
    """The events of a leg so far, without the re-negotiations of media."""
    seen = []
    while not leg.events.empty():
        if (event := leg.events.get_nowait()).kind != "media":
            seen.append(event.kind)
    return seen


async def test_the_callee_answers_and_hangs_up(phone: Softphone, far: FarEnd) -> None:
    leg = await phone.dial(
        far.uri("+8613800000001"),
        caller="sip:+862100000002@example.cn;user=phone",
        headers=[("P-Asserted-Identity", "<sip:+862100000002@example.cn>"), ("X-Attempt", "a1")],
    )
    assert leg.state is LegState.CALLING
    incoming = await far.event("incoming")
    headers = incoming["headers"]
    assert "sip:+862100000002@example.cn;user=phone" in headers["From"]
    assert headers["P-Asserted-Identity"] == "<sip:+862100000002@example.cn>"
    assert headers["X-Attempt"] == "a1"
    assert incoming["call_id"] == leg.sip_call_id
    await far.do("answer", leg=incoming["leg"], code=180)
    await far.do("answer", leg=incoming["leg"])
    await asyncio.wait_for(leg.answered, 5)
    assert leg.state is LegState.CONNECTED and phone.slots_in_use() == 1
    await far.do("hangup", leg=incoming["leg"])
    cause = await asyncio.wait_for(leg.ended, 5)
    assert (cause.kind, cause.remote) == (CauseKind.NORMAL, True)
    assert kinds(leg) == ["ringing", "answered", "ended"]
    await slots_are_free(phone)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (486, "", CauseKind.BUSY),
        (603, "", CauseKind.REJECTED),
        (480, "", CauseKind.UNREACHABLE),
        (404, "", CauseKind.EMPTY_NUMBER),
        (480, "Powered off", CauseKind.POWERED_OFF),
        (503, "", CauseKind.CARRIER_FAILED),
    ],
)
async def test_the_callee_refuses(
    phone: Softphone, far: FarEnd, code: int, reason: str, kind: CauseKind
) -> None:
    leg = await phone.dial(far.uri())
    await far.do("answer", leg=(await far.event("incoming"))["leg"], code=code, reason=reason)
    cause = await asyncio.wait_for(leg.ended, 5)
    assert (cause.code, cause.kind, cause.remote) == (code, kind, True)
    assert leg.answered.cancelled()
    assert kinds(leg) == ["ended"]
    await slots_are_free(phone)


async def test_nobody_answers_and_we_cancel(phone: Softphone, far: FarEnd) -> None:
    leg = await phone.dial(far.uri())
    incoming = await far.event("incoming")
    await far.do("answer", leg=incoming["leg"], code=180)
    while (await asyncio.wait_for(leg.events.get(), 5)).kind != "ringing":
        pass
    assert leg.state is LegState.RINGING
    await leg.hangup()
    await leg.hangup()
    cause = await asyncio.wait_for(leg.ended, 5)
    assert (cause.kind, cause.remote) == (CauseKind.CANCELLED, False)
    assert (await far.event("ended"))["kind"] == CauseKind.CANCELLED
    await slots_are_free(phone)
    await leg.hangup()  # after the end: nothing


async def test_a_dead_gateway_does_not_hold_the_owner(phone: Softphone) -> None:
    leg = await phone.dial("sip:nobody@127.0.0.1:9")
    await leg.hangup()
    cause = await asyncio.wait_for(leg.ended, 5)
    assert cause.kind is CauseKind.CANCELLED


async def test_fifty_calls_are_dialled_and_cancelled_at_once(phone: Softphone, far: FarEnd) -> None:
    for _ in range(50):
        leg = await phone.dial(far.uri())
        await leg.hangup()
        assert (await asyncio.wait_for(leg.ended, 5)).kind is CauseKind.CANCELLED
    await slots_are_free(phone)
    assert await far.do("slots") == 0


async def test_hanging_up_while_the_answer_is_on_its_way(phone: Softphone, far: FarEnd) -> None:
    """The 200 crosses with our CANCEL, sooner or later: both ends must come to rest."""
    for delay_ms in range(0, 20, 2):
        leg = await phone.dial(far.uri())
        incoming = await far.event("incoming")
        answering = asyncio.ensure_future(far.do("answer", leg=incoming["leg"]))
        await asyncio.sleep(delay_ms / 1000)
        await leg.hangup()
        await asyncio.wait_for(leg.ended, 5)
        await answering
        await far.event("ended", leg=incoming["leg"])
    await slots_are_free(phone)
    assert await far.do("slots") == 0


async def test_every_line_is_taken(far: FarEnd) -> None:
    async with Softphone(PhoneSettings(max_calls=2)) as phone:
        assert phone.call_limit >= 2
        legs = [await phone.dial(far.uri()) for _ in range(2)]
        with pytest.raises(NoSlot):
            await phone.dial(far.uri())
        for leg in legs:
            await leg.hangup()
            await asyncio.wait_for(leg.ended, 5)
        await slots_are_free(phone)
        again = await phone.dial(far.uri())
        await again.hangup()


async def test_all_lines_can_be_dialled_at_the_same_moment(phone: Softphone, far: FarEnd) -> None:
    dialled = await asyncio.gather(*(phone.dial(far.uri()) for _ in range(6)), return_exceptions=True)
    legs = [leg for leg in dialled if isinstance(leg, Leg)]
    assert len(legs) == 4
    assert all(isinstance(refused, NoSlot) for refused in dialled if refused not in legs)
    for leg in legs:
        await leg.hangup()
    await slots_are_free(phone)


async def test_a_dial_that_is_given_up_leaves_no_call(phone: Softphone, far: FarEnd) -> None:
    for delay_ms in range(6):
        dialling = asyncio.ensure_future(phone.dial(far.uri()))
        await asyncio.sleep(0.04 + delay_ms / 10_000)  # past the throttle, around the INVITE
        if not dialling.cancel():
            await (await dialling).hangup()
        await asyncio.wait({dialling})
    await slots_are_free(phone)
    await asyncio.sleep(0.1)
    assert await far.do("slots") == 0


async def test_an_incoming_call_beyond_the_limit_is_busy(far: FarEnd) -> None:
    async with Softphone(PhoneSettings(max_calls=1)) as phone:
        uri = f"sip:agent@127.0.0.1:{phone.sip_port}"
        first = await far.do("dial", uri=uri)
        leg = await asyncio.wait_for(phone.incoming.get(), 5)
        await leg.answer()
        await far.event("answered", leg=first)
        second = await far.do("dial", uri=uri)
        assert (await far.event("ended", leg=second))["kind"] == CauseKind.BUSY
        assert phone.incoming.empty() and leg.state is LegState.CONNECTED


async def test_settings_above_the_real_limit_are_refused(phone: Softphone) -> None:
    limit = phone.call_limit
    await phone.stop()
    with pytest.raises(SipError, match=f"room for {limit}") as refused:
        await Softphone(PhoneSettings(max_calls=limit + 1)).start()
    assert refused.value.key == "max_calls"


async def test_a_busy_port_is_named(far: FarEnd) -> None:
    with pytest.raises(PortBusy, match=str(far.port)):
        await Softphone(PhoneSettings(sip_port=far.port)).start()


async def test_what_is_no_uri_is_not_dialled(phone: Softphone) -> None:
    with pytest.raises(DialError):
        await phone.dial("PJSIP/+8613800000001")


async def test_keys_go_both_ways(phone: Softphone, far: FarEnd) -> None:
    leg = await phone.dial(far.uri())
    other = await far.answered()
    await asyncio.wait_for(leg.answered, 5)
    await leg.send_dtmf("15#")
    assert [(await far.event("dtmf"))["digit"] for _ in range(3)] == ["1", "5", "#"]
    await far.do("dtmf", leg=other, digits="90*")
    digits = []
    while len(digits) < 3:
        event = await asyncio.wait_for(leg.events.get(), 5)
        digits += [event.digit] if event.kind == "dtmf" else []
    assert digits == ["9", "0", "*"]
    with pytest.raises(SipError):
        await leg.send_dtmf("1 2")


async def test_slots_return_to_zero_and_ports_are_used_again(phone: Softphone, far: FarEnd) -> None:
    for _ in range(4):
        legs = [await phone.dial(far.uri()) for _ in range(3)]
        ticks = [Ticks(leg) for leg in legs]
        others = [await far.answered() for _ in legs]
        for leg in legs:
            await asyncio.wait_for(leg.answered, 5)
        await asyncio.sleep(0.2)
        await far.do("hangup", leg=others[0])
        await legs[1].hangup()
        await far.do("hangup", leg=others[2])
        for leg in legs:
            await asyncio.wait_for(leg.ended, 5)
        assert all(len(taken.times) >= 5 for taken in ticks)
        await slots_are_free(phone)


async def test_stopping_the_phone_ends_its_legs(far: FarEnd) -> None:
    async with Softphone(PhoneSettings()) as phone:
        leg = await phone.dial(far.uri())
        await far.answered()
        await asyncio.wait_for(leg.answered, 5)
    assert leg.state is LegState.ENDED and leg.ended.done()
    assert (await far.event("ended"))["kind"] == CauseKind.NORMAL
    with pytest.raises(SipError):
        await phone.dial(far.uri())
