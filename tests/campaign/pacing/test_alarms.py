"""Alarms are told once, counted always, and cleared."""

from __future__ import annotations

from tests.campaign.pacing.conftest import Heard
from voicebot.campaign.pacing.alarms import REPEAT_S, AlarmKind, Alarms
from voicebot.clock import ManualClock

OPEN = AlarmKind.TRUNK_OPEN


def test_raised_told_cleared_told(alarms: Alarms, heard: Heard, clock: ManualClock) -> None:
    alarms.raised(OPEN, "east", "503")
    alarms.raised(OPEN, "east", "503 again")
    assert heard.told == [(OPEN, True)]
    (alarm,) = alarms.active()
    assert alarm.reason == "503 again" and alarm.raised_at == clock.now()
    clock.advance(60)
    alarms.cleared(OPEN, "east")
    alarms.cleared(OPEN, "east")
    assert heard.told == [(OPEN, True), (OPEN, False)]
    assert alarms.active() == [] and alarms.all()[0].as_dict()["cleared_at"] == "2026-03-02T10:16:00+08:00"


def test_one_that_flutters_is_told_once_in_a_while_and_counted(
    alarms: Alarms, heard: Heard, clock: ManualClock
) -> None:
    for _ in range(20):
        alarms.raised(OPEN, "east", "503")
        clock.advance(5)
        alarms.cleared(OPEN, "east")
        clock.advance(5)
        alarms.sweep()
    assert heard.told == [(OPEN, True), (OPEN, False)]
    (alarm,) = alarms.all()
    assert alarm.times == 20


def test_one_that_came_back_quietly_and_stays_is_told_in_the_end(
    alarms: Alarms, heard: Heard, clock: ManualClock
) -> None:
    alarms.raised(OPEN, "east", "503")
    alarms.cleared(OPEN, "east")
    alarms.raised(OPEN, "east", "503")
    assert heard.told[-1] == (OPEN, False)
    clock.advance(REPEAT_S)
    alarms.sweep()
    alarms.sweep()
    assert heard.told == [(OPEN, True), (OPEN, False), (OPEN, True)]


def test_trunks_have_alarms_of_their_own(alarms: Alarms, heard: Heard) -> None:
    alarms.raised(OPEN, "east", "503")
    alarms.raised(OPEN, "west", "503")
    alarms.cleared(OPEN, "east")
    assert [alarm.subject for alarm in alarms.active()] == ["west"]
    assert len(heard.told) == 3
