"""When somebody says that something happened: 昨天下午, 上周三晚上, 11月20日上午十点, 2026-11-20 15:30.

Days up to today only: a complaint is about a call that was.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from voicebot.errors import InputError
from voicebot.speech.spoken.numerals import from_chinese

_N = r"(\d{1,2}|[零〇一二两三四五六七八九十]{1,3})"
_DAYS_AGO = {"今": 0, "昨": 1, "前": 2, "大前": 3}
_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
_PARTS = {
    "凌晨": (0, 6),
    "早上": (6, 10),
    "早晨": (6, 10),
    "上午": (6, 12),
    "中午": (11, 14),
    "下午": (12, 18),
    "傍晚": (16, 20),
    "晚上": (18, 24),
    "夜里": (18, 24),
    "晚": (18, 24),
    "早": (6, 10),
}
_AFTERNOON = ("中午", "下午", "傍晚", "晚上", "夜里", "晚")
_QUARTERS = {"一刻": 15, "半": 30, "三刻": 45}
_AROUND_HOUR = timedelta(minutes=45)
"""Of 三点 nobody knows the minute."""
_AROUND_MINUTE = timedelta(minutes=20)
_EXAMPLES = "Say it like 昨天下午, 上周三晚上, 11月20日上午十点 or 2026-11-20 15:30."


@dataclass(frozen=True)
class Span:
    """From `begin` until before `end`, aware."""

    begin: datetime
    end: datetime


def when(text: str, now: datetime) -> Span:
    """The time that a person means, seen from `now`.  InputError for what names no time."""
    said = re.sub(r"[\s，,的]", "", text.strip()) if not re.match(r"\d{4}-", text) else text.strip()
    day, rest = _day(said, now.date())
    part = next((one for one in _PARTS if one in rest), None)
    clock = _clock(rest, part)
    if day is None:
        if part is None and clock is None:
            raise InputError(f"{text!r} names no time", _EXAMPLES, key="--around")
        day = now.date()
    midnight = datetime.combine(day, time(), now.tzinfo)
    if clock is not None:
        at, around = clock
        return Span(midnight + at - around, midnight + at + around)
    first, last = _PARTS[part] if part else (0, 24)
    return Span(midnight + timedelta(hours=first), midnight + timedelta(hours=last))


def _day(said: str, today: date) -> tuple[date | None, str]:
    """The day, and what is left of the text."""
    readers: tuple[tuple[str, Callable[[re.Match[str]], date | None]], ...] = (
        (r"(\d{4})-(\d{1,2})-(\d{1,2})", lambda m: _date(int(m[1]), int(m[2]), int(m[3]))),
        (r"(\d{4})年" + _N + "月" + _N + "[日号]?", lambda m: _date(int(m[1]), _number(m[2]), _number(m[3]))),
        (_N + "月" + _N + "[日号]?", lambda m: _last(today, _number(m[1]), _number(m[2]))),
        (r"(大前|今|昨|前)(?:天|日|晚|早)", lambda m: today - timedelta(days=_DAYS_AGO[m[1]])),
        (
            r"(上上|上|这|本)?个?(?:周|星期|礼拜)([一二三四五六日天])",
            lambda m: _weekday(today, m[1], _WEEKDAYS[m[2]]),
        ),
        (_N + "天前", lambda m: today - timedelta(days=_number(m[1]))),
        (_N + "[日号]", lambda m: _of_month(today, _number(m[1]))),
    )
    for pattern, read in readers:
        if found := re.search(pattern, said):
            day = read(found)
            if day is None or day > today:
                raise InputError(f"{found[0]!r} is no day that was", _EXAMPLES, key="--around")
            kept = found[0][-1] if found[0][-1] in "晚早" else ""
            return day, said[: found.start()] + kept + said[found.end() :]
    return None, said


def _clock(rest: str, part: str | None) -> tuple[timedelta, timedelta] | None:
    """How long after midnight, and how sure that is."""
    if found := re.search(r"(\d{1,2}):(\d{2})", rest):
        hour, minute, around = int(found[1]), int(found[2]), _AROUND_MINUTE
    elif found := re.search(_N + r"[点时](半|一刻|三刻|" + _N + "分?)?", rest):
        hour, words = _number(found[1]), found[2]
        minute = _QUARTERS.get(words, 0) if found[3] is None else _number(found[3])
        around = _AROUND_HOUR if words is None else _AROUND_MINUTE
    else:
        return None
    if part in _AFTERNOON and hour < 12 and not (part == "中午" and hour == 11):
        hour += 12
    if not (0 <= hour <= 24 and 0 <= minute < 60):
        raise InputError(f"{found[0]!r} is no time of day", _EXAMPLES, key="--around")
    return timedelta(hours=hour, minutes=minute), around


def _number(text: str) -> int:
    if text.isascii():
        return int(text)
    value = from_chinese(text)
    if value is None:
        raise InputError(f"{text!r} is no number", _EXAMPLES, key="--around")
    return int(value)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _last(today: date, month: int, day: int) -> date | None:
    """Of this year, or of the last one when that is still to come."""
    this = _date(today.year, month, day)
    return this if this is None or this <= today else _date(today.year - 1, month, day)


def _of_month(today: date, number: int) -> date | None:
    this = _date(today.year, today.month, number)
    if this is not None and this <= today:
        return this
    before = today.replace(day=1) - timedelta(days=1)
    return _date(before.year, before.month, number)


def _weekday(today: date, which: str | None, weekday: int) -> date:
    """上周三 is of last week; 周三 alone is the last Wednesday that was."""
    monday = today - timedelta(days=today.weekday())
    if which in ("上", "上上"):
        return monday - timedelta(weeks=len(which)) + timedelta(days=weekday)
    this = monday + timedelta(days=weekday)
    return this if which or this <= today else this - timedelta(weeks=1)
