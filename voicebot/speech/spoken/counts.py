"""Counts before a measure word (两期, 十二天), and the number in what somebody said."""

from __future__ import annotations

import re

from voicebot.speech.spoken.numerals import NUMBER, from_chinese, plain, with_measure


def speak_count(n: int) -> str:
    """Number in front of a measure word that the line supplies: 2 → 两, 12 → 十二, 200 → 两百."""
    return with_measure(n)


def parse_count(text: str, measure: str) -> int | None:
    """The last number in front of one of the measure words (a regular expression: `期|个月`), or None.

    第二期 counts nothing, and neither do 三五期 or 几期.
    """
    found = re.findall(rf"(?<!第)(?<![十\d])({NUMBER})(?:{measure})", plain(text))
    return from_chinese(found[-1]) if found else None
