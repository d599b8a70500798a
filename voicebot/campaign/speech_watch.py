"""Watches the speech service's load: no new call while it answers late, a fresh service before it is too big.

Load is measured, not assumed: the share of the decoders' time that was used in the last 20 seconds, and how
long a text really took, the wait for a free decoder included.  Models, machines and talk tracks differ too
much for a fixed number of calls.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

import structlog

from voicebot.errors import NotReady
from voicebot.speech.asr.client import SpeechService, SpeechUnavailable

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
PART = "speech load"
"""What holds dialling up, as the status names it."""
FULL_BUSY, FREE_BUSY = 0.85, 0.7
"""Share of the decoders' time: from the first on no new call, below the second again."""
LATE_MS, QUICK_MS = 1500.0, 1000.0
"""The same for the time until a text is there (p95)."""
ENOUGH_ANSWERS = 5
LEAST_SESSIONS = 3
"""So few calls are never held back: what makes them late is not their number."""
AGAIN_AFTER_S = 60.0
"""A service that could not be replaced is tried again after this long."""


class Dialling(Protocol):
    """What stands still while a service is down (the supervisor)."""

    def pause(self, part: str) -> None: ...

    def resume(self, part: str) -> None: ...

    def stop(self, fault: str = "") -> None: ...


class Recycled(Protocol):
    """The service's process."""

    async def recycle(self) -> None: ...


class SpeechWatch:
    """One service's."""

    def __init__(self, process: Recycled, socket: Path, most_rss_mb: int, dialling: Dialling) -> None:
        self._process, self._dialling = process, dialling
        self._service, self._most_rss_mb = SpeechService(socket), most_rss_mb
        self._next_recycling = 0.0
        self.full = False

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                stats = await self._service.stats()
            except SpeechUnavailable:
                continue  # its death is looked after elsewhere
            await self.look(stats)

    async def look(self, stats: dict[str, Any]) -> None:
        """Draws the conclusions of one look at the service's figures."""
        full = is_full(stats, self.full)
        if full != self.full:
            self.full = full
            log.warning("speech_load", full=full, busy=stats["busy"], answer_ms=stats["answer_ms"]["p95"])
            (self._dialling.pause if full else self._dialling.resume)(PART)
        now = asyncio.get_running_loop().time()
        if stats["rss_mb"] > self._most_rss_mb and now >= self._next_recycling:
            log.warning("speech_recycled", rss_mb=stats["rss_mb"])
            self._next_recycling = now + AGAIN_AFTER_S
            try:
                await self._process.recycle()
            except NotReady as fault:
                log.error("speech_not_recycled", fault=str(fault))


def is_full(stats: dict[str, Any], was_full: bool) -> bool:
    """Whether another call would be too many, by `LoadMeter.stats`."""
    if stats["sessions"] < LEAST_SESSIONS:
        return False
    busy, answers = float(stats["busy"]), stats["answer_ms"]
    late = float(answers["p95"]) if answers["n"] >= ENOUGH_ANSWERS else 0.0
    if was_full:
        return busy > FREE_BUSY or late > QUICK_MS
    return busy > FULL_BUSY or late > LATE_MS
