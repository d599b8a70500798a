"""Digit strings: read out one by one with 幺, and understood again, homophones included.

Recognisers write 幺 as 要, 约 or 一 and single digits as whatever sounds alike, so the reader accepts
homophones, but only inside a string of digits and never to fill most of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pypinyin import lazy_pinyin

from voicebot.speech.spoken.numerals import VALUE, from_chinese, plain

_SPOKEN = dict(zip("0123456789", "零幺二三四五六七八九", strict=True)) | {"X": "艾克斯"}

_SURE: dict[str, str] = {c: str(v) for c, v in VALUE.items() if c not in "两俩"}
_SURE.update({str(d): str(d) for d in range(10)})
_SURE.update({"洞": "0", "妖": "1", "拐": "7", "勾": "9", "钩": "9"})
_ALIKE: dict[str, str] = {
    **dict.fromkeys("灵铃玲林临另领o", "0"),
    **dict.fromkeys("要腰邀夭耀约衣医依么", "1"),
    **dict.fromkeys("两俩而耳儿尔", "2"),
    **dict.fromkeys("山伞散", "3"),
    **dict.fromkeys("死是事似思司", "4"),
    **dict.fromkeys("武午舞无吴屋", "5"),
    **dict.fromkeys("流留刘溜", "6"),
    **dict.fromkeys("期奇其妻漆气起", "7"),
    **dict.fromkeys("吧把爸巴罢", "8"),
    **dict.fromkeys("就久酒旧", "9"),
}
_BY_SOUND = {
    "ling": "0", "lin": "0", "yao": "1", "you": "1", "er": "2", "san": "3", "shan": "3",
    "si": "4", "shi": "4", "ci": "4", "wu": "5", "liu": "6", "niu": "6", "qi": "7", "ji": "7",
    "ba": "8", "fa": "8", "jiu": "9",
    "dong": "0", "guai": "7", "gou": "9",
}  # fmt: skip
"""What telephone speech makes of a digit's syllable: 三零七幺 comes back as 三零鸡油."""
_NO_HEAD = "是事就把其另而起无约有又由时十几及"
"""Words that often stand before a digit string (是三零七一, 就三零七一): no digit at its head."""
_NO_TAIL = "吧把是就要气的么"
"""Words that often follow one (三零七一吧, 三零七一是): no digit at its tail."""
_FILLER = re.compile(r"[\s,，.。、;；:：!！?？…~\-呃啊嗯哦哎额]|那个|然后|大写的?|英文的?|字母的?")
_CORRECTION = re.compile(r"不对|不是|错了|说错|应该是")
_X = re.compile(
    r"[艾爱埃诶哎]克[斯思死]|叉叉?|[x×✕]|(?<=[零〇一二三四五六七八九幺\d])[差查插茶岔](?![不点错一])"
)
_REPEAT = re.compile(r"([一二两三四五六1-6]个|双)([零〇一二三四五六七八九幺\d])")
_TENS = r"[一二三四五六七八九]?十[一二三四五六七八九]?"
_TWO_TENS = re.compile(
    rf"(?<![{''.join(VALUE)}百千万第])({_TENS}),?({_TENS})(?![十百千万点号日月天块元期岁个分角毛{''.join(VALUE)}])"
)
"""Four digits said as two numbers: 十四，十五."""
_CARDINAL = re.compile(r"[一二两三四五六七八九\d]千[零〇一二两三四五六七八九百十\d]*+(?![块元圆万])")
_OTHER_NUMBER = re.compile(r"\d{4}年|[一二三四五六七八九〇零\d]{2,}(?:块|元|月|号|[点时]\d)")
"""Years, amounts and dates are digits of something else."""


@dataclass(frozen=True)
class _Token:
    kind: str
    "sure, alike, filler or other"
    digit: str
    char: str


def speak_digits(digits: str) -> str:
    """Digits (and a final X) one by one: 3721 → 三七二幺.  ValueError for anything else."""
    try:
        return "".join(_SPOKEN[c] for c in digits.upper())
    except KeyError:
        raise ValueError("only digits and X can be read digit by digit") from None


def speak_number(number: str) -> str:
    """A phone or service number in groups with short pauses: mobile 3-4-4, ten digits 3-3-4, others whole."""
    digits = re.sub(r"[\s\-()]", "", number).removeprefix("+86")
    sizes = {11: (3, 4, 4), 10: (3, 3, 4)}.get(len(digits), (len(digits),))
    groups, start = [], 0
    for size in sizes:
        groups.append(speak_digits(digits[start : start + size]))
        start += size
    return "，".join(groups)


