"""Words that are written with other characters of the same sound, in pinyin, or with digits: 起素, qisu, 4法.

A match must stand where the words of the sentence allow it: jieba's words may not be cut by it, and what is
written there may not be a word of its own (预期 is not 逾期).
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import jieba
from pypinyin import Style, lazy_pinyin, pinyin
from pypinyin.contrib.tone_convert import to_normal

_HAN = re.compile(r"[一-鿿]")
_LETTER = re.compile(r"[A-Za-z]")
_TOKEN = re.compile(r"[A-Za-z]+|.", re.DOTALL)
_DIGITS = dict(
    zip("0123456789", ("ling", "yi", "er", "san", "si", "wu", "liu", "qi", "ba", "jiu"), strict=True)
)
_FOLD = ((r"^zh", "z"), (r"^ch", "c"), (r"^sh", "s"), (r"(?<=[aei]n)g$", ""))
"""What speakers of the south do not tell apart: zh/z, ch/c, sh/s, -ng/-n."""
_EVERYDAY = frozenset(
    "的了是在我您你他她它们这那就都也还不没有个一二两三四五六七八九十和跟与及或为以于被把给让到从对能可会要想请吗呢吧啊已时人事上下里中后前点些再又很用"
)
"""Characters of so many sentences that they are not taken for a misspelling."""
_LONGEST_SYLLABLE = 6
_LONG = 3
"""Syllables from which a word is told by its sound alone."""


@dataclass(frozen=True)
class _Syllable:
    """At `start`..`end` of the text: its folded sounds, the sounds with tones, the character if it is one."""

    start: int
    end: int
    sounds: frozenset[str]
    toned: frozenset[str]
    char: str


class Homophones:
    """Finds the given words by their sound."""

    def __init__(self, words: Collection[str]) -> None:
        self._by_head: dict[str, list[tuple[str, tuple[_Syllable, ...]]]] = defaultdict(list)
        self._spellings = frozenset(sound for word in words for sound in lazy_pinyin(word))
        for word in sorted(set(words), key=lambda word: (-len(word), word)):
            syllables = tuple(
                _Syllable(place, place + 1, *_word_sounds(word, place), char)
                for place, char in enumerate(word)
            )
            for head in syllables[0].sounds:
                self._by_head[head].append((word, syllables))

    def find(self, text: str, split: frozenset[int]) -> list[tuple[int, int, str]]:
        """Spans of `text` that sound like one of the words without being written like it, and the word.

        `split`: places in `text` before which the author put blanks or marks.  Spans are apart and in order.
        """
        heard = self._syllables(text)
        found: list[tuple[int, int, str]] = []
        place = 0
        while place < len(heard):
            word = self._word_at(text, heard, place, split)
            if word is None:
                place += 1
                continue
            last = place + len(word) - 1
            if text[heard[place].start : heard[last].end] != word:
                found.append((heard[place].start, heard[last].end, word))
            place = last + 1
        return found

    def _word_at(self, text: str, heard: list[_Syllable], place: int, split: frozenset[int]) -> str | None:
        for head in heard[place].sounds:
            for word, syllables in self._by_head.get(head, ()):
                run = heard[place : place + len(word)]
                if len(run) == len(word) and _alike(run, syllables) and _stands(text, run, split):
                    return word
        return None

    def _syllables(self, text: str) -> list[_Syllable]:
        heard = []
        for match in _TOKEN.finditer(text):
            token, start = match[0], match.start()
            if _HAN.match(token):
                heard.append(_Syllable(start, start + 1, *_char_sounds(token), token))
            elif token in _DIGITS:
                heard.append(
                    _Syllable(start, start + 1, frozenset({_folded(_DIGITS[token])}), frozenset(), token)
                )
            elif _LETTER.match(token):
                for syllable in self._spelt(token.lower()):
                    end = start + len(syllable)
                    heard.append(_Syllable(start, end, frozenset({_folded(syllable)}), frozenset(), ""))
                    start = end
        return heard

    def _spelt(self, letters: str) -> list[str]:
        """A run of letters in syllables of the words, or nothing when it is none: qisu → qi, su."""
        for length in range(min(_LONGEST_SYLLABLE, len(letters)), 1, -1):
            if letters[:length] in self._spellings:
                rest = self._spelt(letters[length:])
                if rest or length == len(letters):
                    return [letters[:length], *rest]
        return []


def _alike(run: list[_Syllable], word: tuple[_Syllable, ...]) -> bool:
    """True when the syllables sound like the word, and enough of them are surely meant."""
    if any(one.end != following.start for one, following in pairwise(run)):
        return False
    if not all(one.sounds & meant.sounds for one, meant in zip(run, word, strict=True)):
        return False
    others = [(one, meant) for one, meant in zip(run, word, strict=True) if one.char != meant.char]
    if any(one.char in _EVERYDAY for one, _ in others):
        return False
    latin = any(not one.char for one, _ in others)
    if any(one.char.isdigit() for one, _ in others) and len(others) == len(word):
        return False
    same_tones = all(one.toned & meant.toned for one, meant in others)
    return latin or len(others) < len(word) or len(word) >= _LONG or same_tones


def _stands(text: str, run: list[_Syllable], split: frozenset[int]) -> bool:
    """True when no other word is cut by the run, and the run is no word of its own."""
    start, end = run[0].start, run[-1].end
    if not _HAN.search(text[start:end]):
        return not _LETTER.fullmatch(text[start - 1 : start]) and not _LETTER.fullmatch(text[end : end + 1])
    cuts = word_cuts(text, split)
    return start in cuts and end in cuts and any(start < cut < end for cut in cuts)


@lru_cache(maxsize=1024)
def word_cuts(text: str, split: frozenset[int] = frozenset()) -> list[int]:
    """The places between words, start and end included; a blank or mark of the author parts words too."""
    cuts, place = [0], 0
    borders = sorted({0, *split, len(text)})
    for first, second in pairwise(borders):
        for word in _dictionary().cut(text[first:second], HMM=False):
            place += len(word)
            cuts.append(place)
    return cuts


def straddles(text: str, start: int, end: int) -> bool:
    """True when the span runs from inside of one word into another: 起诉 in 一起诉说."""
    cuts = word_cuts(text)
    return start not in cuts and end not in cuts and any(start < cut < end for cut in cuts)


@lru_cache(maxsize=1)
def _dictionary() -> jieba.Tokenizer:
    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()


@lru_cache(maxsize=8192)
def _char_sounds(char: str) -> tuple[frozenset[str], frozenset[str]]:
    toned = pinyin(char, style=Style.TONE, heteronym=True)[0]
    return frozenset(_folded(to_normal(sound)) for sound in toned), frozenset(toned)


def _word_sounds(word: str, place: int) -> tuple[frozenset[str], frozenset[str]]:
    toned = pinyin(word, style=Style.TONE)[place][0]
    return frozenset({_folded(to_normal(toned))}), frozenset({toned})


def _folded(sound: str) -> str:
    for pattern, plain in _FOLD:
        sound = re.sub(pattern, plain, sound)
    return sound
