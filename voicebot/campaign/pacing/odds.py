"""How likely something is to happen and how soon, learned from what happened lately.

Three steps of a call are such things: dialled → answered, answered → asks for an agent, seat given → free
again.  Each ends in *yes* (it happened) or *no* (it cannot happen any more), after so many seconds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR = 1.0
"""Weight, in events, of what is assumed where nothing was seen: lets no age have odds of exactly 0 or 1."""


class Odds:
    """A histogram that forgets: an event counts 1/e after `memory` further ones."""

    def __init__(self, *, bin_s: float, span_s: float, memory: float) -> None:
        bins = math.ceil(span_s / bin_s)
        self.bin_s = bin_s
        self.edges: Floats = np.arange(bins + 1, dtype=np.float64) * bin_s
        self._yes: Floats = np.zeros(bins)
        self._all: Floats = np.zeros(bins)
        self._keep = math.exp(-1 / memory)
        self._cumulated: tuple[Floats, Floats] | None = None

    def add(self, happened: bool, after_s: float) -> None:
        """One event, `after_s` seconds after its beginning; what took longer is in the last bin."""
        self._yes *= self._keep
        self._all *= self._keep
        place = min(max(0, int(after_s / self.bin_s)), len(self._all) - 1)
        self._all[place] += 1
        self._yes[place] += happened
        self._cumulated = None

    @property
    def seen(self) -> float:
        """How many events it rests on, the forgotten part left out."""
        return float(self._all.sum())

    @property
    def share(self) -> float:
        """The share that happened; 1 where nothing was seen: the cautious assumption."""
        seen = self.seen
        return float(self._yes.sum()) / seen if seen else 1.0

    def upper(self, z: float) -> float:
        """The share at the upper end of its Wilson interval, `z` standard deviations wide."""
        return wilson(self.share, self.seen, z)

    @property
    def mean_s(self) -> float:
        """The mean time of those that happened; 0 where none did."""
        hits = float(self._yes.sum())
        return float(self._yes @ (self.edges[:-1] + self.bin_s / 2)) / hits if hits else 0.0

    def quantile_s(self, share: float) -> float:
        """The time within which `share` of those that happened did; 0 where none did."""
        yes, _ = self._cumulative()
        return float(np.interp(share * yes[-1], yes, self.edges)) if yes[-1] else 0.0

    def times(self) -> Floats:
        """The distribution of the times of those that happened, by bin; sums to 1, or to 0 where none did."""
        hits = float(self._yes.sum())
        return self._yes / hits if hits else self._yes.copy()

    def within(self, ages_s: Floats, horizon_s: Floats | float) -> Floats:
        """For things that are `ages_s` old and undecided: the odds that they happen within `horizon_s`."""
        yes, every = self._cumulative()
        now = np.interp(ages_s, self.edges, yes)
        then = np.interp(ages_s + horizon_s, self.edges, yes)
        left = every[-1] - np.interp(ages_s, self.edges, every)
        mean = max(self.mean_s, self.bin_s)
        prior = PRIOR * self.share * -np.expm1(-np.asarray(horizon_s) / mean)
        odds: Floats = np.clip((then - now + prior) / (left + PRIOR), 0.0, 1.0)
        return odds

    def _cumulative(self) -> tuple[Floats, Floats]:
        if self._cumulated is None:
            zero: Any = np.zeros(1)
            self._cumulated = (
                np.concatenate((zero, np.cumsum(self._yes))),
                np.concatenate((zero, np.cumsum(self._all))),
            )
        return self._cumulated


def wilson(share: float, seen: float, z: float) -> float:
    """An end of the Wilson interval of a share: the upper one for z > 0, the lower one for z < 0.

    1 (or 0) where nothing was seen.
    """
    if seen <= 0:
        return 1.0 if z > 0 else 0.0
    squared = z * z / seen
    spread = math.sqrt(share * (1 - share) / seen + squared / (4 * seen))
    return min(1.0, max(0.0, (share + squared / 2 + z * spread) / (1 + squared)))
