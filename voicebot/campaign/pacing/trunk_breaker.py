"""Stops dialling over a trunk that is ill, and finds out by a few calls when it is well again.

from       → to          when
────────── ───────────── ──────────────────────────────────────────────────────────────────────────
closed     → open        a test says that calls fail, are answered no more, or have no sound
open       → half-open   the pause is over (it doubles each time, up to half an hour)
half-open  → closed      the probes say that it is over
           → open        they say that it is as bad as before
any        → closed      a person accepts how the trunk is now

Results count in the order of dialling: of a burst of calls the busy ones end first and the answered ones
last, which is no sign of illness.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from voicebot.campaign.pacing.alarms import AlarmKind, Alarms
from voicebot.campaign.pacing.change_test import ChangeTest, Verdict
from voicebot.campaign.pacing.in_order import InOrder
from voicebot.campaign.pacing.odds import wilson

PAUSE_S, LONGEST_PAUSE_S = 60.0, 1800.0
FORGIVEN_S = 3600.0
"""A trunk that was well for so long starts again with the short pause."""
PROBES_AT_ONCE = 2
USUAL_FAILURES, STORM = 0.05, 0.5
"""Shares of calls that end in 5xx or a carrier's failure: what happens anyway, and a storm."""
USUAL_SOUNDLESS, SOUNDLESS = 0.03, 0.4
"""Shares of answered calls from which no RTP arrives."""
COLLAPSE = 0.1
"""The answer rate is tested for a fall to a tenth of its baseline; one to less than half is seen in time."""
BASELINE_CALLS, BASELINE_S = 200, 1800.0
"""The baseline forgets: a call counts 1/e after so many more, and after so long.  It follows the hours of a
day; a campaign of few calls an hour has none, for there a collapse cannot be told from the hour."""
BASELINE_LAG = 60
"""The last so many calls are not in the baseline yet: a collapse must not pull it down first."""
BASELINE_KNOWN = 100
"""Calls in the baseline before the answer rate is judged."""
CAUTION = -2.0
"""The baseline is taken at the lower end of its interval, so many standard deviations down."""
LEAST_BASELINE = 0.02
"""Below this answer rate a collapse cannot be told from chance within a useful number of calls."""


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Trouble(StrEnum):
    """What opens a breaker."""

    FAILING = "calls fail (5xx)"
    NOT_ANSWERED = "calls are answered no more"
    NO_SOUND = "answered calls have no sound"


_S = BreakerState
MOVES: dict[BreakerState, frozenset[BreakerState]] = {
    _S.CLOSED: frozenset({_S.OPEN}),
    _S.OPEN: frozenset({_S.HALF_OPEN, _S.CLOSED}),
    _S.HALF_OPEN: frozenset({_S.CLOSED, _S.OPEN}),
}


