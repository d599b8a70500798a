"""A phone without SIP: real legs and playbacks, whose pj thread is played by the test.

It shows what happens between two steps of a transfer, which a real call cannot hit at will.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
import wave
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from handoff.agents import Agent, Unqualified
from handoff.queue import AgentQueue
from handoff.seat_line import LineDesk, answer_desk
from handoff.settings import QueueSettings
from sip.cause import Cause, CauseKind
from sip.leg import Leg, LegState

Script = Callable[[Leg], Awaitable[None]]


class PaperPhone:
    """Dials legs that follow `scripts` (by agent).  `log` holds what was asked of the pj thread, in order."""

    def __init__(self, scripts: dict[str, Script] | None = None) -> None:
        self.scripts = scripts or {}
        self.legs: dict[int, Leg] = {}
        self.dialled: list[str] = []
        self.headers: list[tuple[str, str]] = []
        self.log: list[tuple[str, int, Any]] = []
        self.playing: dict[int, str] = {}
        "leg id: what it hears from us"
        self.links: set[tuple[int, int]] = set()
        "(listener, source)"
        self.refuse_dial: Exception | None = None
        self.before_dial: Callable[[], Awaitable[None]] | None = None
        self._numbers = itertools.count(1)
        self._players: dict[int, tuple[int, str]] = {}
        self._scripts_running: set[asyncio.Future[None]] = set()

    def leg(self, state: LegState = LegState.CALLING, uri: str = "sip:debtor@127.0.0.1") -> Leg:
        leg = Leg(self, next(self._numbers), state, remote_uri=uri)
        self.legs[leg.id] = leg
        return leg

    def debtor(self) -> Leg:
        leg = self.leg()
        leg.happened("answered", None)
        return leg

    async def dial(
        self, uri: str, *, caller: str | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> Leg:
        if self.before_dial is not None:
            await self.before_dial()
        if self.refuse_dial is not None:
            raise self.refuse_dial
        leg = self.leg(uri=uri)
        name = uri.removeprefix("sip:").partition("@")[0]
        self.dialled.append(name)
        self.headers.extend(headers)
        running = asyncio.ensure_future(self.scripts[name](leg))
        self._scripts_running.add(running)
        running.add_done_callback(self._scripts_running.discard)
        return leg

    def slots_in_use(self) -> int:
        return len(self.legs)

    async def ask(self, operation: str, leg_id: int, *arguments: Any) -> Any:
        self.log.append((operation, leg_id, arguments))
        leg = self.legs[leg_id]
        loop = asyncio.get_running_loop()
        if operation == "play":
            number, path, _ = arguments
            self.playing[leg_id] = Path(path).stem
            loop.call_soon(leg.happened, "playing", (number, 0))
            return True
        if operation == "stop_player":
            self.playing.pop(leg_id, None)
        if operation == "hear_from":
            source, on = arguments
            (self.links.add if on else self.links.discard)((leg_id, source))
        if operation == "hangup":
            loop.call_soon(end, leg, CauseKind.NORMAL, False)
        return 0

    def forget(self, leg: Leg) -> None:
        self.legs.pop(leg.id, None)
        self.playing.pop(leg.id, None)
        self.links = {link for link in self.links if leg.id not in link}


def end(leg: Leg, kind: CauseKind = CauseKind.NORMAL, remote: bool = True, code: int = 200) -> None:
    """The leg is over."""
    leg.happened("ended", Cause(code, "", kind, remote))


def tone(path: Path, hz: float, seconds: float) -> Path:
    """A WAV file with one tone: 8 kHz, mono, 16 bit, -12 dBFS."""
    count = int(seconds * 8000)
    samples = [int(8192 * math.sin(2 * math.pi * hz * n / 8000)) for n in range(count)]
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(struct.pack(f"<{count}h", *samples))
    return path


class DirectLine:
    """A worker's line to its supervisor, without the socket.  `fault` is raised instead of an answer."""

    def __init__(self, queue: AgentQueue, worker: str = "w1") -> None:
        self.queue, self.worker = queue, worker
        self.fault: Exception | None = None
        self.slow: asyncio.Event | None = None

    def tell(self, kind: str, **body: Any) -> None:
        answer_desk(self.queue, self.worker, kind, body)

    async def ask(self, kind: str, *, within_s: float, **body: Any) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        answer = answer_desk(self.queue, self.worker, kind, body)
        if self.slow is not None:
            await self.slow.wait()
        return answer


def queue_with(
    agents: dict[str, str], settings: QueueSettings, *, barred: frozenset[str] = frozenset()
) -> tuple[AgentQueue, DirectLine, LineDesk]:
    """A queue whose agents {id: sip uri} all have the skill; `barred` have no valid certificate."""
    staff = [
        Agent(id=name, name=name, sip=uri, skills=frozenset({settings.skill}), agency="x")
        for name, uri in agents.items()
    ]
    why = Unqualified("CN-TR-01", "AGENT_UNQUALIFIED", "坐席未通过培训考核")
    queue = AgentQueue(
        staff,
        {settings.name: settings},
        lambda one: why if one.id in barred else None,
        asyncio.get_running_loop().time,
    )
    line = DirectLine(queue)
    return queue, line, LineDesk(line)
