"""A clock that stands still until it is moved, and alarms that are listened to."""

from __future__ import annotations

import pytest

from voicebot.campaign.pacing.alarms import Alarm, AlarmKind, Alarms
from voicebot.clock import ManualClock


class Heard:
    """What a person was told."""

    def __init__(self) -> None:
        self.told: list[tuple[AlarmKind, bool]] = []

    def __call__(self, alarm: Alarm) -> None:
        self.told.append((alarm.kind, alarm.cleared_at is None))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def alarms(clock: ManualClock, heard: Heard) -> Alarms:
    return Alarms(clock, heard)
