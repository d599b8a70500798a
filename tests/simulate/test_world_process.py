"""The world as a process: its one line, its end, and what it does when a phone dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sip.softphone import Softphone
from tests.simulate.running_world import ROOT, world


@pytest.mark.calls
async def test_a_phone_that_dies_comes_back_on_its_port(
    tmp_path: Path, scenarios: Path, prompts: Path, agents: Path
) -> None:
    async with world(tmp_path / "world", scenarios, prompts, agents) as running, Softphone() as phone:
        (gateway,) = [one for one in psutil.Process().children(recursive=True) if _is_gateway(one)]
        gateway.kill()
        cause = None
        for _ in range(4):  # until it is up again, calls to it go unanswered (each keeps its line) or fail
            leg = await phone.dial(running.uri("33"))
            await asyncio.wait({leg.ended}, timeout=8)
            await leg.hangup()
            cause = await leg.ended
            if cause.code == 486:
                break
        assert cause is not None and cause.code == 486


def _is_gateway(process: psutil.Process) -> bool:
    return "voicebot.simulate.callee_process" in process.cmdline()


def test_a_bad_scenario_is_one_line_and_exit_2(tmp_path: Path, agents: Path) -> None:
    (tmp_path / "a.yaml").write_text('id: x\nnumber: "1"\ntitle: x\nexpects: {disposition: PTP}\n')
    command = [sys.executable, "-m", "voicebot.simulate.world", "--out", str(tmp_path / "out")]
    command += ["--scenarios", str(tmp_path), "--agents", str(agents)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path / 'a.yaml'}:2 (number)")


def test_judge_as_a_command_says_what_differs(tmp_path: Path, scenarios: Path) -> None:
    (tmp_path / "outcomes.json").write_text(json.dumps({"33": {"disposition": "SILENT"}}))
    command = [sys.executable, "-m", "voicebot.simulate.judge", "--world", str(tmp_path)]
    command += ["--outcomes", str(tmp_path / "outcomes.json"), "--scenarios", str(scenarios)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "33 made33: expected BUSY, got SILENT; rung 0 times instead of once\n"
    assert done.returncode == 1
