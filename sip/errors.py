"""Faults of the telephone side, each with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ENDS = (".", "!", "?", "…", "。", ":", ";")


@dataclass(eq=False)
class SipError(Exception):
    """Something a person can mend: `what` is wrong, `do` this; `where`, `line`, `key` narrow it down."""

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


class PortBusy(SipError):
    """A SIP or RTP port is taken by another program."""


class NoSlot(SipError):
    """Every call slot of the process is taken; a leg that was hung up may hold its slot for up to 32 s."""


class DialError(SipError):
    """The SIP stack refused to send the INVITE (bad URI, no route, no socket)."""


class TrunkDown(DialError):
    """The trunk wants a registration and has none: no INVITE is sent."""
