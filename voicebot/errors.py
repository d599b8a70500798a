"""Faults that a person can mend: one clear line, exit code 2, nothing half-done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ENDS = (".", "!", "?", "…", "。", ":", ";")


@dataclass(eq=False)
class InputError(Exception):
    """Bad input.  `what` says what is wrong, `do` what to do about it.

    `where` names the file; `line` (1-based) or `key`/`row` narrow it down when known.
    """

    what: str
    do: str = ""
    where: Path | str | None = None
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = str(self.where) if self.where else ""
        if self.line is not None:
            place += f":{self.line}"
        if self.key:
            place += f" ({self.key})" if place else self.key
        text = f"{place}: {self.what}" if place else self.what
        if not self.do:
            return text
        return f"{text} {self.do}" if text.endswith(_ENDS) else f"{text}. {self.do}"


class NotReady(InputError):
    """A part of the site is missing or down: a model, a port, a trunk, the dialog service."""
