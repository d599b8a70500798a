"""The knowledge check: last four of the identity number, by voice or keypad, two tries.

The digits are compared with a keyed hash in constant time.  They are neither kept, logged nor sent
to the dialog engine; the transcript shows that digits were given, not which.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

from voicebot.speech.spoken.digits import parse_digits

TAIL_LENGTH = 4
READINGS = 3
"""What the recogniser offers for one utterance.  All are compared as one try: a guesser gains two in ten
thousand, a misheard owner is not turned away."""
MASKED_TEXT = "（四位数字）"


class KnowledgeCheck:
    """One call's check.  `mac_of(tail)` is the site's keyed hash for this case; `expected` may be missing."""

    def __init__(self, expected: str | None, mac_of: Callable[[str], str]) -> None:
        self._expected, self._mac_of = expected, mac_of
        self._keys = ""
        self.passed = False

    def in_speech(self, text: str, alternatives: Sequence[str] = ()) -> bool | None:
        """None when no four digits were said; else whether they are right in one of the readings.

        A wrong tail in any reading is a try: nobody guesses for free by speaking unclearly.
        """
        tails = _tails_in(text, alternatives)
        if not tails:
            return None
        return any([self._compare(tail) for tail in tails])  # a list: the time does not tell which was right

    def key(self, digit: str) -> bool | None:
        """One key.  None until four were pressed; # starts again; * stands for the letter X."""
        if digit == "#":
            self._keys = ""
            return None
        self._keys += "X" if digit == "*" else digit
        if len(self._keys) < TAIL_LENGTH:
            return None
        tail, self._keys = self._keys, ""
        return self._compare(tail)

    def forget_keys(self) -> str:
        """Half a number was pressed and no more came, or it was spoken: start again.  What was pressed."""
        pressed, self._keys = self._keys, ""
        return pressed

    def to_be_masked(self, text: str, alternatives: Sequence[str] = ()) -> bool:
        """True when four digits stand in it that may be the tail: until the check has passed, any may be."""
        return not self.passed and bool(_tails_in(text, alternatives))

    def _compare(self, tail: str) -> bool:
        if self._expected is None:  # a missing fact is a refusal
            return False
        right = hmac.compare_digest(self._mac_of(tail.upper()), self._expected)
        self.passed = self.passed or right
        return right


def _tails_in(text: str, alternatives: Sequence[str]) -> list[str]:
    readings = (parse_digits(reading, TAIL_LENGTH) for reading in (text, *alternatives))
    return list(dict.fromkeys(tail for tail in readings if tail is not None))[:READINGS]
