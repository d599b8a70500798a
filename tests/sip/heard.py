"""What a leg brought, tick by tick, and how to compare it with what was played."""

from __future__ import annotations

import asyncio

import numpy as np

from sip.leg import Leg, LegState

TICK = 320
PIECE = 800
SAME = 0.9
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
    """The share of `played`, in pieces of 100 ms, that occurs in `heard`, in any order.

    By pieces, because a jitter buffer may drop or repeat a frame between them.
    """
    pieces = np.split(played[: len(played) // PIECE * PIECE].astype(float), len(played) // PIECE)
    return float(np.mean([_best_match(heard.astype(float), piece) > SAME for piece in pieces]))


def _best_match(heard: np.ndarray, piece: np.ndarray) -> float:
    """Best normalised correlation of `piece` with a stretch of `heard`."""
    if len(heard) < len(piece):
        return 0.0
    size = 1 << (len(heard) + len(piece)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(piece, size)), size)
    valid = len(heard) - len(piece) + 1
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    norms = np.sqrt(energy[len(piece) :] - energy[: -len(piece)]) + 1e4
    return float(np.max(product[:valid] / (norms[:valid] * np.linalg.norm(piece))))
