"""Alarms: what a person must look at while a campaign runs.  A closed list of kinds, raised and cleared.

An alarm goes to the log, into the run's status and into its report.  A person is told of one matter once in
`REPEAT_S`, however often it comes up; each time is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog

from voicebot.clock import Clock

log = structlog.get_logger()

REPEAT_S = 300.0
"""The same alarm is not told again within this time."""


class AlarmKind(StrEnum):
    """Every alarm there is."""

    TRUNK_OPEN = "trunk_open"
    "Nothing is dialled over this trunk: its calls fail, are answered no more, or have no sound."
    TRUNK_PROBING = "trunk_probing"
    "A few calls find out whether the trunk is well again."
    NOT_REGISTERED = "not_registered"
    "Workers are not registered with the trunk and get no calls until they are."
    NUMBER_RESTING = "number_resting"
    "A caller number is rejected too often and rests for a while."
    NO_NUMBER = "no_number"
    "Every caller number rests: nothing is dialled."
    ABANDON_CAP = "abandon_cap"
    "More debtors waited in vain for an agent than the campaign allows."
    NO_AGENT = "no_agent"
    "Nobody is there to take calls, and the pacing dials only for agents."


@dataclass
class Alarm:
    """One matter.  `subject`: a trunk's name, a masked number, a queue; nothing personal."""

    kind: AlarmKind
    subject: str
    reason: str
    raised_at: datetime
    cleared_at: datetime | None = None
    times: int = 1
    "How often it was raised, the repetitions within REPEAT_S included."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind.value,
            "subject": self.subject,
            "reason": self.reason,
            "raised_at": self.raised_at.isoformat(timespec="seconds"),
            "cleared_at": self.cleared_at.isoformat(timespec="seconds") if self.cleared_at else None,
            "times": self.times,
        }


class Alarms:
    """The alarms of one run.  `on_alarm` is told of each that a person is to hear of, raised or cleared."""

    def __init__(self, clock: Clock, on_alarm: Callable[[Alarm], None] | None = None) -> None:
        self._clock, self._on_alarm = clock, on_alarm
        self._last: dict[tuple[AlarmKind, str], Alarm] = {}
        self._told: dict[tuple[AlarmKind, str], float] = {}
        self._kept_back: set[tuple[AlarmKind, str]] = set()
        self._all: list[Alarm] = []

    def raised(self, kind: AlarmKind, subject: str, reason: str) -> None:
        """Something is wrong.  An alarm that is on already only takes the newer reason."""
        key = (kind, subject)
        alarm = self._last.get(key)
        now = self._clock.monotonic()
        if alarm is not None and alarm.cleared_at is None:
            alarm.reason = reason
            return
        if alarm is not None and now - self._told[key] < REPEAT_S:
            alarm.reason, alarm.cleared_at = reason, None
            alarm.times += 1
            self._kept_back.add(key)
            return
        alarm = self._last[key] = Alarm(kind, subject, reason, self._clock.now())
        self._all.append(alarm)
        self._tell(alarm)

    def cleared(self, kind: AlarmKind, subject: str) -> None:
        """It is over; nothing happens when it was not on."""
        key = (kind, subject)
        alarm = self._last.get(key)
        if alarm is None or alarm.cleared_at is not None:
            return
        alarm.cleared_at = self._clock.now()
        if key in self._kept_back:  # nobody was told that it had come back
            self._kept_back.discard(key)
        else:
            self._tell(alarm)

    def sweep(self) -> None:
        """Tells what was kept back and is still on; to be called once a second."""
        now = self._clock.monotonic()
        for key in [key for key in self._kept_back if now - self._told[key] >= REPEAT_S]:
            self._kept_back.discard(key)
            self._tell(self._last[key])

    def active(self) -> list[Alarm]:
        """Those that are on, the oldest first."""
        return [alarm for alarm in self._all if alarm.cleared_at is None]

    def all(self) -> list[Alarm]:
        """Every alarm of the run, the oldest first."""
        return list(self._all)

    def _tell(self, alarm: Alarm) -> None:
        on = alarm.cleared_at is None
        if on:
            self._told[alarm.kind, alarm.subject] = self._clock.monotonic()
        write, event = (log.warning, "alarm_raised") if on else (log.info, "alarm_cleared")
        write(event, kind=alarm.kind.value, subject=alarm.subject, reason=alarm.reason, times=alarm.times)
        if self._on_alarm is not None:
            self._on_alarm(alarm)
