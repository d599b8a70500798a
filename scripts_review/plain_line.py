"""A line as it is heard, whatever letters it was written in, and the way back to what the author wrote.

Half-width, simplified, without blanks and marks between characters, a slot as □, other spellings and words of
the same sound put back to the word that is meant (configs/policies/lint_wording.yaml).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from scripts_review.homophones import Homophones, word_cuts
from voicebot.speech.spoken.numerals import simplify

SLOT = re.compile(r"\{(\w+)\}")
SLOT_MARK = "□"
STOPS = "，。！？；：（）"
"""Full-width punctuation that parts clauses: kept, and what NFKC would turn into ASCII is kept full-width."""
_ASCII_STOPS = str.maketrans(",!?;", "，！？；")
_MARK = re.compile(rf"[^\w{STOPS}{SLOT_MARK}%]|_")
_HEARTS = str.maketrans(dict.fromkeys("❤♥♡💕💗💓💖", "心"))
_LONE = re.compile(r"(?<=[一-鿿])[，。]([一-鿿])[，。](?=[一-鿿])")
_ANSWERS = "不没别好嗯啊哦喂是对行来请"
"""Characters that make a clause of their own; any other between two stops is part of a split word."""
_KEPT_MARK = re.compile(r"(?<=\d)[.:\-](?=\d)|[.:](?=\d)")
SHORTEST_SPELLING = 2
_SENTENCE_ENDS = re.compile("[。！？；]")
SHORTEST_SENTENCE = 4
"""Characters; 好的 and 再见 say nothing."""
_LATIN = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class PlainLine:
    """`written`: the line under NFKC.  `text`: as it is heard.

    `origin`: of every character of `text` the span in `written` that it came from.
    """

    written: str
    text: str
    origin: tuple[tuple[int, int], ...]

    def quote(self, start: int, end: int) -> str:
        """A span of `text` in the author's letters, and how it was read when that is something else."""
        there = self.written[self.origin[start][0] : self.origin[end - 1][1]]
        heard = self.text[start:end]
        same = _MARK.sub("", SLOT.sub(SLOT_MARK, there)) == heard or there == heard
        return there if same else f"{there}（读作 {heard}）"

    def sentences(self) -> list[str]:
        """The sentences of `text` that say anything."""
        return [part for part in _SENTENCE_ENDS.split(self.text) if len(part) >= SHORTEST_SENTENCE]


class Plainer:
    """Brings lines to plain spelling.  `spellings`: word → other ways to write it; `sounds`: words that are
    also known by their sound."""

    def __init__(self, spellings: Mapping[str, Iterable[str]], sounds: Collection[str]) -> None:
        self._latin: dict[str, str] = {}
        others: dict[str, str] = {}
        for word, ways in spellings.items():
            for way in ways:
                heard = simplify(_MARK.sub("", way.translate(_HEARTS))).lower()
                if len(heard) < SHORTEST_SPELLING:
                    raise ValueError(f"{way} is too short to be a spelling of {word}")
                (self._latin if heard.isascii() and heard.isalpha() else others)[heard] = word
        longest_first = sorted(others, key=len, reverse=True)
        self._others = others
        self._spelt = re.compile("|".join(map(_whole, longest_first)) or r"(?!)", re.IGNORECASE)
        self._homophones = Homophones(sounds)
        self.read = lru_cache(maxsize=4096)(self._read)

    def _read(self, line: str) -> PlainLine:
        written = half_width(line)
        chars, origin = [], []
        for text, start, end in _characters(written):
            chars.append(text)
            origin.append((start, end))
        plain = PlainLine(written, "".join(chars), tuple(origin))
        plain = _replaced(plain, self._spellings_in(plain.text))
        split = [
            index
            for index in range(1, len(plain.text))
            if plain.origin[index][0] > plain.origin[index - 1][1]
        ]
        return _replaced(plain, self._homophones.find(plain.text, frozenset(split)))

    def _spellings_in(self, text: str) -> list[tuple[int, int, str]]:
        found = [
            (match.start(), match.end(), self._others[match[0].lower()])
            for match in self._spelt.finditer(text)
            if re.search("[A-Za-z]", match[0]) or {match.start(), match.end()} <= set(word_cuts(text))
        ]
        for match in _LATIN.finditer(text):
            word = self._latin.get(match[0].lower())
            if word and not any(match.start() < end and start < match.end() for start, end, _ in found):
                found.append((match.start(), match.end(), word))
        return sorted(found)


def _whole(spelling: str) -> str:
    """A pattern of the spelling whose letters are not those of a longer word: 加v is not in 加vx."""
    before = r"(?<![A-Za-z])" if spelling[0].isascii() else ""
    after = r"(?![A-Za-z])" if spelling[-1].isascii() else ""
    return f"{before}{re.escape(spelling)}{after}"


def sentence_around(text: str, start: int, end: int) -> str:
    """The sentence of a plain line, or the several, that a span lies in."""
    return _SENTENCE_ENDS.split(text[:start])[-1] + text[start:end] + _SENTENCE_ENDS.split(text[end:])[0]


def half_width(line: str) -> str:
    """NFKC, with full-width punctuation kept and hearts as the 心 that they stand for."""
    line = line.translate(_HEARTS)
    return "".join(char if char in STOPS else unicodedata.normalize("NFKC", char) for char in line)


def _characters(written: str) -> Iterable[tuple[str, int, int]]:
    """Every character that is heard, simplified, with its span in `written`."""
    position = 0
    splitting = {
        place
        for match in _LONE.finditer(written)
        if match[1] not in _ANSWERS
        for place in (match.start(), match.end() - 1)
    }
    while position < len(written):
        if slot := SLOT.match(written, position):
            yield SLOT_MARK, position, slot.end()
            position = slot.end()
            continue
        char = written[position].translate(_ASCII_STOPS)
        if position in splitting:
            pass
        elif not _MARK.match(char) or _KEPT_MARK.match(written, position):
            yield simplify(char) if ord(char) > 0x3000 else char, position, position + 1
        position += 1


def _replaced(line: PlainLine, words: Iterable[tuple[int, int, str]]) -> PlainLine:
    """The line with each span of `words` (sorted, apart) put back to its word."""
    text, origin, done = [], list[tuple[int, int]](), 0
    for start, end, word in words:
        text += [line.text[done:start], word]
        origin += line.origin[done:start]
        origin += [(line.origin[start][0], line.origin[end - 1][1])] * len(word)
        done = end
    return PlainLine(line.written, "".join(text) + line.text[done:], (*origin, *line.origin[done:]))
