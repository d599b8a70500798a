"""The people of a simulated day of dialling: their numbers, times and habits, all drawn from a seed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

AGENTS = (2, 3, 5, 8, 12, 20)
"""Sizes of a team; the seed chooses one."""
LEAST_ANSWERED, MOST_ANSWERED = 0.10, 0.60
BREAK_EVERY_S, BREAK_S = 5400.0, 600.0
MEETINGS = 3
"""Bursts of leaving: half of the team at once, unannounced."""
MEETING_S = 900.0
WAVES = 6
"""Bursts of answering: for some minutes the answer rate jumps."""
WAVE_S = 420.0
WAVE_FACTOR = 1.8


@dataclass(frozen=True)
class Break:
    """An agent is away from `start_s` to `end_s`; a call that is on ends first."""

    agent: int
    start_s: float
    end_s: float
    sudden: bool = False
    "Leaves at once; else after their next call."


@dataclass(frozen=True)
class Person:
    """One dialled number.  `ring_s`: until the answer, or until the call ends unanswered."""

    answers: bool
    ring_s: float
    asks_after_s: float | None
    "Seconds after the answer at which they ask for an agent; None: never."


@dataclass(frozen=True)
class Day:
    """One seed's day."""

    agents: int
    lines: int
    calls_per_second: float
    breaks: tuple[Break, ...]
    waves: tuple[float, ...]
    level: float
    swing: float
    hours_a_swing: float
    phase: float
    asks: float
    "Share of the answered who ask for an agent, in the mean of the day."
    talk_median_s: float

    def answer_rate(self, at_s: float) -> float:
        """10…60 %, in slow waves over the day with sudden ones on top."""
        angle = 2 * math.pi * at_s / 3600 / self.hours_a_swing + self.phase
        rate = self.level + self.swing * math.sin(angle)
        if any(start <= at_s < start + WAVE_S for start in self.waves):
            rate *= WAVE_FACTOR
        return min(MOST_ANSWERED, max(LEAST_ANSWERED, rate))

    def ask_rate(self, at_s: float) -> float:
        """Half as much again at its highest as in the mean."""
        return self.asks * (1 + 0.5 * math.sin(2 * math.pi * at_s / 3600 / 3 + 2 * self.phase))

    def person(self, draw: random.Random, at_s: float) -> Person:
        """Whoever is dialled at `at_s`."""
        if draw.random() < self.answer_rate(at_s):
            ring_s = min(28.0, draw.lognormvariate(math.log(9), 0.5))
            asks = draw.random() < self.ask_rate(at_s)
            return Person(True, ring_s, min(300.0, draw.lognormvariate(math.log(28), 0.6)) if asks else None)
        quick = draw.random() < 0.4  # busy, switched off, rejected
        return Person(False, draw.uniform(2, 6) if quick else 30.0, None)

    def bot_talk_s(self, draw: random.Random) -> float:
        """How long the bot talks with someone who does not ask; some hang up within seconds."""
        if draw.random() < 0.15:
            return draw.uniform(1, 5)
        return min(400.0, draw.lognormvariate(math.log(45), 0.6))

    def patience_s(self, draw: random.Random) -> float:
        """How long a debtor waits for an agent before hanging up."""
        return draw.expovariate(1 / 180)

    def pick_up_s(self, draw: random.Random) -> float:
        """Ringing, whisper, acceptance."""
        return draw.uniform(4, 9)

    def talk_s(self, draw: random.Random) -> float:
        """A talk with an agent: seconds to many minutes."""
        return min(1500.0, draw.lognormvariate(math.log(self.talk_median_s), 0.7))

    def agent_declines(self, draw: random.Random) -> bool:
        """Now and then a phone is not picked up."""
        return draw.random() < 0.01


def draw_day(seed: int, hours: float, agents: int | None = None) -> Day:
    """The day of a seed; `agents` overrides the size of its team."""
    draw = random.Random(f"day {seed}")
    drawn = AGENTS[seed % len(AGENTS)]
    team = agents or drawn
    end_s = hours * 3600
    breaks = []
    for agent in range(team):
        at = draw.uniform(0.3, 1.0) * BREAK_EVERY_S
        while at < end_s:
            breaks.append(Break(agent, at, at + BREAK_S * draw.uniform(0.7, 2.5)))
            at = breaks[-1].end_s + BREAK_EVERY_S * draw.uniform(0.7, 1.3)
    for _ in range(round(MEETINGS * hours / 8)):
        start = draw.uniform(0.1, 0.95) * end_s
        for agent in draw.sample(range(team), team // 2):
            if not any(
                one.agent == agent and one.start_s < start + MEETING_S and start < one.end_s for one in breaks
            ):
                breaks.append(Break(agent, start, start + MEETING_S, sudden=True))
    waves = tuple(draw.uniform(0, end_s) for _ in range(round(WAVES * hours / 8)))
    return Day(
        agents=team,
        lines=team * 20,
        calls_per_second=max(1.0, team / 2),
        breaks=tuple(breaks),
        waves=waves,
        level=draw.uniform(0.25, 0.4),
        swing=draw.uniform(0.12, 0.25),
        hours_a_swing=draw.uniform(3.5, 7),
        phase=draw.uniform(0, 2 * math.pi),
        asks=draw.uniform(0.07, 0.25),
        talk_median_s=draw.uniform(70, 200),
    )
