"""Rows of lists that are not loaded: each with its place and reason, and written out to be mended."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from voicebot.campaign.list_columns import REJECTED_COLUMNS
from voicebot.campaign.table_file import TableFile


class RejectedRow(NamedTuple):
    """A row that was not loaded.  Its values are never kept: they may be personal.  `cell` is like "E2"."""

    where: Path
    line: int
    column: str
    reason: str
    cell: str = ""

    def __str__(self) -> str:
        place = f"{self.column}, cell {self.cell}" if self.cell else self.column
        return f"{self.where}:{self.line} ({place}): {self.reason}"


@dataclass(frozen=True)
class CountedReason:
    """So many rows were refused for this."""

    column: str
    reason: str
    count: int


def write_rejected(table: TableFile, rejected: Iterable[RejectedRow], path: Path) -> None:
    """Writes a NAME.rejected.csv: place and reason before the row's own cells, to be mended and read again.

    It holds personal data, as the list does: only its owner may read it.  `rejected` in the file's order.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*REJECTED_COLUMNS, *table.header])
        writer.writerows(_with_cells(table, rejected))
    part.replace(path)


def _with_cells(table: TableFile, rejected: Iterable[RejectedRow]) -> Iterator[list[object]]:
    waiting = iter(rejected)
    one = next(waiting, None)
    for record in table.records():
        if one is None:
            return
        if record.line == one.line:
            yield [one.line, one.column, one.reason, *record.cells]
            one = next(waiting, None)
