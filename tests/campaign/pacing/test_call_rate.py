"""Calls per second."""

from __future__ import annotations

from voicebot.campaign.pacing.call_rate import CallRate
from voicebot.clock import ManualClock


def dials(rate: CallRate, clock: ManualClock, seconds: float) -> int:
    """As many as it allows, asked every 10 ms."""
    count = 0
    for _ in range(round(seconds * 100)):
        while rate.available:
            rate.take()
            count += 1
        clock.advance(0.01)
    return count


def test_the_long_run_keeps_the_rate_and_a_quiet_hour_saves_nothing_up(clock: ManualClock) -> None:
    rate = CallRate(2.0, clock.monotonic)
    assert dials(rate, clock, 10.0) in (20, 21)
    clock.advance(3600)
    assert dials(rate, clock, 1.0) in (2, 3)


def test_a_rate_below_one_waits_for_its_call(clock: ManualClock) -> None:
    rate = CallRate(0.1, clock.monotonic)
    rate.take()
    assert rate.available == 0 and rate.next_s == 10.0
    clock.advance(10.0)
    assert rate.available == 1 and rate.next_s == 0.0


def test_a_changed_rate_holds_at_once(clock: ManualClock) -> None:
    rate = CallRate(100.0, clock.monotonic)
    assert rate.available == 25
    rate.change(1.0)
    assert rate.available == 1
    assert dials(rate, clock, 5.0) in (5, 6)
