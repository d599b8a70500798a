"""What a leg brought, tick by tick, and how to compare it with what was played."""

from __future__ import annotations

import asyncio

import numpy as np

from sip.leg import Leg, LegState

TICK = 320
QUIET = 100
"""A-law writes digital silence as 8; anything under this is no tone."""


class Ticks:
    """Everything that `on_tick` of a leg was told."""

    def __init__(self, leg: Leg) -> None:
        self.states: list[LegState] = []
        self.times: list[float] = []
        self._theirs: list[bytes] = []
        self._ours: list[bytes] = []
        self._leg = leg
        leg.on_tick = self._take

    def _take(self, theirs: bytes, ours: bytes) -> None:
        assert len(theirs) == len(ours) == TICK
        self.states.append(self._leg.state)
        self.times.append(asyncio.get_running_loop().time())
        self._theirs.append(theirs)
        self._ours.append(ours)

    @property
    def theirs(self) -> np.ndarray:
        return samples(b"".join(self._theirs))

    @property
    def ours(self) -> np.ndarray:
        return samples(b"".join(self._ours))

    def theirs_in(self, state: LegState) -> np.ndarray:
        pairs = zip(self._theirs, self.states, strict=True)
        return samples(b"".join(tick for tick, at in pairs if at is state))


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, dtype="<i2")


def loud(audio: np.ndarray) -> np.ndarray:
    """The stretch from the first to the last audible sample."""
    audible = np.flatnonzero(np.abs(audio.astype(int)) > QUIET)
    return audio[audible[0] : audible[-1] + 1] if len(audible) else audio[:0]


def likeness(heard: np.ndarray, played: np.ndarray) -> float:
    """1.0 when `played` occurs in `heard` as it is, near 0 when it does not: best normalised correlation."""
    if len(heard) < len(played):
        heard = np.pad(heard, (0, len(played) - len(heard)))
    a, b = heard.astype(float), played.astype(float)
    size = 1 << (len(a) + len(b)).bit_length()
    product = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    best = int(np.argmax(product[: len(a) - len(b) + 1]))
    window = a[best : best + len(b)]
    return float(np.dot(window, b) / (np.linalg.norm(window) * np.linalg.norm(b) + 1e-9))
