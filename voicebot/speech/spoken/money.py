"""Amounts: 元角分 with 两 and 二 where Mandarin puts them, and the amounts that people offer.

No text-normalisation library at hand reads 元角分, so the rules are ours.
"""

from __future__ import annotations

import re

from voicebot.speech.spoken.numerals import DIGITS, NUMBER, from_chinese, plain, with_measure

LARGEST_FEN = 10**12
"""Ten milliard yuan: beyond any loan of these calls, so a wrong column shows at once."""

_SMALL = "[一二两三四五六七八九1-9]"
_YUAN = re.compile(
    rf"(?P<n>{NUMBER})(?:块钱|块|元钱|元|圆|快钱|人民币)"
    rf"[零〇]?(?:(?P<jiao>{_SMALL})[角毛])?[零〇]?(?:(?P<fen>{_SMALL})分)?"
    rf"(?P<tail>{_SMALL}(?![角毛分个天号月点期年]))?(?P<half>半(?![个天年月]))?"
)
_FEN = re.compile(r"(?<![角毛零〇\d一二两三四五六七八九十百千万])(?P<fen>[一二两三四五六七八九1-9])分钱")
_JIAO = re.compile(rf"(?P<jiao>{_SMALL})(?:角|毛)(?:(?P<fen>{_SMALL})分?)?")
_LESS = re.compile(r"(?:不到|不足|没有|没|拿不出|凑不出|凑不齐|凑不够|掏不出|还不了|还不起|还不上|付不起)$")
"""Less than the amount that follows, or none of it."""
_REFUSED = re.compile(
    r"(?:[^,，。;；?？!！]{0,4}?)(?:(?<!行)不行|(?<!可)不可以|不可能|(?<!有)没有(?!问题|关系|意见)|拿不出|凑不|掏不出|还不[了上起]"
    r"|付不[了起]|(?<!够)不够|太多|太高|做不到|也没|不到)"
)
"""After an amount: it is not offered."""
_DECIMAL = re.compile(r"(?P<yuan>\d+)\.(?P<cents>\d{1,2})(?:块钱|块|元钱|元|圆)?(?![\d万千百])")
_BARE = re.compile(
    rf"(?<![第几\d])(?<!尾号)(?<!尾号是)(?<!号码)(?<!号码是)(?<!四位)(?<!四位是)(?<!卡号)(?P<n>{NUMBER})"
    r"(?!分之|[个天号日月点年次期遍%位人岁]|小时|分钟|星期|礼拜)"
)


def speak_money(fen: int) -> str:
    """Amount in fen as it is read out: 325680 → 三千二百五十六元八角, 205 → 两元零五分, 0 → 零元.

    Raises ValueError for a negative or absurd amount: such a call must not be made.
    """
    if not 0 <= fen < LARGEST_FEN:
        raise ValueError("amount outside what may be spoken")
    yuan, cents = divmod(fen, 100)
    jiao, odd = divmod(cents, 10)
    text = f"{with_measure(yuan)}元" if yuan or not cents else ""
    if jiao:
        text += ("两" if jiao == 2 else DIGITS[jiao]) + "角"
    elif odd and yuan:
        text += "零"
    if odd:
        text += ("两" if odd == 2 and not text else DIGITS[odd]) + "分"
    return text


def parse_money(text: str) -> int | None:
    """Amount in fen that somebody named, or None: 一千五 → 150000, 两块五 → 250, 1.5万 → 1500000.

    The last amount that is not refused (三千不行, 不到三千) counts.  An approximate one that names a figure
    counts as it (五百来块, 两千多); one that names two or none (三四千, 几百) is no amount.  A bare number
    counts only from 100 on, and never in front of a measure word of something else (天, 号, 期 …).
    """
    said = re.sub(r"(?<=\d),(?=\d{3})", "", plain(text))
    found: list[tuple[int, int]] = []
    taken: list[tuple[int, int]] = []
    for match in _DECIMAL.finditer(said):
        if _offered(match, said):
            found.append((match.start(), int(match["yuan"]) * 100 + int(match["cents"].ljust(2, "0"))))
        taken.append((match.start(), match.end()))
    for match in _YUAN.finditer(said):
        if _overlaps(match, taken):
            continue
        yuan = from_chinese(match["n"])
        if yuan is None:
            continue
        fen = yuan * 100 + 10 * _digit(match["jiao"]) + _digit(match["fen"])
        if match["tail"]:
            fen += _digit(match["tail"]) * (1 if match["jiao"] else 10)
        elif match["half"] and not match["jiao"]:
            fen += 50
        if _offered(match, said):
            found.append((match.start(), fen))
        taken.append((match.start(), match.end()))
    for pattern in (_JIAO, _FEN):
        for match in pattern.finditer(said):
            if not _overlaps(match, taken):
                if _offered(match, said):
                    parts = match.groupdict()
                    found.append((match.start(), 10 * _digit(parts.get("jiao")) + _digit(parts["fen"])))
                taken.append((match.start(), match.end()))
    if not taken:
        for match in _BARE.finditer(said):
            amount = from_chinese(match["n"])
            looks_like_money = bool(re.search(r"[百千万]", match["n"])) or re.fullmatch(
                r"\d{3,7}", match["n"]
            )
            if amount is not None and amount >= 100 and looks_like_money and _offered(match, said):
                found.append((match.start(), amount * 100))
    return max(found)[1] if found else None


def _offered(match: re.Match[str], said: str) -> bool:
    return not _LESS.search(said, max(0, match.start() - 4), match.start()) and not _REFUSED.match(
        said, match.end()
    )


def _overlaps(match: re.Match[str], taken: list[tuple[int, int]]) -> bool:
    return any(match.start() < end and match.end() > start for start, end in taken)


def _digit(token: str | None) -> int:
    return from_chinese(token) or 0 if token else 0
