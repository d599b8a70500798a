"""Calls over a trunk's own settings: TLS, SRTP, codecs, session timers, acknowledged ringing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sip.cause import CauseKind
from sip.errors import SipError
from sip.leg import Leg, LegState
from sip.softphone import PhoneSettings, Softphone
from sip.trunk import Trunk
from tests.sip.certificates import issue
from tests.sip.far_end import FarEnd

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]


@asynccontextmanager
async def calling(far: FarEnd, **trunk: Any) -> AsyncIterator[Leg]:
    """A phone with this trunk, and a call over it to the far end."""
    settings = Trunk(name="east", gateways=(f"127.0.0.1:{far.trunk_port}",), **trunk)
    async with Softphone(PhoneSettings(trunk=settings)) as phone:
        way = "" if settings.transport == "udp" else f";transport={settings.transport}"
        leg = await phone.dial(f"sip:far@127.0.0.1:{far.trunk_port}{way}", over_trunk=True)
        yield leg
        await leg.hangup()
        await asyncio.wait_for(leg.ended, 5)


async def talked(leg: Leg, far: FarEnd) -> int:
    """Answered, and half a second of sound; returns the far end's leg."""
    other = await far.answered()
    await asyncio.wait_for(leg.answered, 5)
    await asyncio.sleep(0.5)
    assert await leg.received_packets() >= 12 and await far.do("packets", leg=other) >= 12
    return other


async def test_over_tls_with_srtp_and_g722(tmp_path: Path) -> None:
    made = issue(tmp_path / "tls")
    ours = {"transport": "tls", "srtp": "mandatory", "codecs": ["G722", "PCMA"]}
    identity = {"certificate": str(made.certificate), "key": str(made.key), "ca": str(made.ca)}
    async with FarEnd(tmp_path / "far", **ours, tls=identity) as far:
        async with calling(far, **ours, tls={"ca": made.ca}) as leg:
            await talked(leg, far)
        assert leg.rtp.srtp and leg.rtp.codec == "G722" and leg.rtp.received >= 12
        async with calling(far, **{**ours, "srtp": "off"}, tls={"ca": made.ca}) as plain:
            cause = await asyncio.wait_for(plain.ended, 5)
            assert (cause.code, cause.kind) == (488, CauseKind.CARRIER_FAILED)  # it insists on SRTP
        other = issue(tmp_path / "stranger")
        async with calling(far, **ours, tls={"ca": other.ca}) as stranger:
            cause = await asyncio.wait_for(stranger.ended, 5)
            assert cause.kind is CauseKind.CARRIER_FAILED  # the INVITE, with its number, has not left


async def test_srtp_where_the_far_end_has_none(tmp_path: Path) -> None:
    async with FarEnd(tmp_path / "far") as far:
        async with calling(far, srtp="optional") as leg:
            await talked(leg, far)
        assert not leg.rtp.srtp and leg.rtp.codec == "PCMA"
        async with calling(far, srtp="mandatory") as leg:
            cause = await asyncio.wait_for(leg.ended, 5)
            assert (cause.code, cause.kind) == (488, CauseKind.CARRIER_FAILED)


async def test_timers_and_acknowledged_ringing_over_tcp(tmp_path: Path) -> None:
    both = {"transport": "tcp", "session_timer": "mandatory", "reliable_ringing": "mandatory"}
    async with FarEnd(tmp_path / "far", **both) as far, calling(far, **both, session_expires_s=90) as leg:
        incoming = await far.event("incoming")
        headers = incoming["headers"]
        assert headers["Session-Expires"].startswith("90") and headers["Min-SE"] == "90"
        assert {"timer", "100rel"} <= {part.strip() for part in headers["Require"].split(",")}
        await far.do("answer", leg=incoming["leg"], code=180)
        while (await asyncio.wait_for(leg.events.get(), 5)).kind != "ringing":
            pass
        await asyncio.sleep(0.1)  # PRACK and its 200
        await far.do("answer", leg=incoming["leg"])
        await asyncio.wait_for(leg.answered, 5)
        assert leg.state is LegState.CONNECTED


async def test_without_timers_none_are_offered(tmp_path: Path) -> None:
    async with FarEnd(tmp_path / "far") as far, calling(far, session_timer="off") as leg:
        headers = (await far.event("incoming"))["headers"]
        assert "Session-Expires" not in headers
        await leg.hangup()


async def test_a_codec_that_the_build_has_not_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trunk = Trunk(name="east", gateways=("127.0.0.1:9",), codecs=("PCMA", "G722"))
    async with Softphone(PhoneSettings()) as phone:
        able = phone.capabilities
    assert able is not None
    able.require(trunk)
    poorer = type(able)(**{**able.as_dict(), "codecs": ("PCMA/8000/1",), "srtp_suites": ()})
    with pytest.raises(SipError, match="no G722") as refused:
        poorer.require(trunk)
    assert refused.value.key == "trunks.east.codecs"
    with pytest.raises(SipError, match="no SRTP"):
        poorer.require(Trunk(name="east", gateways=("127.0.0.1:9",), srtp="optional", codecs=("PCMA",)))
