"""Calendar dates: 十一月二十七号 and back, anchored on the day of the call.

Only days from today on are read: a promise or a call-back lies ahead, and 上个星期五 or 昨天 must not turn
into a date to come.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta

from voicebot.speech.spoken.numerals import from_chinese, plain, to_chinese

VAGUE_FEW_DAYS = 3
"""过几天 and similar."""
_NEXT_YEAR_WITHIN = 200
"""Days: 一月五号 said in November is next January, 十月二十八号 is last month's and no promise."""
_SPRING_FESTIVAL = {
    2026: (2, 17), 2027: (2, 6), 2028: (1, 26), 2029: (2, 13), 2030: (2, 3), 2031: (1, 23), 2032: (2, 11),
    2033: (1, 31), 2034: (2, 19), 2035: (2, 8), 2036: (1, 28),
}  # fmt: skip

_N = r"(?:\d{1,3}|[零〇一二两俩三四五六七八九十]{1,4})"
_WEEKDAY = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "末": 5, "日": 6, "天": 6}
_WEEKDAY.update({str(i): i - 1 for i in range(1, 8)})
_RELATIVE_DAYS = {"今": 0, "明": 1, "后": 2}
_DAYS_OF_MONTH = {"底": 31, "末": 31, "下": 25, "中": 15, "初": 5, "上": 5}
"""月底, 下旬, 月中, 中旬, 月初, 上旬; 31 stands for the last day."""
_FIXED = {
    "元旦": (1, 1),
    "五一": (5, 1),
    "国庆": (10, 1),
    "双十一": (11, 11),
    "双十二": (12, 12),
    "圣诞": (12, 25),
}
_OWING = (
    "逾期",
    "逾期了",
    "拖了",
    "欠了",
    "超过",
    "过期",
    "晚了",
    "等了",
    "已经",
    "分",
    "每",
    "这",
    "前",
    "上",
    "第",
    "最后",
    "周末",
    "假",
    "有",
    "哪",
    "某",
    "十",
)
_NOT_OWING = "".join(f"(?<!{word})" for word in _OWING)
"""A span after these is how long a debt is old, an instalment plan or the past: no day to come."""
_FEW = "几|半|一两|两三|三两|三四|四五|三五|五六|六七|七八"

_PAST = re.compile(
    r"昨[天晚日]|大?前[天晚]|上上?个?(?:周|星期|礼拜)[一二三四五六日天末1-7]?|上个?月(?:底|初|中)?"
    rf"(?:{_N}[号日])?|前(?:两|几|{_N})天|{_N}(?:天|个?星期|周|个月)(?:以前|之前|前)(?!还|处理|给|打)"
    rf"|(?:去|前)年(?:{_N}月份?(?:{_N}[号日]|[底末初中上下]旬?)?)?|(?:[一二三四五六七八九]?十|\d+)几[号日天]"
    rf"|几[号日]|每个?月(?:底|初|中)?"
    rf"(?:{_N}[号日])?"
)
_NEGATED = re.compile(
    r"(?:[^,，。;；]{0,2})?(?:不行|不可以|不方便|没空|没时间|没有时间|没钱|没有钱|还不了|还不上|不能|来不及|不在)"
)


def _month(day: date, ahead: int) -> date:
    years, month = divmod(day.month - 1 + ahead, 12)
    return date(day.year + years, month + 1, 1)


def _in_month(first: date, number: int, *, or_last: bool = False) -> date | None:
    days = monthrange(first.year, first.month)[1]
    if or_last:
        number = min(number, days)
    return first.replace(day=number) if 1 <= number <= days else None


def _months_later(day: date, n: int) -> date:
    first = _month(day, n)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def _in_year(word: str | None, month: int, number: int, today: date, *, or_last: bool = False) -> date | None:
    """That day of the year that was named, or else of this year or the next, whichever has it ahead.

    None when it is past or too far ahead to be meant.
    """
    if word:
        said = {"今": today.year, "明": today.year + 1}.get(word) or from_chinese(word) or 0
        year = said + 2000 if said < 100 else said
        found = _in_month(date(year, month, 1), number, or_last=or_last)
        return found if today.year <= year <= today.year + 5 else None
    for year in (today.year, today.year + 1):
        found = _in_month(date(year, month, 1), number, or_last=or_last)
        if found and found >= today:
            return found if year == today.year or (found - today).days <= _NEXT_YEAR_WITHIN else None
    return None


