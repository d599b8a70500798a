"""Chinese numerals both ways, and the plain form of recognised text that all readers start from."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import opencc

DIGITS = "零一二三四五六七八九"
VALUE: dict[str, int] = {c: i for i, c in enumerate(DIGITS)}
VALUE.update({"〇": 0, "○": 0, "两": 2, "俩": 2, "幺": 1, "壹": 1, "贰": 2, "叁": 3, "肆": 4, "伍": 5})
VALUE.update({"陆": 6, "柒": 7, "捌": 8, "玖": 9})
UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
GROUPS = {"万": 10**4, "亿": 10**8}

NUMBER = r"(?:\d+(?:\.\d+)?[万千百亿]?\d*|[零〇一二两俩三四五六七八九十百千万亿]+)"
"""Regular expression of one number as a recogniser writes it: Arabic, Chinese or mixed (1.5万, 3千5)."""

_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟", "一二三四五六七八九十百千")
_FORMAL_RUN = re.compile(
    r"[壹贰叁肆伍陆柒捌玖拾佰仟万零]*[壹贰叁肆伍陆柒捌玖拾佰仟](?=[万元圆块角分整])|[壹贰叁肆伍柒捌玖拾佰仟]{2,}"
)
"""Numerals of cheques; one alone may be a name (陆, 伍)."""
_TENS = {"廿": "二十", "卅": "三十"}
_SHORT = {"w": "万", "k": "千"}


@lru_cache(maxsize=1)
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def simplify(text: str) -> str:
    """Traditional characters to simplified ones; Whisper mixes both."""
    return str(_converter().convert(text))


@lru_cache(maxsize=512)
def plain(text: str) -> str:
    """Recognised text for the readers: simplified, half-width, without white space, lower case,
    formal numerals and short units as usual ones (叁仟 → 三千, 廿五 → 二十五, 2k → 2千)."""
    text = re.sub(r"\s+", "", simplify(unicodedata.normalize("NFKC", text))).lower()
    text = _FORMAL_RUN.sub(lambda run: run[0].translate(_FORMAL), text)
    text = re.sub(r"[廿卅](?=[一二三四五六七八九号日])", lambda tens: _TENS[tens[0]], text)
    return re.sub(r"(?<=\d)[wk](?![a-z])", lambda unit: _SHORT[unit[0]], text)


def _below_ten_thousand(n: int) -> str:
    text, zero = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = n // unit % 10
        if digit == 0:
            zero = bool(text)
            continue
        if zero:
            text += "零"
            zero = False
        text += DIGITS[digit] + name
    return text


def to_chinese(n: int) -> str:
    """Cardinal as said when counting: 12 → 十二, 105 → 一百零五, 2000 → 二千.  0 ≤ n < 10**12."""
    if not 0 <= n < 10**12:
        raise ValueError("number outside 0 … 10**12")
    if n == 0:
        return "零"
    text, gap = "", False
    for group, name in ((10**8, "亿"), (10**4, "万"), (1, "")):
        part = n // group % 10**4
        if part == 0:
            gap = bool(text)
            continue
        if text and (gap or part < 1000):
            text += "零"
        gap = False
        text += _below_ten_thousand(part) + name
    return re.sub(r"^一十", "十", text)


def with_measure(n: int) -> str:
    """Cardinal before a measure word: a 2 at the head is 两 (两元, 两百, 两万), elsewhere 二 (十二, 二十)."""
    text = to_chinese(n)
    return re.sub(r"^二(?=$|[百千万亿])", "两", text)


def from_chinese(text: str) -> int | None:
    """Value of a numeral in Chinese, Arabic or mixed writing: 两千五 → 2500, 3千5 → 3500, 1.5万 → 15000.

    A bare string of digit characters is read digit by digit (二零二六 → 2026).  None when it is no number;
    approximate pairs such as 三四百 are no number.
    """
    if not text:
        return None
    if re.fullmatch(r"\d+", text):
        return int(text)
    decimal = re.fullmatch(r"(\d+)\.(\d+)([百千万亿])", text)
    if decimal:
        scale = {**UNITS, **GROUPS}[decimal[3]]
        scaled = int(decimal[1] + decimal[2]) * scale
        whole, rest = divmod(scaled, 10 ** len(decimal[2]))
        return whole if rest == 0 else None
    if len(text) > 2 and all(c in VALUE for c in text):
        return int("".join(str(VALUE[c]) for c in text))
    return _sum_units(text)


def _sum_units(text: str) -> int | None:
    total = section = 0
    number: int | None = None
    last_unit = 0
    zero = False
    for token in re.findall(r"\d+|.", text):
        if token.isdigit() and token.isascii():
            if number is not None:
                return None
            number = int(token)
        elif token in VALUE:
            if VALUE[token] == 0:
                zero = True
                continue
            if number is not None:
                return None
            number = VALUE[token]
        elif token in UNITS:
            unit = UNITS[token]
            section += (1 if number is None and unit == 10 else number or 0) * unit
            if number is None and unit != 10:
                return None
            number, last_unit, zero = None, unit, False
        elif token in GROUPS:
            section += number or 0
            if section == 0:
                return None
            total = (total + section) * GROUPS[token] if token == "亿" else total + section * GROUPS[token]
            section, number, last_unit, zero = 0, None, GROUPS[token], False
        else:
            return None
    if number is not None:
        # 两千五 is 2500, 两万三 is 23000; 两千零五 is 2005
        colloquial = last_unit >= 100 and not zero and number < 10
        section += number * (last_unit // 10 if colloquial else 1)
    return total + section
