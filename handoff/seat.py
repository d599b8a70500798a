"""What a call sees of the agent queue: a desk to ask, and the seat it got."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from handoff.states import SeatOutcome


@dataclass(frozen=True)
class Seat:
    """One agent, reserved for one attempt.  `uri` is where the agent's phone is rung."""

    agent_id: str
    uri: str
    reservation: int
    "Names this reservation: a late word about an older one changes nothing."
    whisper_voice: str | None = None
    "Voice in which the agent wants the briefing; None: the call's own."


class NobodyComes(Exception):
    """Waiting is no use: no agent of the queue can come.  The message is a reason code."""


class Desk(Protocol):
    """The agent queue as a worker asks it.

    Every method raises ConnectionError or TimeoutError when the queue cannot be asked.
    """

    async def reserve(self, queue: str, attempt_id: str, exclude: set[str]) -> Seat | None:
        """A seat, or None when nobody is free now: ask again within `queue.PATIENCE_S` to keep the place.

        NobodyComes when asking again is no use.  Agents in `exclude` are not given.
        """
        ...

    async def bridged(self, seat: Seat) -> None:
        """The agent talks with the debtor now."""
        ...

    async def release(self, seat: Seat, outcome: SeatOutcome) -> None:
        """The reservation is over.  Asked once more for the same seat, it does nothing."""
        ...
