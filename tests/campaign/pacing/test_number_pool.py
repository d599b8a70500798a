"""Caller numbers take turns; one with a bad name rests, longer each time; all resting means no dial."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from voicebot.campaign.pacing.alarms import AlarmKind, Alarms
from voicebot.campaign.pacing.number_pool import NumberChange, NumberPool
from voicebot.campaign.pacing.reputation import Sign, sign_of
from voicebot.clock import ManualClock
from voicebot.store.states import Disposition

A, B, C = "+862160000001", "+862160000002", "+862160000003"


@pytest.fixture
def pool(clock: ManualClock, alarms: Alarms) -> NumberPool:
    return NumberPool(clock, alarms)


def spoil(pool: NumberPool, number: str, sign: Sign = Sign.REJECTED, n: int = 10) -> None:
    for _ in range(n):
        pool.called(number, answered=sign is Sign.SHORT, sign=sign)


def test_numbers_take_turns_also_within_one_moment(pool: NumberPool) -> None:
    assert [pool.choose([A, B, C]) for _ in range(7)] == [A, B, C, A, B, C, A]
    assert pool.choose([B, A]) == B


@pytest.mark.parametrize("sign", list(Sign))
def test_a_storm_of_bad_signs_rests_the_number_and_the_others_go_on(
    sign: Sign, pool: NumberPool, alarms: Alarms, clock: ManualClock
) -> None:
    pool.choose([A, B])
    spoil(pool, A, sign)
    assert {pool.choose([A, B]) for _ in range(6)} == {B}
    (alarm,) = alarms.active()
    assert alarm.kind is AlarmKind.NUMBER_RESTING and sign in alarm.reason
    assert A not in alarm.subject and alarm.subject.endswith("0001")
    assert pool.resting()[A] == clock.now() + timedelta(minutes=30)


def test_after_its_rest_it_comes_back_with_a_clean_sheet_and_rests_longer_next_time(
    pool: NumberPool, alarms: Alarms, clock: ManualClock
) -> None:
    lengths = []
    for _ in range(8):
        spoil(pool, A)
        lengths.append((pool.resting()[A] - clock.now()).total_seconds() / 3600)
        clock.advance(lengths[-1] * 3600)
        pool.sweep()
        assert pool.choose([A]) == A and alarms.active() == []
    assert lengths == [0.5, 1, 2, 4, 8, 16, 24, 24]
    clock.advance(20 * 24 * 3600)
    spoil(pool, A)
    assert pool.resting()[A] == clock.now() + timedelta(minutes=30)  # forgiven


def test_all_resting_means_no_dial_and_an_alarm(pool: NumberPool, alarms: Alarms, clock: ManualClock) -> None:
    assert pool.any_fit
    pool.choose([A, B])
    spoil(pool, A)
    spoil(pool, B)
    assert pool.choose([A, B]) is None and not pool.any_fit
    pool.sweep()
    assert AlarmKind.NO_NUMBER in {alarm.kind for alarm in alarms.active()}
    clock.advance(1801)
    pool.sweep()
    assert pool.any_fit and pool.choose([A, B]) == B and alarms.active() == []


def test_ordinary_rejections_do_not_rest_a_number(pool: NumberPool, clock: ManualClock) -> None:
    draw = random.Random(3)
    for _ in range(5000):
        answered = draw.random() < 0.3
        share = 0.2 if answered else 0.15
        sign = (Sign.SHORT if answered else Sign.REJECTED) if draw.random() < share else None
        pool.called(A, answered=answered, sign=sign)
        clock.advance(10)
    assert pool.resting() == {}


def test_a_few_rejections_say_nothing_and_time_heals(pool: NumberPool, clock: ManualClock) -> None:
    spoil(pool, A, n=7)
    assert pool.resting() == {}
    clock.advance(12 * 3600)  # they count next to nothing now
    spoil(pool, A, n=7)
    assert pool.resting() == {}
    spoil(pool, A, n=1)
    assert A in pool.resting()


@pytest.mark.parametrize(
    ("code", "disposition", "talked_s", "sign"),
    [
        (603, Disposition.REJECTED, None, Sign.REJECTED),
        (486, Disposition.REJECTED, None, Sign.REJECTED),
        (608, Disposition.REJECTED, None, Sign.BLOCKED),
        (607, Disposition.REJECTED, None, Sign.BLOCKED),
        (403, Disposition.REJECTED, None, Sign.BLOCKED),
        (433, Disposition.REJECTED, None, Sign.BLOCKED),
        (200, Disposition.HUNG_UP, 2.0, Sign.SHORT),
        (200, Disposition.HUNG_UP, 6.0, None),
        (486, Disposition.BUSY, None, None),
        (404, Disposition.EMPTY_NUMBER, None, None),
        (480, Disposition.NO_ANSWER, None, None),
    ],
)
def test_what_a_call_says_about_its_number(
    code: int, disposition: Disposition, talked_s: float | None, sign: Sign | None
) -> None:
    assert sign_of(code, disposition, talked_s) is sign


def test_changes_that_could_not_be_written_come_again(pool: NumberPool) -> None:
    spoil(pool, A, n=3)
    taken = pool.take_changes()
    spoil(pool, A, n=2)
    pool.give_back(taken)
    assert pool.take_changes()[A] == NumberChange(calls=5, signs={Sign.REJECTED: 5})
    spoil(pool, A, n=4)
    taken = pool.take_changes()
    assert taken[A].rest is not None and taken[A].calls == 1  # the eighth rested it, the ninth came after
    pool.called(A, answered=True, sign=None)
    pool.give_back(taken)
    again = pool.take_changes()[A]
    assert again.rest == taken[A].rest and again.calls == 2
