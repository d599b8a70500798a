"""All that the desk knows at this moment: runs with their queues and cards, people and who is there.

Plain state, told by the runs' lines and by the pages; no I/O and no tasks.  Whoever needs to know waits for
`changed`.  What a page may see of it is in `views`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from handoff.card import Card, CardTurn
from handoff.desk.call import Call

GRACE_S = 15.0
"""A page that lost its line (a reload, a sleeping laptop) has so long to come back."""
WARNINGS = 20
"""Alerts of forbidden words that a supervisor's page keeps."""
Break = Literal["rest", "meal", "training", "meeting", "other"]
BREAKS: tuple[Break, ...] = get_args(Break)
ARRIVED, WRAPPING = "arrived", "wrap_up"
"""Reasons for a break that nobody chooses: just logged in; the form of the last talk is missing."""


@dataclass
class Wrapping:
    """A talk whose form is missing."""

    log_number: int
    attempt_id: str
    campaign_id: str
    case_id: str
    phone_masked: str
    card: Card | None
    "None: the desk was started anew since."
    turns: list[CardTurn]
    outcome: str
    taken: bool = False
    "The form is in and being kept: it cannot come twice."


@dataclass
class Person:
    """Somebody who is logged in."""

    id: str
    break_reason: str | None = ARRIVED
    pages: int = 0
    left_at: float | None = None
    since: float = 0.0
    notice: str = ""
    "What became of the last call that was offered and not talked: a seat outcome."
    forms: list[Wrapping] = field(default_factory=list)
    "Missing ones, the oldest first."
    listens_to: str | None = None
    "The attempt that a supervisor looks at."

    @property
    def wrapping(self) -> Wrapping | None:
        """The form that is asked for."""
        return self.forms[0] if self.forms else None

    def talks_again(self, attempt_id: str) -> Wrapping | None:
        """Takes back the form of a talk that was taken for lost."""
        found = next((one for one in self.forms if one.attempt_id == attempt_id and not one.taken), None)
        if found is not None:
            self.forms.remove(found)
        return found


@dataclass
class Run:
    """One run's line.  `ask(kind, body)` raises ConnectionError, TimeoutError or RuntimeError."""

    id: int
    ask: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
    campaign: str = ""
    campaign_id: str = ""
    simulated: bool = False
    queues: list[str] = field(default_factory=list)
    ahead: timedelta = timedelta()
    "Of the real time, by the run's clock."
    floor: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    told_presence: dict[str, Any] | None = None

    def now(self, real: datetime) -> datetime:
        """The time by the run's own clock."""
        return real + self.ahead


class Floor:
    """Runs and people."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self.runs: dict[int, Run] = {}
        self.people: dict[str, Person] = {}
        self.warnings: deque[tuple[str, str]] = deque(maxlen=WARNINGS)
        "Agent and why their words were forbidden, the newest first."
        self.version = 0
        self._numbers = itertools.count(1)
        self._waiters: set[asyncio.Event] = set()

    # ---- waiting for something new

    def changed(self) -> None:
        """Something did."""
        self.version += 1
        for waiter in self._waiters:
            waiter.set()

    def watch(self) -> asyncio.Event:
        """An event that is set at each change; `unwatch` it."""
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        return waiter

    def unwatch(self, waiter: asyncio.Event) -> None:
        self._waiters.discard(waiter)

    def warned(self, agent_id: str, why: str) -> None:
        """An agent used forbidden words."""
        self.warnings.appendleft((agent_id, why))
        self.changed()

    # ---- runs

    def run_came(self, ask: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]) -> Run:
        run = Run(next(self._numbers), ask)
        self.runs[run.id] = run
        self.changed()
        return run

    def run_went(self, run: Run) -> None:
        """Its calls go with it."""
        self.runs.pop(run.id, None)
        self.changed()

    def run_of(self, campaign_id: str) -> Run | None:
        """A run of that campaign."""
        return next((run for run in self.runs.values() if run.campaign_id == campaign_id), None)

    def calls(self) -> Iterator[tuple[Run, Call]]:
        """Every call of every run."""
        for run in list(self.runs.values()):
            for call in list(run.calls.values()):
                yield run, call

    def call_of(self, agent_id: str) -> tuple[Run, Call] | None:
        """The call that an agent has or is offered."""
        return next(((run, call) for run, call in self.calls() if call.agent_id == agent_id), None)

    def find(self, attempt_id: str) -> tuple[Run, Call] | None:
        """A call by its attempt."""
        return next(((run, call) for run, call in self.calls() if call.card.attempt_id == attempt_id), None)

    def queue_row(self, agent_id: str) -> dict[str, Any] | None:
        """How the runs' queues see an agent: the busiest of them counts."""
        rows = [
            row
            for run in self.runs.values()
            for row in run.floor.get("agents", ())
            if row["agent_id"] == agent_id
        ]
        busy = ("talking", "reserved", "wrap_up", "resting", "unqualified")
        return min(
            rows, key=lambda row: busy.index(row["presence"]) if row["presence"] in busy else 9, default=None
        )

    # ---- people

    def person(self, member_id: str) -> Person:
        """Who is logged in, or logs in now."""
        if member_id not in self.people:
            self.people[member_id] = Person(member_id, since=self._now())
        return self.people[member_id]

    def page_opened(self, member_id: str) -> None:
        person = self.person(member_id)
        person.pages += 1
        person.left_at = None
        self.changed()

    def page_closed(self, member_id: str) -> None:
        if (person := self.people.get(member_id)) is not None:
            person.pages -= 1
            if person.pages == 0:
                person.left_at = self._now()
            self.changed()

    def log_out(self, member_id: str) -> None:
        """Gone at once, but for a form that is missing."""
        if (person := self.people.get(member_id)) is not None:
            person.break_reason, person.left_at = ARRIVED, self._now() - GRACE_S
            self.changed()

    def take_break(self, member_id: str, reason: str | None) -> None:
        """None: available."""
        person = self.person(member_id)
        person.break_reason, person.since, person.notice = reason, self._now(), ""
        self.changed()

    def at_desk(self, person: Person) -> bool:
        """Has a page open, or had a moment ago."""
        return person.pages > 0 or (person.left_at is not None and self._now() - person.left_at < GRACE_S)

    def presence_for(self, run: Run) -> dict[str, Any]:
        """What a run is told of the people: here, on a break, busy with another run's call."""
        agents = {}
        for person in self.people.values():
            busy = self.call_of(person.id)
            agents[person.id] = {
                "at_desk": self.at_desk(person),
                "break": WRAPPING if person.wrapping else person.break_reason,
                "elsewhere": busy is not None and busy[0] is not run,
            }
        for other, call in self.calls():
            if other is not run and call.agent_id and call.agent_id not in agents:
                agents[call.agent_id] = {"at_desk": False, "break": None, "elsewhere": True}
        return agents
