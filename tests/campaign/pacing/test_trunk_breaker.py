"""A trunk falls ill and gets well: the breaker sees it, stops, probes, and closes."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.campaign.pacing.conftest import Heard
from voicebot.campaign.pacing.alarms import AlarmKind, Alarms
from voicebot.campaign.pacing.trunk_breaker import PAUSE_S, BreakerState, Trouble, TrunkBreaker
from voicebot.clock import ManualClock


class Trunk:
    """Places calls over a breaker, one after another."""

    def __init__(self, clock: ManualClock, alarms: Alarms, seed: int = 1) -> None:
        self.breaker = TrunkBreaker("east", clock.monotonic, alarms)
        self._names = itertools.count()
        self._draw = random.Random(seed)

    def call(self, *, answered: bool = False, failed: bool = False, sound: bool | None = None) -> None:
        name = str(next(self._names))
        self.breaker.begun(name)
        self.breaker.ended(name, answered=answered, failed=failed, sound=sound)

    def calls(self, n: int, rate: float, *, failing: float = 0.0, soundless: float = 0.0) -> int:
        """Up to `n` calls of such a trunk; returns after how many the breaker opened, 0 when it did not."""
        for number in range(1, n + 1):
            failed = self._draw.random() < failing
            answered = not failed and self._draw.random() < rate
            sound = self._draw.random() >= soundless if answered else None
            self.call(answered=answered, failed=failed, sound=sound)
            if self.breaker.state is BreakerState.OPEN:
                return number
        return 0


@pytest.fixture
def trunk(clock: ManualClock, alarms: Alarms) -> Trunk:
    return Trunk(clock, alarms)


@pytest.mark.parametrize("seed", range(10))
def test_an_answer_rate_that_falls_from_40_to_2_percent_opens_within_100_calls(
    seed: int, clock: ManualClock, alarms: Alarms
) -> None:
    trunk = Trunk(clock, alarms, seed)
    assert trunk.calls(1000, 0.40) == 0
    opened = trunk.calls(300, 0.02)
    assert 0 < opened <= 100
    assert trunk.breaker.trouble is Trouble.NOT_ANSWERED
    assert trunk.breaker.room == 0


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
def test_the_noise_of_ten_thousand_calls_does_not_open_it(
    rate: float, seed: int, clock: ManualClock, alarms: Alarms
) -> None:
    trunk = Trunk(clock, alarms, seed)
    assert trunk.calls(10_000, rate, failing=0.03, soundless=0.02) == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("calls_an_hour", [60, 200, 500, 3000])
def test_the_hours_of_a_day_do_not_open_it(
    calls_an_hour: int, seed: int, clock: ManualClock, alarms: Alarms
) -> None:
    """From 60 % down to 10 % within two hours, up again, twice, after a steady morning."""
    trunk = Trunk(clock, alarms, seed)
    down, up = range(60, 9, -1), range(10, 61)
    for percent in [*[60] * 50, *down, *up, *down, *up]:
        for _ in range(calls_an_hour // 25):
            clock.advance(3600 / calls_an_hour)
            assert trunk.calls(1, percent / 100) == 0


def test_a_503_storm_opens_the_breaker_and_probes_close_it(
    trunk: Trunk, clock: ManualClock, alarms: Alarms, heard: Heard
) -> None:
    trunk.calls(200, 0.4)
    opened = trunk.calls(50, 0.4, failing=1.0)
    assert 0 < opened <= 8 and trunk.breaker.trouble is Trouble.FAILING

    clock.advance(PAUSE_S - 1)
    assert trunk.breaker.room == 0 and trunk.breaker.pause_s == 1
    clock.advance(1)
    assert trunk.breaker.room == 2 and trunk.breaker.state is BreakerState.HALF_OPEN
    trunk.breaker.begun("p1")
    trunk.breaker.begun("p2")
    assert trunk.breaker.room == 0  # two at a time
    for probe in ("p1", "p2", "p3", "p4", "p5"):
        trunk.breaker.begun(probe)
        trunk.breaker.ended(probe, answered=False, failed=False, sound=None)
    assert trunk.breaker.state is BreakerState.CLOSED and trunk.breaker.room is None
    assert heard.told == [
        (AlarmKind.TRUNK_OPEN, True),
        (AlarmKind.TRUNK_PROBING, True),
        (AlarmKind.TRUNK_PROBING, False),
        (AlarmKind.TRUNK_OPEN, False),
    ]
    assert alarms.active() == []


def test_probes_that_fail_open_it_again_for_twice_as_long(trunk: Trunk, clock: ManualClock) -> None:
    trunk.calls(50, 0.4, failing=1.0)
    for pause_s in (PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S):
        assert trunk.breaker.pause_s == pause_s
        clock.advance(pause_s)
        assert trunk.breaker.room == 2
        trunk.call(failed=True)
        trunk.call(failed=True)
        assert trunk.breaker.state is BreakerState.OPEN


def test_answered_calls_without_sound_open_it(trunk: Trunk, clock: ManualClock) -> None:
    opened = trunk.calls(200, 0.5, soundless=1.0)
    assert 0 < opened <= 40 and trunk.breaker.trouble is Trouble.NO_SOUND
    clock.advance(PAUSE_S)
    assert trunk.breaker.room == 2
    for _ in range(10):
        trunk.call(answered=False)  # says nothing of sound
    assert trunk.breaker.state is BreakerState.HALF_OPEN
    for _ in range(7):
        trunk.call(answered=True, sound=True)
    assert trunk.breaker.state is BreakerState.CLOSED


def test_after_a_collapse_probes_that_are_answered_close_it(trunk: Trunk, clock: ManualClock) -> None:
    trunk.calls(1000, 0.4)
    trunk.calls(300, 0.0)
    clock.advance(PAUSE_S)
    assert trunk.breaker.room == 2
    for _ in range(3):
        trunk.call(answered=True)
    assert trunk.breaker.state is BreakerState.CLOSED
    assert trunk.calls(2000, 0.4) == 0


def test_calls_from_before_the_pause_do_not_judge_the_probes(trunk: Trunk, clock: ManualClock) -> None:
    for number in range(30):
        trunk.breaker.begun(f"old{number}")
        trunk.breaker.ringing(f"old{number}")
    trunk.calls(20, 0.4, failing=1.0)
    clock.advance(PAUSE_S)
    assert trunk.breaker.room == 2
    for number in range(30):
        trunk.breaker.ended(f"old{number}", answered=False, failed=True, sound=None)
    assert trunk.breaker.state is BreakerState.HALF_OPEN


def test_a_burst_whose_busy_calls_end_first_does_not_open_it(trunk: Trunk) -> None:
    """500 calls at once, 40 % answered: 200 are busy or failed at once, the answers come after them."""
    trunk.calls(500, 0.4)
    burst = [str(number) for number in range(-500, 0)]
    for name in burst:
        trunk.breaker.begun(name)
    for number, name in enumerate(burst):
        if number % 5 < 2:
            trunk.breaker.ended(name, answered=False, failed=number % 20 == 0, sound=None)
    for number, name in enumerate(burst):
        if number % 5 in (2, 3):
            trunk.breaker.answered(name)
    for number, name in enumerate(burst):
        if number % 5 > 1:
            trunk.breaker.ended(name, answered=number % 5 < 4, failed=False, sound=None)
    assert trunk.breaker.state is BreakerState.CLOSED
    assert trunk.breaker.baseline == pytest.approx(0.4, abs=0.1)


def test_a_storm_is_seen_while_earlier_calls_still_ring(trunk: Trunk) -> None:
    for number in range(20):
        trunk.breaker.begun(f"rings{number}")
        trunk.breaker.ringing(f"rings{number}")
    assert 0 < trunk.calls(50, 0.4, failing=1.0) <= 8


def test_probes_are_judged_as_soon_as_they_ring(trunk: Trunk, clock: ManualClock) -> None:
    trunk.calls(50, 0.4, failing=1.0)
    clock.advance(PAUSE_S)
    for probe in range(5):
        assert trunk.breaker.room
        trunk.breaker.begun(str(-probe - 1))
        trunk.breaker.ringing(str(-probe - 1))
    assert trunk.breaker.state is BreakerState.CLOSED


def test_a_person_may_accept_the_trunk_as_it_is(trunk: Trunk) -> None:
    trunk.calls(1000, 0.4)
    assert trunk.calls(300, 0.02)
    trunk.breaker.accept()
    assert trunk.breaker.state is BreakerState.CLOSED and trunk.breaker.baseline is None
    assert trunk.calls(3000, 0.04) == 0  # the new usual
