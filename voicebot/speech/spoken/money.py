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
    rf"(?P<tail>{_SMALL}(?![角毛分个天号月点期年]))?"
)
_JIAO = re.compile(rf"(?P<jiao>{_SMALL})(?:角|毛)(?:(?P<fen>{_SMALL})分?)?")
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

    The last amount counts when several are named.  A bare number counts only from 100 on, and never in
    front of a measure word of something else (天, 号, 期 …).
    """
    said = plain(text).replace(",", "")
    found: list[tuple[int, int]] = []
    for match in _DECIMAL.finditer(said):
        found.append((match.start(), int(match["yuan"]) * 100 + int(match["cents"].ljust(2, "0"))))
    taken = [(m.start(), m.end()) for m in _DECIMAL.finditer(said)]
    for match in _YUAN.finditer(said):
        if _overlaps(match, taken):
            continue
        yuan = from_chinese(match["n"])
        if yuan is None:
            continue
        fen = yuan * 100 + 10 * _digit(match["jiao"]) + _digit(match["fen"])
        if match["tail"]:
            fen += _digit(match["tail"]) * (1 if match["jiao"] else 10)
        found.append((match.start(), fen))
        taken.append((match.start(), match.end()))
    for match in _JIAO.finditer(said):
        if not _overlaps(match, taken):
            found.append((match.start(), 10 * _digit(match["jiao"]) + _digit(match["fen"])))
            taken.append((match.start(), match.end()))
    if not found:
        for match in _BARE.finditer(said):
            amount = from_chinese(match["n"])
            looks_like_money = bool(re.search(r"[百千万]", match["n"])) or re.fullmatch(
                r"\d{3,7}", match["n"]
            )
            if amount is not None and amount >= 100 and looks_like_money:
                found.append((match.start(), amount * 100))
    return max(found)[1] if found else None


def _overlaps(match: re.Match[str], taken: list[tuple[int, int]]) -> bool:
    return any(match.start() < end and match.end() > start for start, end in taken)


def _digit(token: str | None) -> int:
    return from_chinese(token) or 0 if token else 0
