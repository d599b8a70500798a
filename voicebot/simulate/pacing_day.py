"""A working day of dialling as a discrete-event simulation, paced by the production code.

The pacing, the agent queue and the states of a handoff are the real ones under a clock that jumps from event
to event; simulated are the people: who answers when, who asks for an agent, how long they wait and talk, when
agents go on a break.  One seed is one day: its answer rate, number of agents and bursts follow from it.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from handoff.agents import Agent
from handoff.presence import Presence
from handoff.queue import AgentQueue
from handoff.seat import NobodyComes
from handoff.seat_line import BRIDGED, RELEASE, RESERVE
from handoff.settings import QueueSettings
from handoff.states import SeatOutcome
from voicebot.campaign.pacing.alarms import Alarms
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing
from voicebot.campaign.pacing_settings import Pacing
from voicebot.clock import ManualClock
from voicebot.simulate.pacing_people import Break, Day, draw_day
from voicebot.store.states import Disposition

START = datetime(2026, 3, 2, 9, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
TICK_S = 0.5
"""How often the supervisor asks for an allowance when nothing else wakes it."""
ASK_AGAIN_S = 0.5
SAMPLE_S = 60.0
LAST_CALL_S = 180.0
"""An agent who wants a break goes after their next call, or after so long when none comes."""
RATE_KNOWN = 100
"""Asks after which the running share of abandoned calls is a figure to be held to the cap."""
CALLERS = ("+862160000001", "+862160000002", "+862160000003")
QUEUE = "general"
BUSY = frozenset({Presence.RESERVED, Presence.TALKING, Presence.WRAP_UP, Presence.RESTING})
HERE = BUSY | {Presence.FREE}


@dataclass(frozen=True)
class Sample:
    """The state at one minute."""

    hour: float
    answer_rate: float
    agents: int
    in_flight: int
    dials: int
    wanted: int
    abandoned: int
    busy: float
    "Agents with a call or in wrap-up, averaged over the minute."


@dataclass
class DayResult:
    """What a day came to."""

    mode: str
    seed: int
    hours: float
    agents: int
    dials: int = 0
    answered: int = 0
    wanted: int = 0
    abandoned: int = 0
    occupancy: float = 0.0
    "Share of the staffed time in which agents had a call or its wrap-up."
    dials_per_hour: float = 0.0
    worst_rate: float = 0.0
    "Highest running share of abandoned calls once RATE_KNOWN asks were over."
    longest_wait_s: float = 0.0
    alarms: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def abandon_rate(self) -> float:
        return self.abandoned / self.wanted if self.wanted else 0.0

    def figures(self) -> dict[str, object]:
        """Without the samples."""
        numbers = asdict(self)
        del numbers["samples"]
        return {**numbers, "abandon_rate": self.abandon_rate}


class PacedDay:
    """One day under one mode.  The same seed gives every mode the same day and the same row of people."""

    def __init__(self, pacing: Pacing, seed: int, hours: float = 8.0, agents: int | None = None) -> None:
        self.day: Day = draw_day(seed, hours, agents)
        self._people = random.Random(f"people {seed}")
        self._clock = ManualClock(START)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._attempts = itertools.count(1)
        self._settings = QueueSettings(name=QUEUE, skill=QUEUE, wrap_up_s=15, max_wait_s=20)
        staff = [
            Agent(id=f"a{n}", name=f"a{n}", sip=f"sip:a{n}@127.0.0.1", skills=frozenset({QUEUE}), agency="x")
            for n in range(self.day.agents)
        ]
        self._queue = AgentQueue(staff, {QUEUE: self._settings}, lambda _: None, self._clock.monotonic)
        self._alarms = Alarms(self._clock)
        self.pacing = CampaignPacing(
            settings=pacing,
            lines=self.day.lines,
            calls_per_second=self.day.calls_per_second,
            trunk="simulated",
            max_wait_s=self._settings.max_wait_s,
            wrap_up_s=self._settings.wrap_up_s,
            clock=self._clock,
            alarms=self._alarms,
        )
        self.result = DayResult(pacing.mode, seed, hours, self.day.agents)
        self._end_s = hours * 3600
        self._busy_s = self._here_s = self._minute_busy_s = 0.0

    def run(self) -> DayResult:
        """Dials for the whole day, then lets the calls end."""
        for pause in self.day.breaks:
            self._at(pause.start_s, self._leaves(pause, pause.start_s))
            self._at(pause.end_s, self._comes_back(pause.agent))
        self._at(0.0, self._tick)
        self._at(0.0, self._every_second)
        self._at(SAMPLE_S, self._sample)
        while self._events:
            at, _, happens = heapq.heappop(self._events)
            self._clock.elapsed_s = at
            happens()
        result, totals = self.result, self.pacing.totals
        result.wanted, result.abandoned = totals.wanted, totals.abandoned
        result.occupancy = self._busy_s / self._here_s if self._here_s else 0.0
        result.dials_per_hour = result.dials / result.hours
        result.alarms = [f"{alarm.kind}: {alarm.reason}" for alarm in self._alarms.all()]
        return result

    # ---- the supervisor

    def _tick(self) -> None:
        if self._now < self._end_s:
            self._dial()
            self._at(self._now + TICK_S, self._tick)

    def _dial(self) -> None:
        if self._now >= self._end_s:
            return
        for _ in range(self.pacing.allowance(self._queue.seats(QUEUE)).calls):
            caller = self.pacing.choose_caller(CALLERS, 0)
            if caller is None:
                return
            self._call(f"t{next(self._attempts)}", caller)

    def _every_second(self) -> None:
        self._queue.sweep()
        self.pacing.sweep(self._queue.seats(QUEUE))
        rows = self._queue.rows()
        if self._now < self._end_s:
            busy = sum(row.presence in BUSY for row in rows)
            self._busy_s += busy
            self._minute_busy_s += busy
            self._here_s += sum(row.presence in HERE for row in rows)
        totals = self.pacing.totals
        if totals.wanted >= RATE_KNOWN:
            self.result.worst_rate = max(self.result.worst_rate, totals.abandon_rate)
        if self._now < self._end_s or self.pacing.in_flight:
            self._at(self._now + 1.0, self._every_second)

    def _sample(self) -> None:
        totals, rows = self.pacing.totals, self._queue.rows()
        self.result.samples.append(
            Sample(
                hour=self._now / 3600,
                answer_rate=self.day.answer_rate(self._now),
                agents=sum(row.presence in HERE for row in rows),
                in_flight=self.pacing.in_flight,
                dials=self.result.dials,
                wanted=totals.wanted,
                abandoned=totals.abandoned,
                busy=self._minute_busy_s / SAMPLE_S,
            )
        )
        self._minute_busy_s = 0.0
        if self._now + SAMPLE_S <= self._end_s:
            self._at(self._now + SAMPLE_S, self._sample)

    # ---- one call

    def _call(self, attempt: str, caller: str) -> None:
        self.pacing.given(attempt, caller)
        self.pacing.dialled(attempt)
        self.result.dials += 1
        person = self.day.person(self._people, self._now)
        self._at(self._now + min(2.0, person.ring_s), lambda: self.pacing.ringing(attempt))
        if person.answers:
            self._at(self._now + person.ring_s, lambda: self._answered(attempt, person.asks_after_s))
        else:
            end = Disposition.NO_ANSWER if person.ring_s > 10 else Disposition.BUSY
            self._at(self._now + person.ring_s, lambda: self._ended(attempt, 486, end))

    def _answered(self, attempt: str, asks_after_s: float | None) -> None:
        self.pacing.answered(attempt)
        self.result.answered += 1
        if asks_after_s is None:
            talk_s = self.day.bot_talk_s(self._people)
            self._at(self._now + talk_s, lambda: self._ended(attempt, 200, Disposition.PTP))
        else:
            patience_s = self.day.patience_s(self._people)
            self._at(
                self._now + asks_after_s, lambda: self._ask(attempt, self._now, self._now + patience_s, set())
            )

    def _ask(self, attempt: str, since: float, leaves_at: float, tried: set[str]) -> None:
        """One question for a seat, as a worker asks it, twice a second until the wait is over."""
        if self._now >= leaves_at:
            self._ended(attempt, 200, Disposition.HUNG_UP)
            return
        if self._now - since >= self._settings.max_wait_s:
            self._nobody_came(attempt)
            return
        try:
            seat = self._queue.reserve(QUEUE, attempt, frozenset(tried), worker="w1")
        except NobodyComes as nobody:
            self.pacing.desk(RESERVE, {"attempt_id": attempt}, {"nobody": str(nobody)})
            self._nobody_came(attempt)
            return
        answer = {"seat": None if seat is None else asdict(seat)}
        self.pacing.desk(RESERVE, {"attempt_id": attempt}, answer)
        if seat is None:
            self._at(self._now + ASK_AGAIN_S, lambda: self._ask(attempt, since, leaves_at, tried))
            return
        number = seat.reservation
        if self.day.agent_declines(self._people):
            tried.add(seat.agent_id)

            def declined() -> None:
                self._release(number, SeatOutcome.NO_ANSWER)
                self._ask(attempt, since, leaves_at, tried)

            self._at(min(self._now + self._settings.ring_s, since + self._settings.max_wait_s), declined)
            return
        pick_up_s = self.day.pick_up_s(self._people)
        at = min(self._now + pick_up_s, since + self._settings.max_wait_s, leaves_at)
        came = at == self._now + pick_up_s
        self._at(at, lambda: self._picked_up(attempt, number, came, since, gone=at == leaves_at))

    def _picked_up(self, attempt: str, number: int, came: bool, since: float, *, gone: bool) -> None:
        if came:
            self._queue.bridged(number)
            self.pacing.desk(BRIDGED, {"reservation": number}, {})
            self.result.longest_wait_s = max(self.result.longest_wait_s, self._now - since)
            self._at(self._now + self.day.talk_s(self._people), lambda: self._talked(attempt, number))
        elif gone:
            self._release(number, SeatOutcome.DEBTOR_GONE)
            self._ended(attempt, 200, Disposition.HUNG_UP)
        else:
            self._release(number, SeatOutcome.WAIT_OVER)
            self._nobody_came(attempt)

    def _talked(self, attempt: str, number: int) -> None:
        self._release(number, SeatOutcome.TALKED)
        self._ended(attempt, 200, Disposition.HUMAN)

    def _nobody_came(self, attempt: str) -> None:
        """The bot agrees a call-back and says good-bye."""
        self._at(self._now + 8.0, lambda: self._ended(attempt, 200, Disposition.CALLBACK))

    def _release(self, number: int, outcome: SeatOutcome) -> None:
        self._queue.release(number, outcome)
        self.pacing.desk(RELEASE, {"reservation": number, "outcome": outcome.value}, {})

    def _ended(self, attempt: str, code: int, disposition: Disposition) -> None:
        self.pacing.ended(attempt, sip_code=code, disposition=disposition, rtp=True)
        self._dial()

    # ---- the clock

    @property
    def _now(self) -> float:
        return self._clock.elapsed_s

    def _at(self, at: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), happens))

    # ---- agents

    def _leaves(self, pause: Break, wanted_at: float) -> Callable[[], None]:
        """Who talks leaves afterwards; who is free waits for a call first, unless the break is sudden."""

        def leave() -> None:
            agent_id = f"a{pause.agent}"
            free = any(
                row.agent_id == agent_id and row.presence is Presence.FREE for row in self._queue.rows()
            )
            if free and not pause.sudden and self._now - wanted_at < LAST_CALL_S:
                self._at(self._now + 2.0, leave)
            elif self._now < pause.end_s:
                self._queue.take_break(agent_id, "break")

        return leave

    def _comes_back(self, agent: int) -> Callable[[], None]:
        return lambda: self._queue.take_break(f"a{agent}", None)


def day_of(result: DayResult, hour: float) -> str:
    """The time of day of an hour of the simulation, for a label."""
    return f"{START + timedelta(hours=hour):%H:%M}"