def _month_day(match: re.Match[str], today: date) -> date | None:
    month, number = from_chinese(match["m"]), from_chinese(match["d"])
    if not month or not number or month > 12:
        return None
    return _in_year(match["y"], month, number, today)


def _part_of_named_month(match: re.Match[str], today: date) -> date | None:
    month = from_chinese(match["m"])
    if not month or month > 12:
        return None
    return _in_year(match["y"], month, _DAYS_OF_MONTH[match["k"][0]], today, or_last=True)


def _end_of_year(match: re.Match[str], today: date) -> date:
    return date(today.year + (match["y"] == "明"), 12, 31)


def _week_day(match: re.Match[str], today: date) -> date | None:
    monday = today - timedelta(days=today.weekday())
    which = match["w"] or ""
    ahead = 7 * which.count("下")
    day = monday + timedelta(days=ahead + _WEEKDAY[match["wd"]])
    if not which and day < today:
        day += timedelta(days=7)
    return day


def _ahead(named: str | None) -> int:
    """Months: 下个 1, 下下个 2, 次 1."""
    return (named or "").count("下") + (named or "").count("次")


def _named_month_day(match: re.Match[str], today: date) -> date | None:
    return _in_month(_month(today, _ahead(match["nm"])), from_chinese(match["d"]) or 0)


def _part_of_month(match: re.Match[str], today: date) -> date | None:
    number, ahead = _DAYS_OF_MONTH[match["k"][0]], _ahead(match["nm"])
    for later in (ahead, ahead + 1):
        day = _in_month(_month(today, later), number, or_last=True)
        if match["nm"] or (day and day >= today):
            return day
    return None


def _bare_day(match: re.Match[str], today: date) -> date | None:
    number = from_chinese(match["d"]) or 0
    for ahead in range(3):
        found = _in_month(_month(today, ahead), number)
        if found and found >= today:
            return found
    return None


def _named_day(match: re.Match[str], today: date) -> date:
    return today + timedelta(days=_RELATIVE_DAYS[match["rel"]] + match["far"].count("大"))


def _span(match: re.Match[str], today: date) -> date | None:
    count, unit = match["n"], match["u"]
    if "月" in unit:
        if count == "半":
            return today + timedelta(days=15)
        months = from_chinese(count)
        half = timedelta(days=15 if "半" in unit else 0)
        return _months_later(today, months) + half if months and months <= 24 else None
    number = (
        VAGUE_FEW_DAYS
        if count in ("几", "一两", "两三", "三两")
        else from_chinese(count[-1:] if len(count) == 2 and count in _FEW else count)
    )
    if number is None or count == "半" or number > 400:
        return None
    return today + timedelta(days=number * (1 if unit in ("天", "日") else 7))


def _festival(match: re.Match[str], today: date) -> date | None:
    name = match["f"]
    for year in (today.year, today.year + 1):
        if name in _FIXED:
            day = date(year, *_FIXED[name])
        elif year in _SPRING_FESTIVAL:
            day = date(year, *_SPRING_FESTIVAL[year]) - timedelta(days=name in ("除夕", "大年三十"))
        else:
            return None
        if day >= today:
            return day - timedelta(days=1) if match["before"] and day > today else day
    return None


_Reader = Callable[[re.Match[str], date], date | None]
_YEAR = r"明|今|\d{4}|\d{2}|二[零〇][二三][零〇一二三四五六七八九]"
_PARTS_OF_DAY = "凌晨|早上|上午|中午|下午|傍晚|晚上"
_WEEK = "(?:周|星期|礼拜)"
_PART_OF_MONTH = r"(?P<k>[底末初]|[上中下]旬|中(?!午))"
_NEXT = "下下个?|下个?|次|这个?|本|当"

