"""Time as the rules see it: a named zone, and in simulations an explicit date.

Calling hours hold in the demo and in tests too; what changes there is the clock, never the rule.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Wall time for rules and records, monotonic seconds for durations."""

    def now(self) -> datetime:
        """The time of day, always aware of its zone."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    @property
    def simulated(self) -> bool:
        """True when `now` is not the real time."""
        ...


@dataclass(frozen=True)
class WallClock:
    """The real time in the site's zone."""

    zone: ZoneInfo

    def now(self) -> datetime:
        return datetime.now(self.zone)

    def monotonic(self) -> float:
        return time.monotonic()

    @property
    def simulated(self) -> bool:
        return False


@dataclass(frozen=True)
class SimulationClock:
    """Runs at real speed from an explicit start.  Only with trunks on loopback (DESIGN 6.13)."""

    start: datetime
    origin: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("a simulation clock needs a start with a time zone")

    def now(self) -> datetime:
        return self.start + timedelta(seconds=time.monotonic() - self.origin)

    def monotonic(self) -> float:
        return time.monotonic()

    @property
    def simulated(self) -> bool:
        return True


@dataclass
class ManualClock:
    """Stands still until it is moved: for tests."""

    start: datetime
    elapsed_s: float = 0.0

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        self.elapsed_s += seconds

    @property
    def simulated(self) -> bool:
        return True


def today(clock: Clock) -> date:
    """The local date of the call, on which spoken dates are anchored."""
    return clock.now().date()
