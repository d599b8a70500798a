"""Hanzi to Kokoro's phonemes: misaki's Mandarin, with the readings that a debt reminder must not get wrong.

Left alone, 还款 comes out as hái kuǎn and Latin letters as single sounds of another language.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache

import jieba
from misaki.zh import ZHG2P
from pypinyin import Style, lazy_pinyin, load_phrases_dict

from voicebot.speech.spoken.numerals import DIGITS

_LETTERS = {
    "A": "ˈA", "B": "bˈi", "C": "sˈi", "D": "dˈi", "E": "ˈi", "F": "ˈɛf", "G": "ʤˈi", "H": "ˈAʧ", "I": "ˈI",
    "J": "ʤˈA", "K": "kˈA", "L": "ˈɛl", "M": "ˈɛm", "N": "ˈɛn", "O": "ˈO", "P": "pˈi", "Q": "kjˈu",
    "R": "ˈɑɹ", "S": "ˈɛs", "T": "tˈi", "U": "jˈu", "V": "vˈi", "W": "dˈʌbᵊlju", "X": "ˈɛks", "Y": "wˈI",
    "Z": "zˈi",
}  # fmt: skip
"""English letter names in Kokoro's own phonemes (misaki's English notation)."""

_STILL = re.compile(r"还(?=[有是没未需要会可能在请不想得剩欠差将应让记好])")
"""还 is hái (still) in front of these, unless it is part of a word of paying."""
_PAY_BEFORE = "应待归偿"
"""After these 还 is huán whatever follows (应还不还)."""
_PAY = "环"
"""Sounds as 还 in 还款 and has no other reading."""
_PHRASES = {
    "为您": [["wèi"], ["nín"]],
    "更正": [["gēng"], ["zhèng"]],
    "转人工": [["zhuǎn"], ["rén"], ["gōng"]],
}
"""Readings that jieba's words and pypinyin's dictionary miss."""
_SCRIPTS = re.compile(r"([\u4e00-\u9fff]+)|([A-Za-z]+)|([^\u4e00-\u9fffA-Za-z]+)")


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
        return _PAY if before and before in _PAY_BEFORE else "还"

    return re.sub("还", read, text)


def phonemes(text: str) -> str:
    """Kokoro phonemes of a text of hanzi, Latin letters and punctuation.  Arabic digits: one by one."""
    _prepare()
    text = re.sub(r"\d", lambda m: DIGITS[int(m[0])], disambiguate(text))
    parts = []
    for hanzi, letters, other in _SCRIPTS.findall(text):
        if hanzi:
            parts.append(" ".join(_word(word) for word in jieba.lcut(hanzi)))
        elif letters:
            parts.append(" " + "".join(_LETTERS[c] for c in letters.upper()) + " ")
        else:
            parts.append(ZHG2P.map_punctuation(other) + " ")
    return re.sub(r"\s+", " ", "".join(parts)).strip()


def _word(word: str) -> str:
    syllables = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
    return "".join(ZHG2P.py2ipa(s) for s in syllables).replace(chr(815), "")
