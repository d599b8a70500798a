"""Calling windows as a campaign file gives them: by weekday, and for holidays and 调休 days."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import time
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAY = "holiday"
"""Windows of a public holiday; without this key nobody is called on one."""
MAKEUP = "makeup"
"""Windows of a weekend day that is worked (调休); without this key it has Monday's."""
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)")


class Window(tuple[time, time]):
    """A stretch of local time within one day."""

    __slots__ = ()

    def __new__(cls, start: time, end: time) -> Window:
        return super().__new__(cls, (start, end))

    def holds(self, at: time) -> bool:
        """From the start (inside) to the end (outside); 24:00 is inside to the last microsecond."""
        return self[0] <= at < self[1] or (self[1] == time.max and at >= self[0])


def parse_window(text: Any) -> Window:
    """ "09:00-12:00" → from 09:00 (inside) to 12:00 (outside).  ValueError says how to write it."""
    found = _WINDOW.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no calling window; write it like 09:00-12:00")
    start = time(int(found[1]), int(found[2]))
    end = time.max if found[3] == "24:00" else time(int(found[4]), int(found[5]))
    if end <= start:
        raise ValueError(f"the window {text!r} ends before it begins; a window stays within one day")
    return Window(start, end)


def _windows(value: Any) -> tuple[str, ...]:
    windows = [value] if isinstance(value, str) else value
    if not isinstance(windows, list | tuple):
        raise ValueError("must be a list of windows like [09:00-12:00]")
    parsed = sorted(parse_window(one) for one in windows)
    for earlier, later in pairwise(parsed):
        if later[0] < earlier[1]:
            raise ValueError(f"two windows of a day overlap at {later[0]:%H:%M}")
    return tuple(windows)


def _days(value: Any) -> Any:
    """Every key is a day or a range of days, and no day is in two of them."""
    if not isinstance(value, dict):
        raise ValueError("must give the windows of each weekday, like mon-fri: [09:00-12:00]")
    seen: set[str] = set()
    for key in value:
        for day in _range(str(key)):
            if day in seen:
                raise ValueError(f"{day} is given twice")
            seen.add(day)
    return value


def by_day(windows: Mapping[str, Sequence[str]]) -> dict[str, tuple[Window, ...]]:
    """The windows of each day, in order, ranges like mon-fri opened."""
    return {
        day: tuple(sorted(map(parse_window, texts))) for key, texts in windows.items() for day in _range(key)
    }


def _range(key: str) -> tuple[str, ...]:
    if key in (HOLIDAY, MAKEUP):
        return (key,)
    first, _, last = key.partition("-")
    if first not in DAYS or (last and last not in DAYS):
        allowed = ", ".join((*DAYS, HOLIDAY, MAKEUP))
        raise ValueError(f"{key!r} is no weekday; use {allowed} or a range like mon-fri")
    start, end = DAYS.index(first), DAYS.index(last or first)
    if end < start:
        raise ValueError(f"the range {key!r} runs backwards")
    return DAYS[start : end + 1]


_ONE = {"type": "string", "pattern": f"^({_WINDOW.pattern})$"}
_DAY = "|".join(DAYS)
Windows = Annotated[tuple[str, ...], BeforeValidator(_windows)]
WeekWindows = Annotated[
    dict[str, Windows],
    BeforeValidator(_days),
    WithJsonSchema(
        {
            "type": "object",
            "description": "Local times by weekday (mon, mon-fri …), `holiday` and `makeup`.",
            "patternProperties": {
                f"^(({_DAY})(-({_DAY}))?|{HOLIDAY}|{MAKEUP})$": {
                    "anyOf": [_ONE, {"type": "array", "items": _ONE}]
                }
            },
            "additionalProperties": False,
        }
    ),
]
