"""How busy the recogniser is: the supervisor asks before it lets a new call start."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

_KEPT_JOBS = 200
WINDOW_S = 20.0
"""Load is that of the last so many seconds: long enough for a few turns of each call."""


@dataclass
class Job:
    """One decode.  `done` says what it took."""

    asked_at: float
    decode_ms: float = 0.0
    audio_s: float = 0.0

    def done(self, decode_ms: float, audio_s: float) -> None:
        self.decode_ms, self.audio_s = decode_ms, audio_s


@dataclass(frozen=True)
class _Done:
    at: float
    decode_ms: float
    answer_ms: float
    "From the question to the text: the wait for a free decoder included."
    audio_s: float


@dataclass
class LoadMeter:
    """Counts decodes that wait or run, and their time over the audio's (the real-time factor)."""

    workers: int
    waiting: int = 0
    decodes: int = 0
    sessions: int = 0
    clock: Callable[[], float] = time.monotonic
    _recent: deque[_Done] = field(default_factory=lambda: deque(maxlen=_KEPT_JOBS))

    @contextmanager
    def job(self) -> Iterator[Job]:
        """Around one decode, from the moment it is asked for."""
        job = Job(self.clock())
        self.waiting += 1
        try:
            yield job
        finally:
            self.waiting -= 1
            if job.audio_s > 0.0:
                now = self.clock()
                self.decodes += 1
                answer_ms = (now - job.asked_at) * 1000
                self._recent.append(_Done(now, job.decode_ms, answer_ms, job.audio_s))

    def stats(self) -> dict[str, Any]:
        """queue (decodes waiting or running), sessions, decodes, rss_mb, pid; rtf and decode_ms of the last
        200; busy (share of the decoders' time that was used) and answer_ms of the last 20 s."""
        now = self.clock()
        times = sorted(one.decode_ms for one in self._recent)
        lately = [one for one in self._recent if now - one.at <= WINDOW_S]
        answers = sorted(one.answer_ms for one in lately)
        audio_s = sum(one.audio_s for one in self._recent)
        busy = sum(one.decode_ms for one in lately) / 1000 / WINDOW_S / self.workers
        return {
            "pid": os.getpid(),
            "queue": self.waiting,
            "workers": self.workers,
            "sessions": self.sessions,
            "decodes": self.decodes,
            "rtf": round(sum(times) / 1000 / audio_s, 3) if audio_s else 0.0,
            "rss_mb": round(psutil.Process().memory_info().rss / 2**20),
            "decode_ms": {"p50": _rank(times, 0.5), "p95": _rank(times, 0.95)},
            "busy": round(busy, 3),
            "answer_ms": {"n": len(answers), "p50": _rank(answers, 0.5), "p95": _rank(answers, 0.95)},
        }


def _rank(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
