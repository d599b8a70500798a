"""Which days are public holidays, and which weekend days are worked in their place (调休).

China's are decreed year by year (国务院办公厅关于部分节假日安排的通知), and the package `chinesecalendar`
keeps them.  A site may give a file instead, which names its source.  A day that a calendar does not know is
not dialled on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Protocol

import chinese_calendar
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from voicebot.yaml_document import YamlDocument


class DayKind(StrEnum):
    ORDINARY = "ordinary"
    HOLIDAY = "holiday"
    MAKEUP = "makeup"
    "A weekend day that is worked."
    UNKNOWN = "unknown"
    "Outside of what the calendar covers."


class Calendar(Protocol):
    """Tells what kind of day a date is."""

    source: str
    "Where the data is from, for a person."

    def kind(self, day: date) -> DayKind:
        """UNKNOWN for a date that the calendar does not cover."""
        ...


class EveryDayOrdinary:
    """`holidays: none`: weekdays alone decide."""

    source = "none: weekdays alone decide"

    def kind(self, day: date) -> DayKind:
        return DayKind.ORDINARY


class ChinaCalendar:
    """`holidays: cn`: mainland China's, as decreed for each year."""

    source = "the decrees of the State Council's office, as the package chinesecalendar keeps them"

    def kind(self, day: date) -> DayKind:
        return _china(day)


@lru_cache(maxsize=1024)
def _china(day: date) -> DayKind:
    try:
        off, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:  # a year that is not decreed yet, or not in this version of the package
        return DayKind.UNKNOWN
    if name is None:  # an ordinary weekday or weekend
        return DayKind.ORDINARY
    return DayKind.HOLIDAY if off else DayKind.MAKEUP


def _days(value: Any) -> frozenset[date]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueError("must be a list of dates and stretches like 2026-10-01/2026-10-07")
    found: set[date] = set()
    for one in value:
        found.update(_stretch(str(one)))
    return frozenset(found)


def _stretch(text: str) -> Iterator[date]:
    first, _, last = text.partition("/")
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise ValueError(f"{text!r} is no date; write 2026-10-01 or 2026-10-01/2026-10-07") from None
    if not 0 <= (end - start).days < 366:
        raise ValueError(f"the stretch {text!r} runs backwards or is longer than a year")
    yield from (start + timedelta(days=n) for n in range((end - start).days + 1))


DaySet = Annotated[frozenset[date], BeforeValidator(_days)]


class HolidayFile(BaseModel):
    """A site's own calendar.  `start` and `end` say for which dates it speaks; all others are unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1)
    start: date
    end: date
    holidays: DaySet = frozenset()
    workdays: DaySet = frozenset()

    @model_validator(mode="after")
    def consistent(self) -> HolidayFile:
        if self.end < self.start:
            raise ValueError("end is before start")
        both = self.holidays & self.workdays
        if both:
            raise ValueError(f"{min(both)} is a holiday and a workday")
        outside = [day for day in self.holidays | self.workdays if not self.start <= day <= self.end]
        if outside:
            raise ValueError(f"{min(outside)} is not between start and end")
        return self

    def kind(self, day: date) -> DayKind:
        """What this file says about a date."""
        if not self.start <= day <= self.end:
            return DayKind.UNKNOWN
        if day in self.holidays:
            return DayKind.HOLIDAY
        return DayKind.MAKEUP if day in self.workdays else DayKind.ORDINARY


def calendar(holidays: str | Path) -> Calendar:
    """The calendar that a campaign names: cn, none or a file.  InputError names file, line and key."""
    if holidays == "none":
        return EveryDayOrdinary()
    if holidays == "cn":
        return ChinaCalendar()
    return YamlDocument.read(holidays).parse(HolidayFile)
