"""Toneless syllables of a text: the homophone errors of a recogniser fall on the same ones."""

from __future__ import annotations

from pypinyin import lazy_pinyin

_MERGED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"))
"""Pairs that many speakers and recognisers do not keep apart."""


def syllables(text: str) -> list[str]:
    """Toneless syllables of `text`, with the southern mergers."""
    return [merged(syllable) for syllable in lazy_pinyin(text)]


def merged(syllable: str) -> str:
    """`zhong` and `zong` alike."""
    for said, written in _MERGED:
        syllable = syllable.replace(said, written)
    return syllable
