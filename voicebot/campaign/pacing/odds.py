"""How likely something is to happen and how soon, learned from what happened lately.

Three steps of a call are such things: dialled → answered, answered → asks for an agent, seat given → free
again.  Each ends in *yes* (it happened) or *no* (it cannot happen any more), after so many seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR = 1.0
"""Weight, in events, of what is assumed where nothing was seen: lets no age have odds of exactly 0 or 1."""


class Odds:
    """A histogram that forgets: an event counts 1/e after `memory` further ones.

    What is undecided yet counts as far as it has come (Kaplan-Meier): otherwise the first ones to be decided
    would make everything look quick.
    """

    def __init__(self, *, bin_s: float, span_s: float, memory: float) -> None:
        bins = math.ceil(span_s / bin_s)
        self.bin_s = bin_s
        self.edges: Floats = np.arange(bins + 1, dtype=np.float64) * bin_s
        self._yes: Floats = np.zeros(bins)
        self._all: Floats = np.zeros(bins)
        self._open: Floats = np.zeros(bins + 1)
        self._keep = math.exp(-1 / memory)
        self._curves: _Curves | None = None

    def add(self, happened: bool, after_s: float) -> None:
        """One event, `after_s` seconds after its beginning; what took longer is in the last bin."""
        self._yes *= self._keep
        self._all *= self._keep
        place = min(max(0, int(after_s / self.bin_s)), len(self._all) - 1)
        self._all[place] += 1
        self._yes[place] += happened
        self._curves = None

    def undecided(self, ages_s: Floats) -> None:
        """How old those are that have begun and are not decided yet."""
        places = np.clip((ages_s / self.bin_s).astype(int), 0, len(self._open) - 1)
        self._open = np.bincount(places, minlength=len(self._open)).astype(np.float64)
        self._curves = None

    @property
    def seen(self) -> float:
        """How many decided events it rests on, the forgotten part left out."""
        return float(self._all.sum())

    @property
    def share(self) -> float:
        """The share that happens; 1 where nothing was seen: the cautious assumption."""
        return self._learned().share

    def upper(self, z: float) -> float:
        """The share at the upper end of its Wilson interval, `z` standard deviations wide."""
        return wilson(self.share, self.seen, z)

    @property
    def mean_s(self) -> float:
        """The mean time of those that happen; 0 where none did."""
        return self._learned().mean_s

    def quantile_s(self, share: float) -> float:
        """The time within which `share` of those that happen do; 0 where none did."""
        yes = self._learned().yes
        return float(np.interp(share * yes[-1], yes, self.edges)) if yes[-1] else 0.0

    def times(self) -> Floats:
        """The distribution of the times of those that happen, by bin; sums to 1, or to 0 where none did."""
        return self._learned().times

    def within(self, ages_s: Floats, horizon_s: Floats | float) -> Floats:
        """For things that are `ages_s` old and undecided: the odds that they happen within `horizon_s`."""
        curves = self._learned()
        now = np.interp(ages_s, self.edges, curves.yes)
        then = np.interp(ages_s + horizon_s, self.edges, curves.yes)
        left = np.interp(ages_s, self.edges, curves.left)
        prior = PRIOR / (self.seen + PRIOR)
        assumed = prior * self.share * -np.expm1(-np.asarray(horizon_s) / max(self.mean_s, self.bin_s))
        odds: Floats = np.clip((then - now + assumed) / (left + prior), 0.0, 1.0)
        return odds

    def _learned(self) -> _Curves:
        if self._curves is None:
            at_risk = np.cumsum(self._all[::-1])[::-1] + np.cumsum(self._open[::-1])[::-1][1:]
            known = np.where(at_risk > 0, at_risk, 1.0)
            left = np.concatenate((np.ones(1), np.cumprod(1 - self._all / known)))
            yes = np.concatenate((np.zeros(1), np.cumsum(left[:-1] * self._yes / known)))
            times = np.diff(yes) / yes[-1] if yes[-1] else np.zeros(len(self._all))
            decided = 1 - float(left[-1])
            self._curves = _Curves(
                yes,
                left,
                times,
                float(times @ (self.edges[:-1] + self.bin_s / 2)),
                float(yes[-1]) / decided if decided > 0 else 1.0,
            )
        return self._curves


@dataclass(frozen=True)
class _Curves:
    """By edge of the bins."""

    yes: Floats
    "The share that has happened by then."
    left: Floats
    "The share that is undecided then."
    times: Floats
    mean_s: float
    share: float


def wilson(share: float, seen: float, z: float) -> float:
    """An end of the Wilson interval of a share: the upper one for z > 0, the lower one for z < 0.

    1 (or 0) where nothing was seen.
    """
    if seen <= 0:
        return 1.0 if z > 0 else 0.0
    squared = z * z / seen
    spread = math.sqrt(share * (1 - share) / seen + squared / (4 * seen))
    return min(1.0, max(0.0, (share + squared / 2 + z * spread) / (1 + squared)))
