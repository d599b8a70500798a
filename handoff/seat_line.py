"""The agent queue over the line between a worker and its supervisor: both ends, lest they drift apart.

The line itself is the owner's: anything that can ask and tell JSON objects.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

from handoff.queue import AgentQueue
from handoff.seat import NobodyComes, Seat
from handoff.states import SeatOutcome

RESERVE, BRIDGED, RELEASE = "reserve", "bridged", "release"
KINDS = frozenset({RESERVE, BRIDGED, RELEASE})
ANSWER_WITHIN_S = 2.0
"""The queue answers at once; a supervisor that takes longer is as good as gone for a waiting debtor."""


class Line(Protocol):
    """What a worker's link to its supervisor can do."""

    def tell(self, kind: str, **body: Any) -> None: ...

    async def ask(self, kind: str, *, within_s: float, **body: Any) -> dict[str, Any]: ...


class LineDesk:
    """The worker's end: a Desk."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def reserve(self, queue: str, attempt_id: str, exclude: set[str]) -> Seat | None:
        """As Desk.reserve.  A fault on the supervisor's side counts as a lost connection."""
        try:
            answer = await self._line.ask(
                RESERVE, within_s=ANSWER_WITHIN_S, queue=queue, attempt_id=attempt_id, exclude=sorted(exclude)
            )
        except RuntimeError as fault:
            raise ConnectionError("the agent queue failed to answer") from fault
        if reason := answer.get("nobody"):
            raise NobodyComes(reason)
        return Seat(**answer["seat"]) if answer.get("seat") else None

    async def bridged(self, seat: Seat) -> None:
        """Told, not asked: the two already talk."""
        self._line.tell(BRIDGED, reservation=seat.reservation)

    async def release(self, seat: Seat, outcome: SeatOutcome) -> None:
        """Told, not asked: the release waits for nothing."""
        self._line.tell(RELEASE, reservation=seat.reservation, outcome=outcome.value)


def answer_desk(queue: AgentQueue, worker: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """The supervisor's end: answers one of KINDS for `worker`.  ValueError for anything else."""
    if kind == RESERVE:
        try:
            seat = queue.reserve(body["queue"], body["attempt_id"], frozenset(body["exclude"]), worker=worker)
        except NobodyComes as nobody:
            return {"nobody": str(nobody)}
        return {"seat": asdict(seat) if seat else None}
    if kind == BRIDGED:
        return {"held": queue.bridged(body["reservation"])}
    if kind == RELEASE:
        return {"held": queue.release(body["reservation"], SeatOutcome(body["outcome"]))}
    raise ValueError(f"the agent queue knows no message {kind}")
