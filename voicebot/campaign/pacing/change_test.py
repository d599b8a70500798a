"""Has a share of bad calls jumped?  A sequential test (Page's CUSUM) that may be asked after every call.

With h = ln(1 / p) the probability of a false alarm within any N calls whose bad share is `usual` or less is
at most N x p: CUSUM stays below the Shiryaev-Roberts statistic R, whose mean after N calls is N; by Doob's
inequality R reaches 1 / p among them with probability N x p at most.  Hence p is "false alarms per call".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FALSE_ALARMS_PER_CALL = 1e-7
"""A false alarm within 10,000 calls has a probability of 0.1 % at most."""
VERDICT_ERROR = 0.05
"""A verdict on probes is wrong with about this probability; another round of probes follows anyway."""


@dataclass
class ChangeTest:
    """Tells a share of bad calls of `usual` or less from one of `changed` or more."""

    usual: float
    changed: float
    score: float = 0.0

    def add(self, bad: bool) -> bool:
        """One more call.  True when the share has changed: the score has reached ln(1 / p)."""
        self.score = max(0.0, self.score + self.weight(bad))
        return self.score >= -math.log(FALSE_ALARMS_PER_CALL)

    def weight(self, bad: bool) -> float:
        """What one call says: the logarithm of its likelihood ratio."""
        if bad:
            return math.log(self.changed / self.usual)
        return math.log((1 - self.changed) / (1 - self.usual))


@dataclass
class Verdict:
    """The question after a change, put to a few probes: is it over?  Wald's sequential test."""

    test: ChangeTest
    score: float = 0.0

    def add(self, bad: bool) -> bool | None:
        """True: over.  False: still as bad.  None: more probes."""
        self.score += self.test.weight(bad)
        limit = math.log((1 - VERDICT_ERROR) / VERDICT_ERROR)
        if self.score >= limit:
            return False
        return True if self.score <= -limit else None
