"""How busy the recogniser is: the supervisor asks before it lets a new call start."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

_KEPT_JOBS = 200


@dataclass
class Job:
    _decode_ms: float = 0.0
    _audio_s: float = 0.0

    def done(self, decode_ms: float, audio_s: float) -> None:
        self._decode_ms, self._audio_s = decode_ms, audio_s

    @property
    def figures(self) -> tuple[float, float]:
        return self._decode_ms, self._audio_s


@dataclass
class LoadMeter:
    """Counts decodes that wait or run, and their time over the audio's (the real-time factor)."""

    workers: int
    waiting: int = 0
    decodes: int = 0
    sessions: int = 0
    _recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_KEPT_JOBS))

    @contextmanager
    def job(self) -> Iterator[Job]:
        """Around one decode, from the moment it is asked for."""
        job = Job()
        self.waiting += 1
        try:
            yield job
        finally:
            self.waiting -= 1
            decode_ms, audio_s = job.figures
            if audio_s > 0.0:
                self.decodes += 1
                self._recent.append((decode_ms, audio_s))

    def stats(self) -> dict[str, Any]:
        """queue (decodes waiting or running), sessions, decodes, rss_mb; rtf, decode_ms of the last 200."""
        times = sorted(ms for ms, _ in self._recent)
        audio_s = sum(s for _, s in self._recent)
        return {
            "queue": self.waiting,
            "workers": self.workers,
            "sessions": self.sessions,
            "decodes": self.decodes,
            "rtf": round(sum(times) / 1000 / audio_s, 3) if audio_s else 0.0,
            "rss_mb": round(psutil.Process().memory_info().rss / 2**20),
            "decode_ms": {"p50": _rank(times, 0.5), "p95": _rank(times, 0.95)},
        }


def _rank(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
