"""How the phone takes what other implementations do: SIPp plays them, one script a behaviour."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sip.cause import Cause, CauseKind
from sip.leg import Leg, LegState
from sip.softphone import Softphone
from tests.sip.legs import kinds, slots_are_free
from tests.sip.sipp import Sipp, agrees, answers, asks, hears, sdp, sipp, takes, waits

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]

ANSWERED = (takes("INVITE"), answers("180 Ringing"), answers("200 OK", sdp()), takes("ACK"))
WE_HANG_UP = (takes("BYE"), agrees())


async def dialled(phone: Softphone, far: Sipp) -> Leg:
    return await phone.dial(far.uri, caller="sip:+862100000002@127.0.0.1")


async def end_of(leg: Leg, within_s: float = 5.0) -> Cause:
    return await asyncio.wait_for(leg.ended, within_s)


async def connected(phone: Softphone, far: Sipp) -> Leg:
    leg = await dialled(phone, far)
    await asyncio.wait_for(leg.answered, 5)
    return leg


async def hung_up(leg: Leg, far: Sipp) -> None:
    """We hang up, and SIPp is content with everything that happened."""
    await leg.hangup()
    assert (await end_of(leg)).kind is CauseKind.NORMAL
    await far.done()


# ---- refusals ----


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        ("486 Busy Here", (), CauseKind.BUSY),
        ("600 Busy Everywhere", (), CauseKind.BUSY),
        ("480 Temporarily Unavailable", (), CauseKind.UNREACHABLE),
        ("480 Temporarily Unavailable", ("Reason: Q.850;cause=20",), CauseKind.POWERED_OFF),
        ("404 Not Found", (), CauseKind.EMPTY_NUMBER),
        ("410 Gone", (), CauseKind.EMPTY_NUMBER),
        ("403 Forbidden", (), CauseKind.REJECTED),
        ("603 Decline", (), CauseKind.REJECTED),
        ("408 Request Timeout", (), CauseKind.UNREACHABLE),
        ("488 Not Acceptable Here", ('Warning: 304 x "codec"',), CauseKind.CARRIER_FAILED),
        ("500 Server Internal Error", (), CauseKind.CARRIER_FAILED),
        ("503 Service Unavailable", ("Retry-After: 7",), CauseKind.CARRIER_FAILED),
        ("504 Server Time-out", (), CauseKind.CARRIER_FAILED),
        (
            "407 Proxy Authentication Required",
            ('Proxy-Authenticate: Digest realm="r", nonce="n"',),
            CauseKind.CARRIER_FAILED,
        ),
    ],
)
async def test_refused(
    phone: Softphone, tmp_path: Path, status: str, headers: tuple[str, ...], kind: CauseKind
) -> None:
    async with sipp(
        tmp_path, [takes("INVITE"), answers("100 Trying"), answers(status, "", *headers), takes("ACK")]
    ) as far:
        leg = await dialled(phone, far)
        cause = await end_of(leg)
        await far.done()
    assert (cause.code, cause.kind, cause.remote) == (int(status[:3]), kind, True)
    assert leg.answered.cancelled()
    for header in headers:
        name, _, value = header.partition(": ")
        if not name.startswith("Proxy"):
            assert cause.headers[name] == value
    await slots_are_free(phone)


async def test_refused_after_ringing_is_nobody_home(phone: Softphone, tmp_path: Path) -> None:
    script = [takes("INVITE"), answers("180 Ringing"), answers("480 Temporarily Unavailable"), takes("ACK")]
    async with sipp(tmp_path, script) as far:
        assert (await end_of(await dialled(phone, far))).kind is CauseKind.NO_ANSWER
        await far.done()


async def test_a_redirection_is_not_followed(phone: Softphone, tmp_path: Path) -> None:
    """Another number than the gate has seen is never dialled."""
    elsewhere = answers("302 Moved Temporarily", "").replace(
        "Contact: <sip:far@", "Contact: <sip:+8613911111111@"
    )
    async with sipp(tmp_path, [takes("INVITE"), elsewhere, takes("ACK"), waits(300)]) as far:
        cause = await end_of(await dialled(phone, far))
        assert (cause.code, cause.kind) == (302, CauseKind.CARRIER_FAILED)
        await far.done()  # a second INVITE would be one too many for SIPp's script


async def test_a_transfer_asked_for_by_the_far_end_is_refused(phone: Softphone, tmp_path: Path) -> None:
    """REFER would have us dial a number that the gate has never seen."""
    script = [
        *ANSWERED,
        waits(100),
        asks("REFER", "", "Refer-To: <sip:+8613911111111@127.0.0.1:9>"),
        hears(603),
        *WE_HANG_UP,
    ]
    async with sipp(tmp_path, script) as far:
        leg = await connected(phone, far)
        await asyncio.sleep(0.5)
        assert phone.slots_in_use() == 1 and leg.state is LegState.CONNECTED
        await hung_up(leg, far)


# ---- ringing and early media ----


@pytest.mark.parametrize(
    ("before", "states"),
    [
        ((answers("183 Session Progress", sdp()), answers("180 Ringing")), ["ringing", "early_media"]),
        ((answers("180 Ringing"), answers("183 Session Progress", sdp())), ["ringing", "early_media"]),
        ((answers("183 Session Progress"),), ["ringing"]),
        ((answers("180 Ringing"), answers("180 Ringing"), answers("180 Ringing")), ["ringing"]),
        ((answers("181 Call Is Being Forwarded"), answers("182 Queued")), ["ringing"]),
        ((), []),
        ((answers("180 Ringing", "", tag="other"), answers("180 Ringing")), ["ringing"]),
    ],
    ids=["183-180", "180-183", "183-without-sdp", "180-three-times", "181-182", "at-once", "forked"],
)
async def test_answered_after(
    phone: Softphone, tmp_path: Path, before: tuple[str, ...], states: list[str]
) -> None:
    script = [takes("INVITE"), *before, waits(60), answers("200 OK", sdp()), takes("ACK"), *WE_HANG_UP]
    async with sipp(tmp_path, script) as far:
        leg = await connected(phone, far)
        await asyncio.sleep(0.1)
        await hung_up(leg, far)
    seen = [kind for kind in kinds(leg) if kind != "media"]
    assert sorted(seen[: len(states)]) == sorted(states) and seen[len(states) :] == ["answered", "ended"]


# ---- the call-off ----


async def test_we_cancel_and_the_far_end_agrees(phone: Softphone, tmp_path: Path) -> None:
    script = [takes("INVITE"), answers("180 Ringing"), takes("CANCEL"), _ok_to_cancel(), _487(), takes("ACK")]
    async with sipp(tmp_path, script) as far:
        leg = await dialled(phone, far)
        await _rings(leg)
        await leg.hangup()
        assert (await end_of(leg)).kind is CauseKind.CANCELLED
        await far.done()
    await slots_are_free(phone)


async def test_the_answer_crosses_with_our_cancel(phone: Softphone, tmp_path: Path) -> None:
    """A late 200: it is acknowledged and the call is ended at once."""
    script = [
        *(takes("INVITE"), answers("180 Ringing"), takes("CANCEL"), _ok_to_cancel()),
        *(_late_200(), takes("ACK"), takes("BYE"), agrees()),
    ]
    async with sipp(tmp_path, script) as far:
        leg = await dialled(phone, far)
        await _rings(leg)
        await leg.hangup()
        await end_of(leg)
        await far.done()
    await slots_are_free(phone)


async def test_we_give_up_before_anything_came_back(phone: Softphone, tmp_path: Path) -> None:
    """A CANCEL may only follow a provisional answer: it waits for it."""
    script = [
        *(takes("INVITE"), waits(200), answers("180 Ringing"), takes("CANCEL"), _ok_to_cancel()),
        *(_487(), takes("ACK")),
    ]
    async with sipp(tmp_path, script) as far:
        leg = await dialled(phone, far)
        await leg.hangup()
        assert (await end_of(leg)).kind is CauseKind.CANCELLED
        await far.done()
    await slots_are_free(phone)


async def test_a_refusal_crosses_with_our_cancel(phone: Softphone, tmp_path: Path) -> None:
    busy = answers("486 Busy Here").replace("[last_CSeq:]", "CSeq: [$number] INVITE")
    script = [
        takes("INVITE").replace("</action>", _KEEP_INVITE + "</action>"),
        answers("180 Ringing"),
        *(takes("CANCEL"), _of_invite(busy), takes("ACK")),
    ]
    async with sipp(tmp_path, script) as far:
        leg = await dialled(phone, far)
        await _rings(leg)
        await leg.hangup()
        await end_of(leg)
        await far.done()
    await slots_are_free(phone)


# ---- the end of a call ----


async def test_the_far_end_hangs_up(phone: Softphone, tmp_path: Path) -> None:
    script = [*ANSWERED, waits(100), asks("BYE", "", "Reason: Q.850;cause=16"), hears(200)]
    async with sipp(tmp_path, script) as far:
        cause = await end_of(await connected(phone, far))
        assert (cause.kind, cause.remote, cause.headers["Reason"]) == (
            CauseKind.NORMAL,
            True,
            "Q.850;cause=16",
        )
        await far.done()
    await slots_are_free(phone)


async def test_the_far_end_hangs_up_at_once(phone: Softphone, tmp_path: Path) -> None:
    async with sipp(tmp_path, [*ANSWERED, asks("BYE"), hears(200)]) as far:
        assert (await end_of(await connected(phone, far))).kind is CauseKind.NORMAL
        await far.done()


async def test_a_bye_before_the_answer_is_no_answer(phone: Softphone, tmp_path: Path) -> None:
    script = [
        takes("INVITE").replace("</action>", _KEEP_INVITE + "</action>"),
        answers("180 Ringing"),
        waits(50),
        *(asks("BYE"), hears(200)),
        waits(200),
        _of_invite(answers("486 Busy Here").replace("[last_CSeq:]", "CSeq: [$number] INVITE")),
        takes("ACK"),
    ]
    async with sipp(tmp_path, script) as far:
        leg = await dialled(phone, far)
        cause = await end_of(leg)
        assert leg.answered.cancelled() and cause.kind is CauseKind.CARRIER_FAILED
    await slots_are_free(phone)


async def test_bye_is_challenged_and_the_leg_has_ended_all_the_same(phone: Softphone, tmp_path: Path) -> None:
    gone = agrees().replace("SIP/2.0 200 OK", "SIP/2.0 481 Call/Transaction Does Not Exist")
    async with sipp(tmp_path, [*ANSWERED, takes("BYE"), gone]) as far:
        await hung_up(await connected(phone, far), far)
    await slots_are_free(phone)


# ---- lost and repeated messages ----


async def test_rubbish_on_the_wire_harms_nobody(phone: Softphone, tmp_path: Path) -> None:
    rubbish = "<send><![CDATA[\nINVITE nonsense\nVia: ;;;\n\n]]></send>"
    half = "<send><![CDATA[\nSIP/2.0 200\nCall-ID: [call_id]\nContent-Length: 0\n\n]]></send>"
    async with sipp(tmp_path, [*ANSWERED, rubbish, half, waits(100), *WE_HANG_UP]) as far:
        leg = await connected(phone, far)
        await asyncio.sleep(0.2)
        assert leg.state is LegState.CONNECTED
        await hung_up(leg, far)


# ---- within a call ----


@pytest.mark.parametrize(
    "held",
    [sdp("sendonly", version=2), sdp("inactive", version=2), sdp(version=2, ip="0.0.0.0")],
    ids=["sendonly", "inactive", "address-zero"],
)
async def test_the_far_end_holds_and_comes_back(phone: Softphone, tmp_path: Path, held: str) -> None:
    script = [
        *(*ANSWERED, waits(50), asks("INVITE", held), hears(100, optional=True), hears(200), asks("ACK")),
        waits(150),
        *(asks("INVITE", sdp(version=3), cseq=2), hears(100, optional=True), hears(200), asks("ACK", cseq=2)),
        *WE_HANG_UP,
    ]
    async with sipp(tmp_path, script) as far:
        leg = await connected(phone, far)
        await asyncio.sleep(0.6)
        assert leg.state is LegState.CONNECTED
        await hung_up(leg, far)
    assert kinds(leg).count("media") >= 3


@pytest.mark.parametrize(
    "refresh",
    [
        (asks("INVITE", sdp()), hears(100, optional=True), hears(200), asks("ACK")),
        (asks("INVITE"), hears(100, optional=True), hears(200), asks("ACK", sdp(version=2))),
        (asks("UPDATE", "", "Session-Expires: 90;refresher=uac", "Supported: timer"), hears(200)),
        (asks("OPTIONS"), hears(500)),  # PJSIP has no better answer; any says that the call is there
    ],
    ids=["same-sdp", "offer-in-200", "update", "options"],
)
async def test_a_refresh_keeps_the_call(phone: Softphone, tmp_path: Path, refresh: tuple[str, ...]) -> None:
    async with sipp(tmp_path, [*ANSWERED, waits(50), *refresh, *WE_HANG_UP]) as far:
        leg = await connected(phone, far)
        await asyncio.sleep(0.4)
        assert leg.state is LegState.CONNECTED
        await hung_up(leg, far)


async def test_a_new_offer_that_cannot_be_taken_is_refused_and_the_call_goes_on(
    phone: Softphone, tmp_path: Path
) -> None:
    impossible = sdp(version=2, formats="18", attributes=("rtpmap:18 G729/8000",))
    script = [
        *ANSWERED,
        waits(50),
        asks("INVITE", impossible),
        hears(500),
        asks("ACK"),
    ]
    async with sipp(tmp_path, [*script, *WE_HANG_UP]) as far:
        leg = await connected(phone, far)
        await asyncio.sleep(0.4)
        assert leg.state is LegState.CONNECTED
        await hung_up(leg, far)


async def test_keys_by_info(phone: Softphone, tmp_path: Path) -> None:
    relay = asks("INFO", "Signal=5\nDuration=160", kind="application/dtmf-relay")
    async with sipp(tmp_path, [*ANSWERED, waits(50), relay, hears(200), *WE_HANG_UP]) as far:
        leg = await connected(phone, far)
        while (event := await asyncio.wait_for(leg.events.get(), 5)).kind != "dtmf":
            pass
        assert event.digit == "5"
        await hung_up(leg, far)


async def test_our_keys_go_by_info_to_a_far_end_without_rfc_2833(phone: Softphone, tmp_path: Path) -> None:
    plain = sdp(formats="8", attributes=("rtpmap:8 PCMA/8000",))
    script = [
        takes("INVITE"),
        answers("200 OK", plain),
        takes("ACK"),
        takes("INFO", regexp="Signal=7"),
        agrees(),
    ]
    async with sipp(tmp_path, [*script, *WE_HANG_UP]) as far:
        leg = await connected(phone, far)
        await leg.send_dtmf("7")
        await asyncio.sleep(0.2)
        await hung_up(leg, far)


# ---- pieces of scripts ----

_KEEP_INVITE = (
    '<ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="number"/>'
    '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>'
    '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>'
)


def _of_invite(step: str) -> str:
    """An answer to the INVITE, although another request came after it."""
    return (
        step.replace("[last_Via:]", "Via:[$via]")
        .replace("[last_To:]", "To:[$to]")
        .replace("[last_From:]", "From:[$from]")
    )


def _ok_to_cancel() -> str:
    return answers("200 OK")


def _487() -> str:
    return answers("487 Request Terminated").replace("[last_CSeq:]", "CSeq: [cseq] INVITE")


def _late_200() -> str:
    return answers("200 OK", sdp()).replace("[last_CSeq:]", "CSeq: [cseq] INVITE")


async def _rings(leg: Leg) -> None:
    while (await asyncio.wait_for(leg.events.get(), 5)).kind != "ringing":
        pass