_RULES: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (
        re.compile(r"(?<![\d\-/])(?:(?P<y>\d{4})[\-/])?(?P<m>\d{1,2})[\-/](?P<d>\d{1,2})(?![\d\-/])"),
        _month_day,
    ),
    (re.compile(rf"(?:(?P<y>{_YEAR})年)?(?P<m>{_N})月份?的?{_PART_OF_MONTH}"), _part_of_named_month),
    (re.compile(r"(?P<y>明|今)?年[底末]"), _end_of_year),
    (
        re.compile(rf"(?:(?P<y>{_YEAR})年)?(?P<m>{_N})月份?(?P<d>{_N})(?:[号日]|(?!个|天|[点块元期]))"),
        _month_day,
    ),
    (re.compile(rf"(?P<w>下下个?|下个?|这个?|本)?{_WEEK}(?P<wd>[一二三四五六日天末1-7])(?!个)"), _week_day),
    (re.compile(rf"(?P<nm>{_NEXT})月的?(?P<d>{_N})[号日]"), _named_month_day),
    (re.compile(rf"(?P<nm>{_NEXT})?月(?:的?月|的)?{_PART_OF_MONTH}"), _part_of_month),
    (re.compile(rf"(?<![月\d])(?P<d>{_N})[号日](?!码|线|楼)"), _bare_day),
    # recognisers write 十五好 for 十五号
    (re.compile(r"(?P<d>\d{2}|[一二三]?十[一二三四五六七八九]?)好(?![的吧吗了啊])"), _bare_day),
    (re.compile(r"今明(?:两天)?(?![天年])"), lambda match, today: today + timedelta(days=1)),
    (re.compile(r"明后(?:两天|天)?"), lambda match, today: today + timedelta(days=2)),
    (re.compile(r"(?P<far>大*)(?P<rel>[今明后])[天日儿晚早夜](?!多)"), _named_day),
    (
        re.compile(
            rf"{_NOT_OWING}(?:再?过|等)?(?P<n>{_FEW}|{_N})(?P<u>天|个?星期|个?礼拜|周|个半?月|(?<=俩)月)"
            r"(?!前|以前|没|了|又|假|[一二三四五六日末])"
        ),
        _span,
    ),
    (re.compile(r"这(?P<n>两|几)(?P<u>天)"), _span),
    (re.compile(rf"下个?{_WEEK}(?![一二三四五六日天末1-7])"), lambda match, today: today + timedelta(days=7)),
    (
        re.compile(r"下个?月(?![底末初中\d一二三四五六七八九十的])"),
        lambda match, today: _month(today, 1),
    ),
    (
        re.compile(
            r"(?P<f>春节|过年|除夕|大年三十|元旦|国庆|圣诞|双十[一二]|五一(?=节|劳动|之?前|以前|假))节?"
            r"(?P<before>之前|以前|前)?"
        ),
        _festival,
    ),
)
_TODAY = re.compile(
    rf"马上|立刻|立马|现在(?=就|去|还|给|处理|转)|待会|等会|一会儿?(?=就|去|给|转)|{_PARTS_OF_DAY}"
    rf"|{_N}点(?:半|钟|左右|以后|之后|以前|之前|前|整)"
)
"""At once, or a time of day with no day named."""


def speak_date(iso: str, today: date) -> str:
    """ISO date as it is read out, without the weekday: 十一月二十七号, 明年一月五号, 二零二八年三月一号.

    Raises ValueError when `iso` is no date.
    """
    day = date.fromisoformat(iso)
    years = {today.year: "", today.year + 1: "明年", today.year - 1: "去年"}
    year = years.get(day.year)
    if year is None:
        year = "".join("零一二三四五六七八九"[int(c)] for c in str(day.year)) + "年"
    return f"{year}{to_chinese(day.month)}月{to_chinese(day.day)}号"


def parse_date(text: str, today: date) -> date | None:
    """Day from `today` on that somebody named, or None; the last one counts when several are named.

    A bare 十五号 already past means next month; a time of day alone (八点左右) means today; a day followed by
    不行 or 没空 does not count.
    """
    said = _PAST.sub(lambda m: "#" * len(m[0]), plain(text))
    spans: list[tuple[int, int, date | None]] = []
    for pattern, read in _RULES:
        for match in pattern.finditer(said):
            if not any(match.start() < end and match.end() > start for start, end, _ in spans):
                spans.append((match.start(), match.end(), read(match, today)))
    if not spans:
        spans = [(match.start(), match.end(), today) for match in _TODAY.finditer(said)]
    named = [
        (start, day)
        for start, end, day in spans
        if day is not None and day >= today and not _NEGATED.match(said, end)
    ]
    return max(named)[1] if named else None
