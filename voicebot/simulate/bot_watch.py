"""What a simulated party notices of the other end while the call runs: that it began to speak, or paused.

Works on the levels of the 20 ms ticks alone; the callee knows no words.  A known voice (the agent's greeting)
is recognised by the shape of its loudness.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voicebot.speech.audio import FRAME_BYTES, SILENCE_DBFS, level_dbfs, to_float

TICK_S = 0.02
AUDIBLE_DBFS = -50.0
"""Above this a tick carries something; line noise and digital silence stay below."""
AUDIBLE_TICKS = 2
"""So many audible ticks in a row begin a stretch: one alone is a click."""
STRETCH_GAP_S = 0.2
"""Silence that ends a stretch of audio: gaps inside words are shorter."""
PAUSE_S = 0.9
"""Silence after which the bot is taken to wait: between its sentences it rests less than 0.5 s."""


def tick_level(pcm: bytes) -> float:
    """RMS level of one tick in dBFS."""
    return level_dbfs(to_float(pcm))


@dataclass
class Stretch:
    """Audio without a longer gap: first tick, and the tick after the last audible one."""

    start: int
    end: int


class BotWatch:
    """Feed the level of every tick.  Ticks are counted from 0."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause = round(pause_s / TICK_S)
        self._gap = round(STRETCH_GAP_S / TICK_S)
        self._run = 0
        self.ticks = 0
        self.stretches: list[Stretch] = []

    def feed(self, level_dbfs: float) -> None:
        """One tick."""
        self.ticks += 1
        self._run = self._run + 1 if level_dbfs > AUDIBLE_DBFS else 0
        if self._run < AUDIBLE_TICKS:
            return
        start = self.ticks - self._run
        if self.stretches and start - self.stretches[-1].end <= self._gap:
            self.stretches[-1].end = self.ticks
        else:
            self.stretches.append(Stretch(start, self.ticks))

    def started_since(self, tick: int) -> int | None:
        """Where the first stretch that began at or after `tick` began."""
        return next((one.start for one in self.stretches if one.start >= tick), None)

    def answered_since(self, tick: int) -> int | None:
        """Where the first stretch began that was heard after `tick`, even if it began a little before."""
        return next((one.start for one in self.stretches if one.end > tick), None)

    def heard_since(self, tick: int) -> bool:
        """True when there was audio after `tick`."""
        return bool(self.stretches) and self.stretches[-1].end > tick

    def paused_since(self, tick: int) -> bool:
        """True when there was audio after `tick` and now it has been silent for the pause."""
        return self.heard_since(tick) and self.ticks - self.stretches[-1].end >= self._pause


class VoiceMatch:
    """Recognises one known recording by its loudness over time, wherever it begins."""

    LONGEST_S = 2.5
    "A stretch this long is enough to tell it from anything else."
    ALIKE = 0.85
    "Correlation of the two loudness curves."
    _FLOOR_DBFS = -55.0

    def __init__(self, pcm: bytes) -> None:
        """`pcm`: 8 kHz int16 of the recording."""
        levels = [tick_level(pcm[i : i + FRAME_BYTES]) for i in range(0, len(pcm), FRAME_BYTES)]
        shape = self._shape(levels[: round(self.LONGEST_S / TICK_S)])
        self._wanted = shape / np.linalg.norm(shape)
        self._recent: deque[float] = deque([SILENCE_DBFS] * shape.size, shape.size)
        self.heard_at: int | None = None
        "Tick at which it was recognised last."
        self._ticks = 0

    def feed(self, level_dbfs: float) -> bool:
        """One tick; True when the recording has just been heard."""
        self._ticks += 1
        self._recent.append(level_dbfs)
        shape = self._shape(self._recent)
        size = float(np.linalg.norm(shape))
        alike = size > 0 and float(shape @ self._wanted) / size > self.ALIKE
        if alike:
            self.heard_at = self._ticks
        return alike

    def _shape(self, levels: Sequence[float] | deque[float]) -> np.ndarray:
        loudness = np.maximum(np.asarray(levels, np.float64), self._FLOOR_DBFS)
        centred: np.ndarray = loudness - loudness.mean()
        return centred
