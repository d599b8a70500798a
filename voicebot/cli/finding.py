"""What one check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`text` says what is there; `do` says what to do when it is not good."""

    good: bool
    text: str
    do: str = ""

    @classmethod
    def fine(cls, text: str) -> Finding:
        return cls(True, text)

    @classmethod
    def bad(cls, text: str, do: str = "") -> Finding:
        return cls(False, text, do)
