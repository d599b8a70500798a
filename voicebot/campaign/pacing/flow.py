"""The calls of a run as the pacing sees them: where each is, since when, and what became of those before.

given → dialled → answered → waiting → seated → talking → answered (given back to the bot) …
                                     ↘ answered: nobody came (abandoned), the bot goes on
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from voicebot.campaign.pacing.odds import Floats, Odds

RECENT_CALLS = 300
"""Rates rest on about so many calls: a quarter of an hour of a small site, a minute or two of a large one."""
RING_SPAN_S, ASK_SPAN_S, BUSY_SPAN_S, PICK_UP_SPAN_S = 90.0, 600.0, 1800.0, 60.0


class Stage(StrEnum):
    """Where a call is."""

    GIVEN = "given"
    DIALLED = "dialled"
    ANSWERED = "answered"
    "With the bot; may ask for an agent."
    WAITING = "waiting"
    SEATED = "seated"
    "An agent is rung or briefed for it."
    TALKING = "talking"
    WITH_BOT = "with_bot"
    "Nobody came, or the agent gave it back."


ASKING = frozenset({Stage.WAITING, Stage.SEATED})


@dataclass
class Call:
    """One call in flight.  Times are monotonic seconds."""

    stage: Stage
    since: float
    asked_at: float = 0.0


@dataclass
class Totals:
    """What a campaign counted so far, over restarts and machines."""

    wanted: int = 0
    "Answered calls that wanted an agent and whose wait is over."
    abandoned: int = 0
    "Of these: nobody came within the longest wait, or the debtor hung up while nobody was even being rung."

    @property
    def abandon_rate(self) -> float:
        return self.abandoned / self.wanted if self.wanted else 0.0

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.wanted + other.wanted, self.abandoned + other.abandoned)


class CallFlow:
    """Told what happens to each call; unknown calls and repeated words are ignored."""

    def __init__(self, max_wait_s: float, monotonic: Callable[[], float]) -> None:
        self.max_wait_s, self._now = max_wait_s, monotonic
        self.calls: dict[str, Call] = {}
        self.ring = Odds(bin_s=1, span_s=RING_SPAN_S, memory=RECENT_CALLS)
        "dialled → answered"
        self.ask = Odds(bin_s=2, span_s=ASK_SPAN_S, memory=RECENT_CALLS)
        "answered → asks for an agent"
        self.busy = Odds(bin_s=5, span_s=BUSY_SPAN_S, memory=RECENT_CALLS / 3)
        "seat given → seat given back, of those who talked"
        self.pick_up = Odds(bin_s=1, span_s=PICK_UP_SPAN_S, memory=RECENT_CALLS / 3)
        "seat given → debtor and agent talk"
        self.run = Totals()
        "Counted since the start of this run."

    # ---- what happens

    def given(self, attempt_id: str) -> None:
        """A worker gets the order."""
        self.calls[attempt_id] = Call(Stage.GIVEN, self._now())

    def dialled(self, attempt_id: str) -> None:
        """The INVITE goes out."""
        if call := self._in(attempt_id, Stage.GIVEN):
            self._to(call, Stage.DIALLED)

    def answered(self, attempt_id: str) -> None:
        """200 OK: the bot speaks."""
        if call := self._in(attempt_id, Stage.DIALLED):
            self.ring.add(True, self._age(call))
            self._to(call, Stage.ANSWERED)

    def wanted_agent(self, attempt_id: str) -> None:
        """The debtor is to be handed over; repeated while waiting."""
        call = self._in(attempt_id, Stage.ANSWERED, Stage.WITH_BOT)
        if call is None:
            return
        if call.stage is Stage.ANSWERED:
            self.ask.add(True, self._age(call))
        call.asked_at = self._now()
        self._to(call, Stage.WAITING)

    def seat_given(self, attempt_id: str) -> None:
        """An agent is being rung for it."""
        if call := self._in(attempt_id, Stage.WAITING):
            self._to(call, Stage.SEATED)

    def seat_lost(self, attempt_id: str) -> None:
        """That agent did not take it: the debtor waits for another one."""
        if call := self._in(attempt_id, Stage.SEATED):
            self.pick_up.add(False, self._age(call))
            self._to(call, Stage.WAITING)

    def agent_got(self, attempt_id: str) -> None:
        """Debtor and agent talk.  A wait that was counted as in vain before is not taken back."""
        call = self._in(attempt_id, Stage.SEATED)
        if call is None:
            return
        self.pick_up.add(True, self._age(call))
        self._to(call, Stage.TALKING)
        self.run.wanted += 1

    def agent_left(self, attempt_id: str, busy_s: float) -> None:
        """They have talked; the agent was busy with it for `busy_s`.  The bot may go on."""
        self.busy.add(True, busy_s)
        if call := self._in(attempt_id, Stage.TALKING):
            self._to(call, Stage.WITH_BOT)

    def nobody_comes(self, attempt_id: str) -> None:
        """The wait is over, in vain."""
        if call := self._in(attempt_id, *ASKING):
            self._abandoned(call)

    def ended(self, attempt_id: str) -> None:
        """The call is over and its line free."""
        call = self.calls.pop(attempt_id, None)
        if call is None:
            return
        if call.stage is Stage.DIALLED:
            self.ring.add(False, self._age(call))
        elif call.stage is Stage.ANSWERED:
            self.ask.add(False, self._age(call))
        elif call.stage is Stage.WAITING:
            self._abandoned(call)
        elif call.stage is Stage.SEATED:  # gone while an agent's phone rang: a wait, not an abandoned call
            self.run.wanted += 1

    def dropped(self, attempt_id: str) -> None:
        """Its line is free and nothing is learned from it: not dialled, refused, or its worker died."""
        self.calls.pop(attempt_id, None)

    def sweep(self) -> None:
        """Counts the waits that are over, though nobody has said so yet."""
        late = self._now() - self.max_wait_s
        for call in self.calls.values():
            if call.stage in ASKING and call.asked_at < late:
                self._abandoned(call)

    # ---- how it stands

    def look_at_undecided(self) -> None:
        """Lets the calls in flight count in the odds, as far as they have come."""
        self.ring.undecided(self.ages(Stage.DIALLED))
        self.ask.undecided(self.ages(Stage.ANSWERED))

    def count(self, *stages: Stage) -> int:
        """Calls in any of these stages."""
        return sum(call.stage in stages for call in self.calls.values())

    def ages(self, *stages: Stage) -> Floats:
        """How long each call is in one of these stages, seconds."""
        now = self._now()
        found = [now - call.since for call in self.calls.values() if call.stage in stages]
        return np.array(found, dtype=np.float64)

    def waits(self) -> Floats:
        """How long those who wait for an agent have waited, seconds."""
        now = self._now()
        found = [now - call.asked_at for call in self.calls.values() if call.stage is Stage.WAITING]
        return np.array(found, dtype=np.float64)

    def _abandoned(self, call: Call) -> None:
        self.run.wanted += 1
        self.run.abandoned += 1
        self._to(call, Stage.WITH_BOT)

    def _in(self, attempt_id: str, *stages: Stage) -> Call | None:
        call = self.calls.get(attempt_id)
        return call if call is not None and call.stage in stages else None

    def _age(self, call: Call) -> float:
        return self._now() - call.since

    def _to(self, call: Call, stage: Stage) -> None:
        call.stage, call.since = stage, self._now()
