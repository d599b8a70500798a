"""What was really dialled: lines appended outside of any database, by whoever dials.

It is the other side of the ledger's books: what the store says is compared with it afterwards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Dial:
    """One dial.  Times are CLOCK_MONOTONIC seconds, the same for all processes of a machine."""

    attempt: str
    case: str
    process: str
    "The life of the process that dialled: it dies once."
    asked: float
    "Before its permission was asked for."
    at: float


@dataclass(frozen=True)
class End:
    """A call that ended by itself."""

    attempt: str
    answered: bool
    at: float


class DialLog:
    """Appends whole lines; a process that dies leaves no half one."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def works(self, process: str, node: str) -> None:
        """A process works as this node of the ledger from now on."""
        self._write(["node", process, node])

    def dialled(self, dials: Sequence[Dial]) -> None:
        for one in dials:
            self._write(["dial", one.attempt, one.case, one.process, one.asked, one.at])

    def ended(self, ends: Sequence[End]) -> None:
        for one in ends:
            self._write(["end", one.attempt, one.answered, one.at])

    def closed(self, attempts: Iterable[str]) -> None:
        """What the store said to have been closed by this report."""
        for attempt in attempts:
            self._write(["closed", attempt])

    def _write(self, line: list[object]) -> None:
        os.write(self._file, (json.dumps(line) + "\n").encode())


@dataclass(frozen=True)
class Book:
    """A dial log, read."""

    dials: list[Dial]
    ends: dict[str, End]
    closed: list[str]
    nodes: dict[str, list[str]]
    "The ledger's nodes as which each process worked."

    @classmethod
    def read(cls, path: Path) -> Book:
        book = cls([], {}, [], {})
        for line in path.read_text().splitlines():
            kind, *rest = json.loads(line)
            if kind == "dial":
                book.dials.append(Dial(*rest))
            elif kind == "end":
                book.ends[rest[0]] = End(*rest)
            elif kind == "node":
                book.nodes.setdefault(rest[0], []).append(rest[1])
            else:
                book.closed.append(rest[0])
        return book


def count_dials(path: Path) -> int:
    """How many dials there are so far."""
    with path.open("rb") as lines:
        return sum(line.startswith(b'["dial"') for line in lines)
