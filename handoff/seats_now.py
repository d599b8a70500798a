"""How a queue's agents stand at one moment, as whoever paces the dialling needs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SeatsNow:
    """Only agents who have the queue's skill, may take calls and will go on taking them."""

    free: int = 0
    "May be rung now."
    soon_s: tuple[float, ...] = ()
    "Of those in wrap-up or rest: seconds until each may be rung."
    busy_s: tuple[float, ...] = ()
    "Of those with a call: seconds since each was reserved for it."

    @property
    def here(self) -> int:
        """Agents who work now."""
        return self.free + len(self.soon_s) + len(self.busy_s)
