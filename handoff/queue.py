"""The agent queue of one supervisor: who is rung next, and who may be rung at all.

Plain state under an injected monotonic clock, without I/O or tasks: nothing here can hang.  What an agent
does is told by one field, the reservation; it has one owner (attempt and worker) and an expiry: neither a
dead worker nor a lost word can keep an agent.  A waiting call keeps its place in line by asking again; one
that stops asking is forgotten, hence no waiting call can stand in the way of others.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import structlog

from handoff.agents import Agent, Qualification, Unqualified
from handoff.presence import AgentRow, Presence, QueueStats, WaitingRow
from handoff.seat import NobodyComes, Seat
from handoff.seats_now import SeatsNow
from handoff.settings import QueueSettings, Strategy
from handoff.states import NOT_TAKEN, TALKED, SeatOutcome

log = structlog.get_logger()

DESK_WRAP_UP_S = 300.0
"""An agent at the desk is left alone until the form is in, but no longer than this."""
PATIENCE_S = 3.0
"""A waiting call asks twice a second; after this it has given up, or its worker is dead."""


@dataclass
class Reservation:
    """One agent held for one attempt.  Void after `expires` (monotonic seconds)."""

    number: int
    agent_id: str
    attempt_id: str
    worker: str
    queue: str
    expires: float
    since: float
    talking: bool = False


@dataclass
class _Chair:
    """One agent's place: what is remembered of them between calls."""

    agent: Agent
    idle_since: float
    reservation: Reservation | None = None
    quiet_until: float = 0.0
    quiet: Presence = Presence.WRAP_UP
    calls: int = 0
    logged_in: bool = True
    break_reason: str | None = None
    at_desk: bool = False
    "Wrap-up lasts until the form is in."
    elsewhere: bool = False
    "Has a call of another run."


@dataclass
class _Waiting:
    """A call in line."""

    attempt_id: str
    queue: QueueSettings
    worker: str
    since: float
    asked: float
    exclude: frozenset[str]

    @property
    def order(self) -> tuple[int, float]:
        return (-self.queue.priority, self.since)


