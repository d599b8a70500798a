"""Hanzi to Kokoro's phonemes: misaki's Mandarin, with the readings that a debt reminder must not get wrong.

Left alone, 还款 comes out as hái kuǎn and Latin letters as single sounds of another language.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache

import jieba  # type: ignore[import-untyped]
from misaki.zh import ZHG2P  # type: ignore[import-untyped]
from pypinyin import Style, lazy_pinyin, load_phrases_dict

from voicebot.speech.spoken.numerals import DIGITS

_LETTERS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        [
            "ˈA",
            "bˈi",
            "sˈi",
            "dˈi",
            "ˈi",
            "ˈɛf",
            "ʤˈi",
            "ˈAʧ",
            "ˈI",
            "ʤˈA",
            "kˈA",
            "ˈɛl",
            "ˈɛm",
            "ˈɛn",
            "ˈO",
            "pˈi",
            "kjˈu",
            "ˈɑɹ",
            "ˈɛs",
            "tˈi",
            "jˈu",
            "vˈi",
            "dˈʌbᵊlju",
            "ˈɛks",
            "wˈI",
            "zˈi",
        ],
        strict=True,
    )
)
"""English letter names in Kokoro's own phonemes (misaki's English notation)."""

_STILL = re.compile(r"还(?=[有是没未需要会可能在请不想得剩欠差将应让记好])")
"""还 is hái (still) in front of these, unless it is part of a word of paying."""
_PAY_BEFORE = "应待归偿已未先再能需来可要后前期您你我他她就会未经清"
"""还 after these is huán even in front of one of the words above (应还不应还)."""
_PHRASES = {
    "银行": [["yín"], ["háng"]],
    "重新": [["chóng"], ["xīn"]],
    "转账": [["zhuǎn"], ["zhàng"]],
    "转接": [["zhuǎn"], ["jiē"]],
    "转人工": [["zhuǎn"], ["rén"], ["gōng"]],
    "应还": [["yīng"], ["huán"]],
    "便于": [["biàn"], ["yú"]],
    "处理": [["chǔ"], ["lǐ"]],
    "为您": [["wèi"], ["nín"]],
    "更正": [["gēng"], ["zhèng"]],
    "调解": [["tiáo"], ["jiě"]],
}
_PAY = "环"
"""Same sound as 还 in 还款, and unambiguous."""


@lru_cache(maxsize=1)
def _prepare() -> None:
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    load_phrases_dict(_PHRASES)
    for phrase in _PHRASES:
        jieba.add_word(phrase)


def disambiguate(text: str) -> str:
    """还 as in paying becomes a homophone that has one reading only; 还 as in still stays."""

    def read(match: re.Match[str]) -> str:
        start = match.start()
        if not _STILL.match(text, start):
            return _PAY
        before = text[start - 1] if start else ""
        return _PAY if before in "应待归偿" and before else "还"

    return re.sub("还", read, text)


def phonemes(text: str) -> str:
    """Kokoro phonemes of a text of hanzi, Latin letters and punctuation.  Arabic digits are read one by one."""
    _prepare()
    text = re.sub(r"\d", lambda m: DIGITS[int(m[0])], disambiguate(text))
    parts = []
    for hanzi, letters, other in re.findall(
        r"([\u4e00-\u9fff]+)|([A-Za-z]+)|([^\u4e00-\u9fffA-Za-z]+)", text
    ):
        if hanzi:
            parts.append(" ".join(_word(word) for word in jieba.lcut(hanzi)))
        elif letters:
            parts.append(" " + " ".join(_LETTERS[c] for c in letters.upper()) + " ")
        else:
            parts.append(ZHG2P.map_punctuation(other) + " ")
    return re.sub(r"\s+", " ", "".join(parts)).strip()


def _word(word: str) -> str:
    syllables = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
    return "".join(ZHG2P.py2ipa(s) for s in syllables).replace(chr(815), "")