class TrunkBreaker:
    """Asked before each call (`room`), told of each call's beginning and end.  Every move is an alarm."""

    def __init__(self, trunk: str, monotonic: Callable[[], float], alarms: Alarms) -> None:
        self.trunk, self._now, self._alarms = trunk, monotonic, alarms
        self.state = BreakerState.CLOSED
        self.trouble: Trouble | None = None
        self._pauses = 0
        self._until = self._closed_at = monotonic()
        self._probes: set[str] = set()
        self._listened: set[str] = set()
        self._failures, self._answers = InOrder(), InOrder()
        self._test = ChangeTest(USUAL_FAILURES, STORM)
        self._verdict = Verdict(self._test)
        self._forget()

    # ---- asked

    @property
    def room(self) -> int | None:
        """Calls that may begin now; None: any number."""
        self.sweep()
        if self.state is BreakerState.CLOSED:
            return None
        return 0 if self.state is BreakerState.OPEN else max(0, PROBES_AT_ONCE - len(self._probes))

    @property
    def pause_s(self) -> float:
        """Seconds until the next probe may begin; 0 when one may now."""
        return max(0.0, self._until - self._now()) if self.state is BreakerState.OPEN else 0.0

    @property
    def baseline(self) -> float | None:
        """The answer rate that is usual on this trunk; None as long as it is not known."""
        return self._answered / self._seen if self._seen >= BASELINE_KNOWN else None

    # ---- told

    def begun(self, attempt_id: str) -> None:
        """A call is given out.  In the half-open state it is a probe; while open it is none of ours."""
        if self.state is BreakerState.HALF_OPEN:
            self._probes.add(attempt_id)
        elif self.state is BreakerState.CLOSED:
            self._failures.begun(attempt_id)
            self._answers.begun(attempt_id)
            self._listened.add(attempt_id)

    def ringing(self, attempt_id: str) -> None:
        """180 or 183: the trunk has taken it."""
        self._failures.decided(attempt_id, False)
        if self.trouble is Trouble.FAILING:
            self._probed(attempt_id, False)
        self._judge()

    def answered(self, attempt_id: str) -> None:
        """200 OK."""
        self._answers.decided(attempt_id, True)
        if self.trouble is Trouble.NOT_ANSWERED:
            self._probed(attempt_id, False)
        self.ringing(attempt_id)

    def ended(self, attempt_id: str, *, answered: bool, failed: bool, sound: bool | None) -> None:
        """A call is over.  `failed`: the carrier's fault; `sound`: whether RTP arrived, None: not known."""
        self._failures.decided(attempt_id, failed)
        self._answers.decided(attempt_id, answered)
        if answered and sound is not None and attempt_id in self._listened:
            self._hear(sound)
        self._listened.discard(attempt_id)
        match self.trouble:
            case Trouble.FAILING:
                self._probed(attempt_id, failed)
            case Trouble.NOT_ANSWERED:
                self._probed(attempt_id, not answered)
            case Trouble.NO_SOUND if answered and sound is not None:
                self._probed(attempt_id, not sound)
            case _:
                pass
        self._probes.discard(attempt_id)
        self._judge()

    def dropped(self, attempt_id: str) -> None:
        """It came to nothing that tells of the trunk: not dialled, its worker died."""
        self._probes.discard(attempt_id)
        self._listened.discard(attempt_id)
        self._failures.dropped(attempt_id)
        self._answers.dropped(attempt_id)
        self._judge()

    def sweep(self) -> None:
        """Ends a pause that is over."""
        if self.state is BreakerState.OPEN and self._now() >= self._until:
            self._move(BreakerState.HALF_OPEN)

    def accept(self) -> None:
        """A person has looked: the trunk is used as it is, and learned anew."""
        self._forget()
        if self.state is not BreakerState.CLOSED:
            self._pauses = 0
            self._move(BreakerState.CLOSED)

    # ---- inside

    def _forget(self) -> None:
        self._seen = self._answered = 0.0
        self._counted_at = self._now()
        self._lately: deque[bool] = deque()
        self._fresh_tests()

    def _fresh_tests(self) -> None:
        self._tests = {
            Trouble.FAILING: ChangeTest(USUAL_FAILURES, STORM),
            Trouble.NO_SOUND: ChangeTest(USUAL_SOUNDLESS, SOUNDLESS),
        }
        self._collapse: ChangeTest | None = None

    def _judge(self) -> None:
        """Takes in the results that are due."""
        for failed in self._failures.due():
            if self._tests[Trouble.FAILING].add(failed):
                self._open(Trouble.FAILING)
                return
        for answered in self._answers.due():
            if self._answer_rate_collapsed(answered):
                self._open(Trouble.NOT_ANSWERED)
                return

    def _hear(self, sound: bool) -> None:
        if self._tests[Trouble.NO_SOUND].add(not sound):
            self._open(Trouble.NO_SOUND)

    def _answer_rate_collapsed(self, answered: bool) -> bool:
        self._lately.append(answered)
        now = self._now()
        faded = math.exp((self._counted_at - now) / BASELINE_S)
        self._seen, self._answered, self._counted_at = self._seen * faded, self._answered * faded, now
        if len(self._lately) > BASELINE_LAG:
            keep = 1 - 1 / BASELINE_CALLS
            self._seen = self._seen * keep + 1
            self._answered = self._answered * keep + self._lately.popleft()
        if self._seen < BASELINE_KNOWN:
            self._collapse = None
            return False
        usual = wilson(self._answered / self._seen, self._seen, CAUTION)
        if usual < LEAST_BASELINE:
            return False
        score = self._collapse.score if self._collapse else 0.0
        self._collapse = ChangeTest(1 - usual, 1 - COLLAPSE * usual, score)
        return self._collapse.add(not answered)

    def _probed(self, attempt_id: str, bad: bool) -> None:
        if self.state is not BreakerState.HALF_OPEN or attempt_id not in self._probes:
            return
        assert self.trouble is not None
        self._probes.discard(attempt_id)
        over = self._verdict.add(bad)
        if over is False:
            self._open(self.trouble)
        elif over:
            self._fresh_tests()
            self._closed_at = self._now()
            self._move(BreakerState.CLOSED)

    def _open(self, trouble: Trouble) -> None:
        if self.state is BreakerState.CLOSED and self._now() - self._closed_at > FORGIVEN_S:
            self._pauses = 0
        test = self._collapse if trouble is Trouble.NOT_ANSWERED else self._tests[trouble]
        assert test is not None
        self.trouble, self._test = trouble, test
        self._until = self._now() + min(LONGEST_PAUSE_S, PAUSE_S * 2**self._pauses)
        self._pauses += 1
        self._failures, self._answers = InOrder(), InOrder()
        self._listened.clear()
        self._move(BreakerState.OPEN)

    def _move(self, state: BreakerState) -> None:
        assert state in MOVES[self.state], f"a breaker cannot go from {self.state} to {state}"
        self.state = state
        self._probes.clear()
        reason = str(self.trouble)
        match state:
            case BreakerState.OPEN:
                self._alarms.cleared(AlarmKind.TRUNK_PROBING, self.trunk)
                self._alarms.raised(AlarmKind.TRUNK_OPEN, self.trunk, f"{reason}: {self._why()}")
            case BreakerState.HALF_OPEN:
                self._verdict = Verdict(self._test)
                self._alarms.raised(AlarmKind.TRUNK_PROBING, self.trunk, f"after: {reason}")
            case BreakerState.CLOSED:
                self.trouble = None
                self._alarms.cleared(AlarmKind.TRUNK_PROBING, self.trunk)
                self._alarms.cleared(AlarmKind.TRUNK_OPEN, self.trunk)

    def _why(self) -> str:
        pause = f"no dial for {self._until - self._now():.0f} s"
        if self.trouble is Trouble.NOT_ANSWERED and self._lately:
            share = sum(self._lately) / len(self._lately)
            return f"{share:.0%} of the last {len(self._lately)}, usually {self.baseline or 0:.0%}; {pause}"
        return pause
