"""The shared services of a run: started again once, the second death ends it, none outlives its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from voicebot.campaign.children import Child
from voicebot.campaign.services import keep
from voicebot.errors import NotReady

READY = "print('{\"ready\": true}', flush=True); import time; time.sleep(600)"
MODELS = Path("var/models")


@dataclass
class SmallService:
    """A real child; `starts` says whether it comes up each time."""

    logs: Path
    starts: list[str] = field(default_factory=lambda: [READY, READY])
    child: Child | None = None

    async def start(self) -> None:
        self.child = await Child.start("small", [sys.executable, "-c", self.starts.pop(0)], self.logs)
        await self.child.ready(10)

    async def wait(self) -> int:
        assert self.child is not None
        return await self.child.process.wait()

    async def stop(self) -> None:
        assert self.child is not None
        await self.child.stop()

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()


@dataclass
class Dialling:
    """What the supervisor is told."""

    told: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def pause(self, part: str) -> None:
        self._note(f"pause {part}")

    def resume(self, part: str) -> None:
        self._note(f"resume {part}")

    def stop(self, fault: str = "") -> None:
        self._note(fault)

    def _note(self, text: str) -> None:
        self.told.append(text)
        self.heard.set()

    async def hears(self, text: str) -> None:
        async with asyncio.timeout(15):
            while text not in self.told:
                self.heard.clear()
                await self.heard.wait()


async def test_a_service_is_started_again_once(tmp_path: Path) -> None:
    service, dialling = SmallService(tmp_path), Dialling()
    await service.start()
    keeping = asyncio.create_task(keep("small", service, dialling))
    service.kill()
    await dialling.hears("resume small")
    assert dialling.told == ["pause small", "resume small"]
    service.kill()
    await asyncio.wait_for(keeping, 15)
    assert dialling.told[2:] == ["pause small", "the small service ended again"]


async def test_a_service_that_does_not_come_back_ends_the_run(tmp_path: Path) -> None:
    service, dialling = SmallService(tmp_path, [READY, "raise SystemExit(4)"]), Dialling()
    await service.start()
    service.kill()
    await keep("small", service, dialling)
    assert dialling.told == ["pause small", "the small service ended and could not be started again"]


async def test_a_child_that_ends_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="code 4"):
        await SmallService(tmp_path, ["raise SystemExit(4)"]).start()


PARENT = """
import asyncio, sys
from pathlib import Path
from voicebot.campaign.children import Child

async def main():
    command = [sys.executable, "-m", "voicebot.speech.asr.service"]
    options = ["--socket", sys.argv[1], "--models", sys.argv[2]]
    child = await Child.start("speech", command + options, Path(sys.argv[3]))
    await child.ready(60)
    print(child.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def ended(pid: int, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not Path(f"/proc/{pid}").exists() or ") Z" in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.1)
    return False


def test_the_speech_service_ends_with_a_killed_parent(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "speech"), str(MODELS.resolve()), str(tmp_path / "logs")]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert ended(pid, 10)
    assert not (tmp_path / "speech").exists()


def test_without_a_pipe_the_speech_service_runs_until_it_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "voicebot.speech.asr.service", "--socket", str(tmp_path / "speech")]
    service = subprocess.Popen(
        [*command, "--models", str(MODELS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert service.stdout is not None
    assert json.loads(service.stdout.readline())["ready"]
    assert not ended(service.pid, 1)
    service.terminate()
    assert service.wait(10) == 0


def test_a_worker_that_hangs_at_its_end_is_ended_by_force() -> None:
    hanging = (
        "import time; from voicebot.call.worker import _end_by_force; _end_by_force(0.3); time.sleep(600)"
    )
    assert subprocess.run([sys.executable, "-c", hanging], timeout=60, check=False).returncode == 1
