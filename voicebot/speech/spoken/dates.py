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

_N = r"(?:\d{1,3}|[零〇一二两三四五六七八九十]{1,4})"
_WEEKDAY = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "末": 5, "日": 6, "天": 6}
_WEEKDAY.update({str(i): i - 1 for i in range(1, 8)})
_RELATIVE_DAYS = {"今": 0, "明": 1, "后": 2}
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
)
_NOT_OWING = "".join(f"(?<!{word})" for word in _OWING)
"""A span after these is how long a debt is old, an instalment plan or the past: no day to come."""
_FEW = "几|半|一两|两三|三两|三四|四五|三五|五六"

_PAST = re.compile(
    r"昨[天晚日]|大?前[天晚]|上上?个?(?:周|星期|礼拜)[一二三四五六日天末1-7]?|上个?月(?:底|初|中)?"
    rf"(?:{_N}[号日])?|前(?:两|几|{_N})天|{_N}(?:天|个?星期|周|个月)(?:以前|之前|前)(?!还|处理|给|打)"
    r"|去年|几[号日]|每个?月(?:底|初|中)?"
    rf"(?:{_N}[号日])?"
)
_NEGATED = re.compile(
    r"(?:[^,，。;；]{0,2})?(?:不行|不可以|不方便|没空|没时间|没有时间|没钱|没有钱|还不了|还不上|不能|来不及|不在)"
)


def _month(day: date, ahead: int) -> date:
    years, month = divmod(day.month - 1 + ahead, 12)
    return date(day.year + years, month + 1, 1)


def _in_month(first: date, number: int) -> date | None:
    return first.replace(day=number) if 1 <= number <= monthrange(first.year, first.month)[1] else None


def _end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _months_later(day: date, n: int) -> date:
    first = _month(day, n)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def _month_day(match: re.Match[str], today: date) -> date | None:
    month, number = from_chinese(match["m"]), from_chinese(match["d"])
    if not month or not number or month > 12:
        return None
    year_word = match["y"]
    if year_word:
        year = (
            today.year + 1
            if year_word == "明"
            else today.year
            if year_word == "今"
            else from_chinese(year_word)
        )
        if not year or not today.year <= year <= today.year + 5:
            return None
        return _in_month(date(year, month, 1), number)
    found = _in_month(date(today.year, month, 1), number)
    if found is None or found >= today:
        return found
    later = _in_month(date(today.year + 1, month, 1), number)
    return later if later and (later - today).days <= _NEXT_YEAR_WITHIN else None


def _week_day(match: re.Match[str], today: date) -> date | None:
    monday = today - timedelta(days=today.weekday())
    which = match["w"] or ""
    ahead = 7 * which.count("下")
    day = monday + timedelta(days=ahead + _WEEKDAY[match["wd"]])
    if not which and day < today:
        day += timedelta(days=7)
    return day


def _named_month_day(match: re.Match[str], today: date) -> date | None:
    first = _month(today, match["nm"].count("下"))
    return _in_month(first, from_chinese(match["d"]) or 0)


def _part_of_month(match: re.Match[str], today: date) -> date | None:
    named = match["nm"] or ""
    first = _month(today, named.count("下"))
    ends = {
        "底": _end_of_month(first),
        "末": _end_of_month(first),
        "初": first.replace(day=5),
        "中": first.replace(day=15),
    }
    day = ends[match["k"]]
    if day < today and not named:
        return _part_day_of(_month(today, 1), match["k"])
    return day


def _part_day_of(first: date, part: str) -> date:
    return _end_of_month(first) if part in "底末" else first.replace(day=5 if part == "初" else 15)


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
        return _months_later(today, months) if months and months <= 24 else None
    number = (
        VAGUE_FEW_DAYS
        if count in ("几", "一两", "两三", "三两")
        else from_chinese(count[-1:] if len(count) == 2 and count in "三四五六" else count)
    )
    if number is None or count == "半" or number > 400:
        return None
    return today + timedelta(days=number * (1 if unit in ("天", "日") else 7))


def _festival(match: re.Match[str], today: date) -> date | None:
    name = match["f"]
    for year in (today.year, today.year + 1):
        if name in ("元旦", "国庆"):
            day = date(year, *((1, 1) if name == "元旦" else (10, 1)))
        elif year in _SPRING_FESTIVAL:
            day = date(year, *_SPRING_FESTIVAL[year])
        else:
            return None
        if day >= today:
            return day - timedelta(days=1) if match["before"] and day > today else day
    return None


_Reader = Callable[[re.Match[str], date], date | None]
_YEAR = r"明|今|\d{4}|二[零〇][二三][零〇一二三四五六七八九]"
_PARTS_OF_DAY = "凌晨|早上|上午|中午|下午|傍晚|晚上"
_WEEK = "(?:周|星期|礼拜)"

_RULES: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (
        re.compile(rf"(?:(?P<y>{_YEAR})年)?(?P<m>{_N})月份?(?P<d>{_N})(?:[号日]|(?!个|天|[点块元期]))"),
        _month_day,
    ),
    (re.compile(rf"(?P<w>下下个?|下个?|这个?|本)?{_WEEK}(?P<wd>[一二三四五六日天末1-7])(?!个)"), _week_day),
    (re.compile(rf"(?P<nm>下下个?月|下个?月|这个?月|本月)的?(?P<d>{_N})[号日]"), _named_month_day),
    (
        re.compile(r"(?P<nm>下下个?月|下个?月|这个?月|本月|当月)?的?(?P<k>(?<=月)[底末初中])(?!旬)"),
        _part_of_month,
    ),
    (re.compile(r"(?P<nm>下下个?|下个?|这个?|本|当)?月的?(?P<k>[底末初中])"), _part_of_month),
    (re.compile(rf"(?<![月\d])(?P<d>{_N})[号日](?!码|线|楼)"), _bare_day),
    # recognisers write 十五好 for 十五号
    (re.compile(r"(?P<d>\d{2}|[一二三]?十[一二三四五六七八九]?)好(?![的吧吗了啊])"), _bare_day),
    (re.compile(r"(?P<far>大*)(?P<rel>[今明后])[天日儿晚早夜](?!多)"), _named_day),
    (
        re.compile(
            rf"{_NOT_OWING}(?:再?过|等)?(?P<n>{_FEW}|{_N})个?(?P<u>天|星期|礼拜|周|月)"
            r"(?!前|以前|没|了|又|[一二三四五六日末])"
        ),
        _span,
    ),
    (re.compile(r"这(?P<n>两|几)(?P<u>天)"), _span),
    (re.compile(rf"下个?{_WEEK}(?![一二三四五六日天末1-7])"), lambda match, today: today + timedelta(days=7)),
    (
        re.compile(r"下个?月(?![底末初中\d一二三四五六七八九十的])"),
        lambda match, today: _month(today, 1),
    ),
    (re.compile(r"(?P<f>春节|过年|元旦|国庆)(?P<before>之前|以前|前)?"), _festival),
)
_TODAY = re.compile(
    rf"马上|立刻|立马|待会|等会|一会儿?(?=就|去|给|转)|{_PARTS_OF_DAY}"
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
