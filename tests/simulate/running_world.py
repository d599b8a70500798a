"""A world of a few made scenarios, in its own processes, and a caller that plays the bot."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sip.leg import Leg
from sip.softphone import Softphone
from voicebot.simulate.bot_watch import tick_level
from voicebot.simulate.result import AGENTS, CALLEES, AgentResult, CalleeResult

ROOT = Path(__file__).resolve().parents[2]
Line = TypeVar("Line", CalleeResult, AgentResult)
READY_S, STOP_S, CALL_S = 90.0, 20.0, 60.0
SPEECH_DBFS = -45.0


@dataclass
class World:
    """A started world."""

    out: Path
    gateways: list[str]
    agents: dict[str, str]

    def uri(self, suffix: str) -> str:
        return f"sip:+86138000020{suffix}@{self.gateways[0]}"

    async def callee(self, suffix: str) -> CalleeResult:
        """The result of the only call to a number, as soon as it is written."""
        (result,) = await self._lines(CalleeResult, CALLEES, lambda line: line.suffix == suffix)
        return result

    async def agent(self) -> AgentResult:
        """The result of the only call to the agent."""
        (result,) = await self._lines(AgentResult, AGENTS, lambda line: True)
        return result

    async def _lines(self, kind: type[Line], name: str, wanted: Callable[[Line], bool]) -> list[Line]:
        async with asyncio.timeout(CALL_S):
            while True:
                if found := [line for line in kind.read(self.out / name) if wanted(line)]:
                    return found
                await asyncio.sleep(0.05)


@asynccontextmanager
async def world(out: Path, scenarios: Path, prompts: Path, agents: Path) -> AsyncIterator[World]:
    """Starts the world as the campaign does, and ends it by closing its standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicebot.simulate.world", "--out", str(out), "--gateways", "1"),
        *("--scenarios", str(scenarios), "--prompts", str(prompts), "--agents", str(agents)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), READY_S))
        yield World(out, ready["gateways"], ready["agents"])
    finally:
        process.stdin.close()
        try:
            code = await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            raise
    assert code == 0


class FakeBot:
    """Hears by level only: it speaks a given time after the callee's last loud tick."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self._loop = asyncio.get_running_loop()
        self._loud_at = 0.0
        self.loud = asyncio.Event()
        leg.on_tick = self._on_tick

    @classmethod
    async def call(cls, phone: Softphone, uri: str) -> FakeBot:
        """Dials, and returns when the callee has answered."""
        bot = cls(await phone.dial(uri))
        await asyncio.wait_for(bot.leg.answered, CALL_S)
        return bot

    def _on_tick(self, theirs: bytes, ours: bytes) -> None:
        if tick_level(theirs) > SPEECH_DBFS:
            self._loud_at = self._loop.time()
            self.loud.set()

    async def speech_over(self, silence_s: float) -> None:
        """Until the callee has spoken (since the last call of this) and been silent for so long."""
        await asyncio.wait_for(self.loud.wait(), CALL_S)
        left = silence_s
        while left > 0:
            await asyncio.sleep(left)
            left = self._loud_at + silence_s - self._loop.time()
        self.loud.clear()

    async def speak(self, wav: Path) -> None:
        playback = await self.leg.play(wav)
        await playback.done