class AgentQueue:
    """All queues of a site share its agents; a queue is a skill and its settings."""

    def __init__(
        self,
        agents: Sequence[Agent],
        queues: Mapping[str, QueueSettings],
        qualify: Qualification,
        monotonic: Callable[[], float],
    ) -> None:
        self._queues, self._qualify, self._now = dict(queues), qualify, monotonic
        now = monotonic()
        self._chairs = {agent.id: _new_chair(agent, now) for agent in agents if agent.enabled}
        self._waiting: dict[str, _Waiting] = {}
        self._numbers = itertools.count(1)
        self._outcomes: Counter[SeatOutcome] = Counter()
        self._expired = 0
        for agent_id, why in self.unqualified().items():
            log.warning("agent_unqualified", agent=agent_id, rule=why.rule, reason=why.reason)

    # ---- asked by workers

    def reserve(
        self, queue: str, attempt_id: str, exclude: Set[str] = frozenset(), *, worker: str
    ) -> Seat | None:
        """The agent to ring for `attempt_id`, or None: nobody is free, or an earlier call has first claim.

        Raises NobodyComes when no agent of the queue can come whom this attempt has not tried.
        An attempt that still holds a seat gives it up by asking for another.
        """
        settings = self._queues[queue]
        self.sweep()
        for chair in self._held(lambda r: r.attempt_id == attempt_id):
            self._free(chair, SeatOutcome.WITHDRAWN)
        mine = self._wait(attempt_id, settings, worker, frozenset(exclude))
        able = self._able(mine)
        free = [chair for chair in able if self._presence(chair) is Presence.FREE]
        for earlier in sorted(self._waiting.values(), key=lambda one: one.order):
            if earlier is mine:
                break
            if (theirs := self._first(earlier, free)) is not None:
                free.remove(theirs)
        chosen = self._first(mine, free)
        if chosen is None:
            return None
        del self._waiting[attempt_id]
        number = next(self._numbers)
        now = self._now()
        chosen.reservation = Reservation(
            number, chosen.agent.id, attempt_id, worker, settings.name, now + settings.lease_s, now
        )
        return Seat(chosen.agent.id, chosen.agent.sip, number)

    def bridged(self, reservation: int) -> bool:
        """The agent talks.  False when the reservation is no longer theirs."""
        for chair in self._held(lambda r: r.number == reservation):
            assert chair.reservation is not None
            chair.reservation.talking = True
            chair.reservation.expires = self._now() + self._settings(chair).max_talk_s
            return True
        return False

    def release(self, reservation: int, outcome: SeatOutcome) -> bool:
        """Ends a reservation; wrap-up or rest follow.  False when it was over already."""
        for chair in self._held(lambda r: r.number == reservation):
            self._free(chair, outcome)
            return True
        return False

    # ---- told by the supervisor

    def lose_worker(self, worker: str) -> list[str]:
        """Frees what a dead worker held.  Returns the agents' ids."""
        self._waiting = {key: one for key, one in self._waiting.items() if one.worker != worker}
        lost = self._held(lambda r: r.worker == worker)
        for chair in lost:
            assert chair.reservation is not None
            self._free(chair, SeatOutcome.TALKED if chair.reservation.talking else SeatOutcome.DROPPED)
        return [chair.agent.id for chair in lost]

    def sweep(self) -> None:
        """Drops expired reservations and calls that ask no more; to be called once a second."""
        now = self._now()
        for chair in self._held(lambda r: r.expires <= now):
            assert chair.reservation is not None
            log.warning("reservation_expired", agent=chair.agent.id, attempt_id=chair.reservation.attempt_id)
            self._expired += 1
            self._free(chair, SeatOutcome.WITHDRAWN)
        self._waiting = {key: one for key, one in self._waiting.items() if now - one.asked < PATIENCE_S}

    def take_break(self, agent_id: str, reason: str | None) -> None:
        """From the next call on; None ends the break."""
        self._chairs[agent_id].break_reason = reason

    def log_in(self, agent_id: str, logged_in: bool = True) -> None:
        """Only who is logged in is rung."""
        self._chairs[agent_id].logged_in = logged_in

    def sit_down(self, agent_id: str, at_desk: bool) -> None:
        """Logged in at the desk, or no longer: whose presence is the phone stays reachable there."""
        if (chair := self._chairs.get(agent_id)) is not None:
            chair.at_desk = at_desk
            chair.logged_in = at_desk or chair.agent.presence == "phone"

    def go_elsewhere(self, agent_id: str, elsewhere: bool) -> None:
        """Another run has reserved this agent, or no longer."""
        if (chair := self._chairs.get(agent_id)) is not None:
            chair.elsewhere = elsewhere

    def wrapped_up(self, agent_id: str) -> None:
        """The form is in: the next call may come."""
        if (chair := self._chairs.get(agent_id)) is not None and chair.quiet is Presence.WRAP_UP:
            chair.quiet_until = min(chair.quiet_until, self._now())

    def revise(self, agents: Sequence[Agent]) -> None:
        """The register changed.  Who is disabled finishes the call and is not rung again."""
        known = {agent.id: agent for agent in agents if agent.enabled}
        for agent_id in [one for one in self._chairs if one not in known]:
            if self._chairs[agent_id].reservation is None:
                del self._chairs[agent_id]
            else:
                leaving = self._chairs[agent_id]
                leaving.agent = leaving.agent.model_copy(update={"enabled": False})
        for agent in known.values():
            if (chair := self._chairs.get(agent.id)) is None:
                self._chairs[agent.id] = _new_chair(agent, self._now())
            else:
                chair.agent = agent

    # ---- for the pacing

    def seats(self, queue: str) -> SeatsNow:
        """How the agents of a queue stand now; without those who go on a break after their call."""
        now, skill = self._now(), self._queues[queue].skill
        free, soon, busy = 0, [], []
        for chair in self._chairs.values():
            staying = _works(chair) and not chair.elsewhere
            if not staying or skill not in chair.agent.skills or self._qualify(chair.agent) is not None:
                continue
            if chair.reservation is not None:
                busy.append(now - chair.reservation.since)
            elif now < chair.quiet_until:
                soon.append(chair.quiet_until - now)
            else:
                free += 1
        return SeatsNow(free, tuple(soon), tuple(busy))

    # ---- for people

    @property
    def names(self) -> list[str]:
        """The queues."""
        return list(self._queues)

    def reservations(self) -> list[Reservation]:
        """All that are held now."""
        return [chair.reservation for chair in self._chairs.values() if chair.reservation is not None]

    def unqualified(self) -> dict[str, Unqualified]:
        """Agents whom the rules keep from taking calls, each with the reason."""
        found = ((agent_id, self._qualify(chair.agent)) for agent_id, chair in self._chairs.items())
        return {agent_id: why for agent_id, why in found if why is not None}

    def rows(self) -> list[AgentRow]:
        """Every agent for a table."""
        rows = []
        for chair in self._chairs.values():
            presence, why = self._presence(chair), self._qualify(chair.agent)
            detail = chair.reservation.attempt_id if chair.reservation else chair.break_reason or ""
            if why is not None and chair.reservation is None:
                presence, detail = Presence.UNQUALIFIED, why.shown
            rows.append(AgentRow(chair.agent.id, chair.agent.name, presence, detail, chair.calls))
        return rows

    def waiting(self) -> list[WaitingRow]:
        """Every call in line, the first one first."""
        now, line = self._now(), sorted(self._waiting.values(), key=lambda one: one.order)
        return [WaitingRow(one.attempt_id, one.queue.name, round(now - one.since, 1)) for one in line]

    def stats(self) -> QueueStats:
        """The numbers of now and so far."""
        self.sweep()
        return QueueStats(len(self._waiting), dict(self._outcomes), self._expired)

    # ---- inside

    def _wait(
        self, attempt_id: str, settings: QueueSettings, worker: str, exclude: frozenset[str]
    ) -> _Waiting:
        now = self._now()
        mine = self._waiting.get(attempt_id) or _Waiting(attempt_id, settings, worker, now, now, exclude)
        mine.asked, mine.exclude = now, exclude
        self._waiting[attempt_id] = mine
        return mine

    def _able(self, mine: _Waiting) -> list[_Chair]:
        """Who could take this call, now or soon."""
        skilled = [chair for chair in self._chairs.values() if mine.queue.skill in chair.agent.skills]
        qualified = [chair for chair in skilled if self._qualify(chair.agent) is None]
        here = [chair for chair in qualified if _works(chair)]
        able = [chair for chair in here if chair.agent.id not in mine.exclude]
        if able:
            return able
        del self._waiting[mine.attempt_id]
        for reason, left in (("no_agent_with_skill", skilled), ("no_agent_qualified", qualified)):
            if not left:
                raise NobodyComes(reason)
        raise NobodyComes("all_agents_tried" if here else "no_agent_logged_in")

    def _first(self, waiting: _Waiting, free: Iterable[_Chair]) -> _Chair | None:
        fitting = [
            chair
            for chair in free
            if waiting.queue.skill in chair.agent.skills and chair.agent.id not in waiting.exclude
        ]
        if waiting.queue.strategy is Strategy.FEWEST_CALLS:
            return min(fitting, key=lambda chair: (chair.calls, chair.idle_since), default=None)
        return min(fitting, key=lambda chair: chair.idle_since, default=None)

    def _presence(self, chair: _Chair) -> Presence:
        if chair.reservation is not None:
            return Presence.TALKING if chair.reservation.talking else Presence.RESERVED
        if not chair.logged_in:
            return Presence.LOGGED_OUT
        if self._now() < chair.quiet_until:
            return chair.quiet
        if chair.elsewhere:
            return Presence.ELSEWHERE
        return Presence.BREAK if chair.break_reason is not None else Presence.FREE

    def _held(self, which: Callable[[Reservation], bool]) -> list[_Chair]:
        return [c for c in self._chairs.values() if c.reservation is not None and which(c.reservation)]

    def _settings(self, chair: _Chair) -> QueueSettings:
        assert chair.reservation is not None
        return self._queues[chair.reservation.queue]

    def _free(self, chair: _Chair, outcome: SeatOutcome) -> None:
        now, settings = self._now(), self._settings(chair)
        chair.reservation = None
        self._outcomes[outcome] += 1
        if outcome in TALKED:
            chair.calls += 1
            wrap_up_s = DESK_WRAP_UP_S if chair.at_desk else settings.wrap_up_s
            chair.quiet, chair.quiet_until = Presence.WRAP_UP, now + wrap_up_s
            chair.idle_since = chair.quiet_until
        elif outcome in NOT_TAKEN:
            chair.quiet, chair.quiet_until = Presence.RESTING, now + settings.rest_s


def _works(chair: _Chair) -> bool:
    """Is there, on no break, and was not disabled during the last call."""
    return chair.logged_in and chair.break_reason is None and chair.agent.enabled


def _new_chair(agent: Agent, now: float) -> _Chair:
    return _Chair(agent, now, logged_in=agent.presence == "phone")
