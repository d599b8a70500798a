"""Times of day: 下午三点一刻 and back."""

from __future__ import annotations

import re
from datetime import time

from voicebot.speech.spoken.numerals import from_chinese, plain, to_chinese, with_measure

_N = r"(?:\d{1,2}|[零〇一二两三四五六七八九十]{1,3})"
_PART = (
    r"(?:凌晨|半夜|清早|清晨|一早|大早上|早上|早晨|今早|明早|上午|中午|下午|午后|傍晚|晚上|夜里|今晚|明晚|晚)"
)
_CLOCK = re.compile(
    rf"(?P<part>{_PART})?(?P<late>差(?:(?P<short>{_N})分|(?P<short_quarter>[一13])刻)钟?)?(?P<h>{_N})(?:点钟?|时(?!间|候))"
    rf"(?P<to>差(?:(?P<to_minutes>{_N})分|(?P<to_quarter>[一13])刻)钟?)?过?"
    rf"(?:(?P<half>半)|(?P<quarter>[一三13])刻|(?P<zero>零|〇)?(?P<m>{_N})分?(?!钟头|个))?"
    r"(?P<after>钟|整|左右|以后|之后|以前|之前|前|后|多)?"
)
_DIGITAL = re.compile(rf"(?P<part>{_PART})?(?P<h>\d{{1,2}}):(?P<m>\d{{2}})")
_ABOUT = re.compile(r"(?<![十二\d])(一|两|二|三|四|五|六|七|八)(?:两|三|四|五|六|七|八|九)(?=点)")
"""七八点: the earlier of the two."""
_RELATIVE = re.compile(
    rf"(?:再过|过|再等|等|隔)(?P<n1>{_N}|半)个?(?P<u1>半?小时|半?钟头|刻钟|分钟)"
    rf"|(?P<n>{_N}|半)个?(?P<u>半?小时|半?钟头|刻钟|分钟)(?:以后|之后|后|左右|再)"
)
_VAGUE = (
    (re.compile(r"中午"), "12:00"),
    (re.compile(r"上午|早上|早晨|明早"), "10:00"),
    (re.compile(r"下午|午后"), "15:00"),
    (re.compile(r"傍晚|下班"), "18:00"),
    (re.compile(r"晚上|今晚|明晚"), "19:00"),
)
"""Hours for a part of the day alone: inside calling hours, when people are likely to be reached."""


def speak_time(hhmm: str) -> str:
    """`HH:MM` (24 h) as it is said: 15:15 → 下午三点一刻, 20:30 → 晚上八点半.  ValueError for no time."""
    clock = time.fromisoformat(hhmm)
    hour, minute = clock.hour, clock.minute
    bounds = ((6, "凌晨"), (9, "早上"), (12, "上午"), (13, "中午"), (18, "下午"), (24, "晚上"))
    part = next(name for bound, name in bounds if hour < bound)
    spoken_hour = hour if hour <= 12 else hour - 12
    text = part + ("零" if spoken_hour == 0 else with_measure(spoken_hour)) + "点"
    if minute in (15, 30, 45):
        return text + {15: "一刻", 30: "半", 45: "三刻"}[minute]
    if minute == 0:
        return text
    return text + ("零" if minute < 10 else "") + to_chinese(minute) + "分"


def parse_time(text: str, now: time | None = None) -> str | None:
    """Time of day that somebody named, as `HH:MM`, or None.

    Without a part of the day, 1 to 7 o'clock mean the afternoon or evening (nobody asks to be called at
    night); with `now`, an hour from 8 to 11 that is already past means the evening.  Relative times
    (半小时后) need `now`.  A part of the day alone becomes a fixed hour (下午 → 15:00).
    """
    said = _ABOUT.sub(r"\1", plain(text))
    digital = _DIGITAL.search(said)
    if digital:
        return _resolve(int(digital["h"]), int(digital["m"]), digital["part"], now)
    for match in _CLOCK.finditer(said):
        if _is_a_little(match, said):
            continue
        hour = from_chinese(match["h"])
        minute = _minute(match)
        if hour is None or minute is None:
            continue
        back = _before_the_hour(match)
        if back:
            hour, minute = (hour - 1) % 24, 60 - back
        resolved = _resolve(hour, minute, match["part"], now)
        if resolved:
            return resolved
    relative = _RELATIVE.search(said)
    if relative:
        return _later(relative, now) if now else None
    for pattern, hhmm in _VAGUE:
        if pattern.search(said):
            return hhmm
    return None


def to_quarter(hhmm: str) -> str:
    """The next full quarter of an hour (20:07 → 20:15): callback times are spoken from a closed set."""
    clock = time.fromisoformat(hhmm)
    minutes = min(-(-(clock.hour * 60 + clock.minute) // 15) * 15, 23 * 60 + 45)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _is_a_little(match: re.Match[str], said: str) -> bool:
    """说慢一点, 早两点 and 一点钱 name no hour: alone, 一点 needs a part of the day or a clock word."""
    if match["h"] not in ("一", "1", "两") or match["part"] or match["half"] or match["quarter"]:
        return False
    if match["m"] or match["after"] or match["to"] or match["late"] or "点钟" in said:
        return False
    before = said[match.start() - 1 : match.start()] if match.start() else ""
    return match["h"] != "两" or before not in ("", "就", "在", "到", "，", ",", "。")


def _minute(match: re.Match[str]) -> int | None:
    if match["half"]:
        return 30
    if match["quarter"]:
        return 15 if match["quarter"] in "一1" else 45
    if match["m"]:
        return from_chinese(match["m"])
    return 0


def _before_the_hour(match: re.Match[str]) -> int:
    """Minutes of 差五分三点, 三点差一刻."""
    minutes, quarters = match["short"] or match["to_minutes"], match["short_quarter"] or match["to_quarter"]
    if quarters:
        return 15 if quarters in "一1" else 45
    return from_chinese(minutes) or 0 if minutes else 0


def _resolve(hour: int, minute: int, part: str | None, now: time | None) -> str | None:
    evening = part is not None and re.search(r"下午|午后|傍晚|晚|夜", part)
    if part is None:
        if 1 <= hour <= 7 or (now is not None and 8 <= hour < 12 and time(hour, min(minute, 59)) <= now):
            hour += 12
    elif hour == 12:
        hour = 0 if re.search(r"凌晨|夜|晚", part) else 12
    elif evening and re.search("晚|夜", part or "") and hour < 5:
        pass  # 晚上一点 is at night
    elif evening or (part == "中午" and hour < 11):
        hour += 12 if hour < 12 else 0
    if hour == 24:
        hour = 0
    return f"{hour:02d}:{minute:02d}" if 0 <= hour < 24 and 0 <= minute < 60 else None


def _later(match: re.Match[str], now: time) -> str | None:
    number, unit_word = match["n"] or match["n1"], match["u"] or match["u1"]
    amount = 0.5 if number == "半" else float(from_chinese(number) or 0)
    if unit_word.startswith("半"):
        amount += 0.5
    unit = 1 if "分钟" in unit_word else 15 if "刻钟" in unit_word else 60
    minutes = now.hour * 60 + now.minute + round(amount * unit)
    return f"{minutes // 60:02d}:{minutes % 60:02d}" if minutes < 24 * 60 else None
