"""What was probably said, when the recogniser wrote other characters of the same sound.

A trigram model over the characters of the bank chooses, syllable by syllable, between what was written and
the bank's characters of that sound.  To change a character costs, so what already reads well stays.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from pypinyin import lazy_pinyin

from dialogs.rasa.pinyin import merged

PRICE = 7.0
"""What a changed character must gain: the log of how much likelier its neighbours make it."""
CHOICES = 8
"""Characters considered for one sound: the bank's most frequent."""
KEPT_OPEN = 12
"""Readings carried on after each character."""
SHARES = (0.1, 0.45, 0.45)
"""Weight of a character alone, after one and after two others."""
UNSEEN = 0.3
CHARACTERS = 8000
"""Smoothing: every one of the language's common characters counts as seen this often."""


class Homophones:
    """Learnt from texts in one pass; a text of twenty characters is read in about a millisecond."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._counts: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
        self._after: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
        by_sound: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            framed = f"^^{text}$"
            for at in range(2, len(framed)):
                for length, (counts, after) in enumerate(zip(self._counts, self._after, strict=True)):
                    counts[framed[at - length : at + 1]] += 1
                    after[framed[at - length : at]] += 1
            for character, sound in zip(text, sounds(text), strict=True):
                if sound:
                    by_sound[sound][character] += 1
        self._alike = {
            sound: [one for one, _ in sorted(found.items(), key=lambda kept: (-kept[1], kept[0]))[:CHOICES]]
            for sound, found in by_sound.items()
        }

    def read(self, text: str) -> str:
        """`text` with the characters that make it likeliest; of the same length."""
        open_readings = {("^", "^"): (0.0, "")}
        for written, sound in zip(text, sounds(text), strict=True):
            prices = {written: 0.0}
            for other in self._alike.get(sound, ()):
                prices.setdefault(other, PRICE)
            found: dict[tuple[str, str], tuple[float, str]] = {}
            for (first, second), (score, reading) in open_readings.items():
                for character, price in prices.items():
                    total = score + self._likelihood(first, second, character) - price
                    known = found.get((second, character))
                    if known is None or total > known[0]:
                        found[second, character] = (total, reading + character)
            best = sorted(found.items(), key=lambda one: (-one[1][0], one[1][1]))[:KEPT_OPEN]
            open_readings = dict(best)
        return max(
            (score + self._likelihood(first, second, "$"), reading)
            for (first, second), (score, reading) in open_readings.items()
        )[1]

    def _likelihood(self, first: str, second: str, character: str) -> float:
        alone, pairs, triples = self._counts
        chance = SHARES[0] * (alone[character] + UNSEEN) / (self._after[0][""] + UNSEEN * CHARACTERS)
        if before := self._after[1][second]:
            chance += SHARES[1] * pairs[second + character] / before
        if before := self._after[2][first + second]:
            chance += SHARES[2] * triples[first + second + character] / before
        return math.log(chance)


def sounds(text: str) -> list[str]:
    """One merged syllable a character, n and l alike; empty for what is no Chinese character."""
    return [
        _sound(syllable) if "\u4e00" <= character <= "\u9fff" else ""
        for character, syllable in zip(text, lazy_pinyin(list(text)), strict=True)
    ]


def _sound(syllable: str) -> str:
    syllable = merged(syllable)
    return f"n{syllable[1:]}" if syllable.startswith("l") else syllable
