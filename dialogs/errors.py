"""Faults in a talk track or an utterance file: one line that names the file, the line and the mend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ENDS = (".", "!", "?", "…", "。", ":", ";")


@dataclass
class TrackError(Exception):
    """Bad input.  Same attributes as the project's other input errors; `line` is 1-based."""

    what: str
    do: str = ""
    where: Path | str | None = None
    line: int | None = None
    key: str | None = None
    more: tuple[TrackError, ...] = ()
    "Other faults of the same file, each with its own line."

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


class BuildFailed(TrackError):
    """Rasa did not build or did not start; `what` carries the last line it said."""