def parse_digits(text: str, count: int) -> str | None:
    """Exactly `count` digits that stand together in what was said, else None.

    Hesitations and punctuation may stand between them; a longer string is not cut.  The last place may be
    an X.  The same string said twice counts once; after 不对 the later string counts.
    """
    said = _OTHER_NUMBER.sub("#", plain(text))
    tokens = _tokens(said)
    alone = not any(token.kind == "other" for token in tokens)
    found = [digits for run in _runs(tokens) if (digits := _read(run, count, alone))]
    if not found:
        for cardinal in _CARDINAL.finditer(said):
            value = from_chinese(cardinal[0])
            if value is not None and len(str(value)) == count:
                return str(value)
        return None
    if len(set(found)) == 1 or _CORRECTION.search(said):
        return found[-1]
    return None


def _tokens(said: str) -> list[_Token]:
    said = _REPEAT.sub(lambda m: _SURE[m[2]] * (2 if m[1] == "双" else from_chinese(m[1][:-1]) or 1), said)
    said = _TWO_TENS.sub(lambda m: f"{from_chinese(m[1])}{from_chinese(m[2])}", said)
    said = _X.sub("X", said)
    tokens: list[_Token] = []
    for part in re.findall(rf"{_FILLER.pattern}|.", said):
        if part == "X":
            tokens.append(_Token("sure", "X", part))
        elif part in _SURE:
            tokens.append(_Token("sure", _SURE[part], part))
        elif _FILLER.fullmatch(part):
            tokens.append(_Token("filler", "", part))
        else:
            # 十 is a number of its own: no 四, however it sounds
            alike = None if part == "十" else _ALIKE.get(part) or _BY_SOUND.get(lazy_pinyin(part)[0])
            tokens.append(_Token("alike", alike, part) if alike else _Token("other", "", part))
    return tokens


def _runs(tokens: list[_Token]) -> list[list[_Token]]:
    runs: list[list[_Token]] = [[]]
    for token in tokens:
        if token.kind == "other":
            runs.append([])
        else:
            runs[-1].append(token)
    return [run for run in runs if any(t.kind == "sure" for t in run)]


def _read(run: list[_Token], count: int, alone: bool) -> str | None:
    """`alone`: nothing else was said, so that a first 有 or 是 can only be a digit."""
    sure = "".join(t.digit for t in run if t.kind == "sure")
    inside = [t for t in run if t.kind != "filler"]
    first = next(i for i, t in enumerate(inside) if t.kind == "sure")
    last = max(i for i, t in enumerate(inside) if t.kind == "sure")
    core = inside[first : last + 1]
    if len(core) == count:
        # at least half must be real digits, or any sentence of function words would be a number
        return _valid("".join(t.digit for t in core)) if 2 * len(sure) >= count else None
    if len(core) == 2 * count and len(sure) == len(core):
        return _said_twice(run, sure, count)
    if len(core) > count or 2 * len(sure) < count:
        return None
    windows = set()
    for start in range(max(0, last - count + 1), min(first, len(inside) - count) + 1):
        window = inside[start : start + count]
        head, tail = window[0], window[-1]
        only_this = alone and len(inside) == count
        if head.kind == "alike" and head.char in _NO_HEAD and not only_this:
            continue
        if tail.kind == "alike" and tail.char in _NO_TAIL and not _tail_is_digit(run, tail):
            continue
        windows.add("".join(t.digit for t in window))
    return _valid(windows.pop()) if len(windows) == 1 else None


def _tail_is_digit(run: list[_Token], tail: _Token) -> bool:
    """要 and 吧 close a string of digits only when nothing but the end of the utterance follows them."""
    spoken = [t for t in run if t.kind != "filler"]
    return tail.char == "要" and spoken[-1] is tail


def _said_twice(run: list[_Token], digits: str, count: int) -> str | None:
    if digits[:count] != digits[count:]:
        return None
    seen = 0
    for token in run:
        if token.kind == "filler" and seen == count:
            return _valid(digits[:count])
        seen += token.kind == "sure"
    return None


def _valid(digits: str) -> str | None:
    return digits if "X" not in digits[:-1] else None
