"""A call to SIPp: a peer that is not PJSIP."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sip.cause import CauseKind
from sip.ports import reserve
from sip.softphone import Softphone
from tests.sip.heard import Ticks

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]


async def test_sipp_answers_and_gets_our_bye(phone: Softphone, tmp_path: Path) -> None:
    sipp = shutil.which("sipp")
    assert sipp, "install Debian's sip-tester"
    ports = reserve("127.0.0.1", max_calls=1)
    places = f"-i 127.0.0.1 -p {ports.sip_port} -mp {ports.rtp_port}".split()
    process = await asyncio.create_subprocess_exec(
        *(sipp, "-sn", "uas", *places, "-m", "1", "-nostdin", "-timeout", "10"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await asyncio.sleep(0.5)  # SIPp does not say when it listens; the INVITE is repeated anyway
        leg = await phone.dial(f"sip:+8613800000001@127.0.0.1:{ports.sip_port};user=phone")
        ticks = Ticks(leg)
        await asyncio.wait_for(leg.answered, 5)
        await asyncio.sleep(0.3)
        await leg.hangup()
        assert (await asyncio.wait_for(leg.ended, 5)).kind is CauseKind.NORMAL
        assert len(ticks.times) >= 8
        assert await asyncio.wait_for(process.wait(), 10) == 0  # SIPp counts the call as successful
    finally:
        if process.returncode is None:
            process.kill()
        ports.release()
