"""The track's limits in time: what counts, what stands still, and that each is told once."""

from __future__ import annotations

import pytest

from dialogs.policy import Command, Reply
from voicebot.call.talk_time import CALL, PERSUADING, TalkTime


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def reply(*, persuading: bool = False, command: Command | None = None, keeps_open: bool = False) -> Reply:
    return Reply((), command, "stage", 2, "debtor", persuading=persuading, keeps_open=keeps_open)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def time(clock: Clock) -> TalkTime:
    started = TalkTime({PERSUADING: 90, CALL: 180}, clock)
    started.go_on()
    return started


def test_only_the_stages_that_persuade_count(time: TalkTime, clock: Clock):
    for _ in range(3):
        time.decided(reply())
        clock.now_s += 20
    time.decided(reply(persuading=True))
    clock.now_s += 89
    assert time.decided(reply(persuading=True)) is None
    clock.now_s += 1
    assert time.decided(reply(persuading=True)) == PERSUADING


def test_the_time_is_summed_over_stages_in_between(time: TalkTime, clock: Clock):
    for _ in range(3):
        time.decided(reply(persuading=True))
        clock.now_s += 30
        assert time.decided(reply()) is None  # an answer that persuades no more needs no closing
        clock.now_s += 5
    assert time.decided(reply(persuading=True)) == PERSUADING


def test_a_limit_is_told_once(time: TalkTime, clock: Clock):
    clock.now_s += 181
    assert time.decided(reply()) == CALL
    assert time.decided(reply()) is None


def test_a_call_that_ends_anyway_or_waits_for_a_rescuer_is_left_alone(time: TalkTime, clock: Clock):
    clock.now_s += 500
    assert time.decided(reply(command=Command("hangup", "PTP"))) is None
    assert time.decided(reply(keeps_open=True)) is None
    assert time.decided(reply()) == CALL


def test_the_clocks_stand_still_while_people_talk(time: TalkTime, clock: Clock):
    time.decided(reply(persuading=True))
    clock.now_s += 30
    time.pause()
    clock.now_s += 1000
    time.go_on()
    assert time.decided(reply(persuading=True)) is None
    clock.now_s += 60
    assert time.decided(reply(persuading=True)) == PERSUADING


def test_a_track_without_limits_is_not_limited(clock: Clock):
    time = TalkTime({}, clock)
    time.go_on()
    clock.now_s += 10_000
    assert time.decided(reply(persuading=True)) is None
