"""Tables as people save them: CSV in the usual encodings and separators, and XLSX, read as a stream.

Nothing is guessed that the file itself can say: the encoding is one in which the whole file can be read.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import warnings
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from voicebot.errors import InputError

ENCODINGS = ("utf-8-sig", "gb18030")
"""GB18030 holds GBK and GB2312; a text that is neither is refused rather than guessed."""
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
DELIMITERS = ",;\t"
ZIP_MARK = b"PK\x03\x04"
OLD_OFFICE_MARK = b"\xd0\xcf\x11\xe0"
"""An .xls of before 2007, or a workbook with a password."""
BLOCK = 1 << 20
TELL_EVERY = 4096
"""Rows between two words on progress."""
EXACT_DIGITS = 15
"""A spreadsheet keeps no more digits of a number."""
BAD_QUOTES = "a quote is not closed, or stands inside of a cell"


class Record(NamedTuple):
    """A row of a table: its number in a spreadsheet, its line in the file, its cells.

    With a fault, which says why it cannot be told into cells, the line is the only cell.
    """

    row: int
    line: int
    cells: list[str]
    fault: str = ""


@dataclass(frozen=True)
class TableFile:
    """A table that can be read.  `header` as it stands there; `digest` is the sha256 of the file."""

    path: Path
    header: tuple[str, ...]
    digest: str
    size: int
    encoding: str
    "Empty for XLSX."
    delimiter: str = field(default="")

    @classmethod
    def open(cls, path: Path | str) -> TableFile:
        """InputError when the file is missing, is no table, is in no known encoding, or has no header."""
        path = Path(path)
        try:
            with path.open("rb") as file:
                start = file.read(BLOCK)
        except OSError as fault:
            what = f"the list cannot be read: {(fault.strerror or '').lower()}"
            raise InputError(what, "Give the path of a CSV or XLSX file.", path) from None
        if start.startswith(OLD_OFFICE_MARK):
            what = "this is an old .xls file, or a workbook with a password"
            raise InputError(what, "Save it as .xlsx or as CSV UTF-8.", path)
        if not start.strip():
            raise _without_header("the file is empty", path)
        if start.startswith(ZIP_MARK):
            return cls._with_header(path, _looked_through(path, ())[0], "", "")
        candidates = ("utf-16",) if start.startswith(UTF16_MARKS) else ENCODINGS
        digest, readable = _looked_through(path, candidates)
        if not readable or (b"\0" in start and candidates is ENCODINGS):
            raise InputError("the list is neither UTF-8 nor GBK text", "Save it as CSV UTF-8.", path)
        encoding = readable[0]
        first = start.decode(encoding, "ignore").lstrip("\ufeff").splitlines()[0]
        return cls._with_header(path, digest, encoding, max(DELIMITERS, key=first.count))

    @classmethod
    def _with_header(cls, path: Path, digest: str, encoding: str, delimiter: str) -> TableFile:
        bare = cls(path, (), digest, path.stat().st_size, encoding, delimiter)
        first = next(bare._all_records(), None)
        header = [cell.strip() for cell in first.cells] if first else []
        while header and not header[-1]:
            header.pop()
        if not header:
            raise _without_header("the first row is empty", path)
        return cls(path, tuple(header), digest, bare.size, encoding, delimiter)

    def records(self, told: Callable[[int], None] = lambda read: None) -> Iterator[Record]:
        """The rows below the header, without empty ones.  `told` hears how many bytes were read."""
        records = self._all_records(told)
        next(records, None)
        return (one for one in records if one.fault or any(map(str.strip, one.cells)))

    def cell_name(self, row: int, column: int) -> str:
        """ "E2" for the fifth column (0-based 4) of row 2."""
        return f"{get_column_letter(column + 1)}{row}"

    def _all_records(self, told: Callable[[int], None] = lambda read: None) -> Iterator[Record]:
        return self._sheet_records() if not self.encoding else self._text_records(told)

    def _text_records(self, told: Callable[[int], None]) -> Iterator[Record]:
        with self.path.open(encoding=self.encoding, newline="") as text:
            raw = text.buffer.raw  # type: ignore[attr-defined]
            lines = _Lines(text)
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            taken, row, line = lines.taken, 0, 1
            while True:
                row += 1
                try:
                    cells = next(reader)
                except StopIteration:
                    break
                except csv.Error:
                    yield Record(row, line, [lines.put_back_all_but_one()], BAD_QUOTES)
                    line += 1
                    continue
                yield Record(row, line, cells)
                line += len(taken)
                taken.clear()
                if not row % TELL_EVERY:
                    told(raw.tell())
        told(self.size)

    def _sheet_records(self) -> Iterator[Record]:
        """The first sheet; numbers as their plain digits, dates as ISO texts."""
        with self.path.open("rb") as file:  # by its content: openpyxl itself goes by the name
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of styles and data validation, which nobody asked for
                    book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError):
                do = "Save it as .xlsx or as CSV UTF-8."
                raise InputError("this is no XLSX workbook", do, self.path) from None
            try:
                if not book.worksheets:
                    return
                sheet = book.worksheets[0]
                sheet.reset_dimensions()  # some programs write wrong ones
                for row, values in enumerate(sheet.iter_rows(values_only=True), 1):
                    yield Record(row, row, [_cell_text(value) for value in values])
            finally:
                book.close()


class _Lines:
    """The lines of a text.  Those that a broken quote swallowed can be put back and read again."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        "Lines of the row that is being read."

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self.taken.append(line)
        return line

    def put_back_all_but_one(self) -> str:
        """The first line, which could not be read; what follows it is read anew."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        self.taken.clear()
        return first.rstrip("\r\n")


def read_table(path: Path | str, required: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of each row of a small table; a short row's cells are empty.

    InputError when the file is not readable, has no header or lacks a required column.
    """
    table = TableFile.open(path)
    header = table.header
    check_unique(header, table.path)
    for name in required:
        if name not in header:
            raise InputError(f"the column {name!r} is missing", f"Needed: {', '.join(required)}.", path, 1)
    for record in table.records():
        if record.fault:
            raise InputError(record.fault, "Correct the row.", path, record.line)
        cells = (cell.strip() for cell in record.cells[: len(header)])
        yield record.line, dict(zip_longest(header, cells, fillvalue=""))


def check_unique(header: Sequence[str], path: Path) -> None:
    """InputError when a column is there twice."""
    for number, name in enumerate(header):
        if name and name in header[:number]:
            raise InputError(f"the column {name!r} is there twice", "Keep one of them.", path, 1)


def _without_header(what: str, path: Path) -> InputError:
    return InputError(what, "The first row names the columns: case_id, debtor_id, name, phone …", path, 1)


def _looked_through(path: Path, encodings: Sequence[str]) -> tuple[str, list[str]]:
    """The sha256 of a file, and those of the encodings in which all of it can be read."""
    digest = hashlib.sha256()
    decoders = {name: codecs.getincrementaldecoder(name)() for name in encodings}
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK)
            digest.update(block)
            for name, decoder in list(decoders.items()):
                try:
                    decoder.decode(block, final=not block)
                except UnicodeDecodeError:
                    del decoders[name]
            if not block:
                return digest.hexdigest(), list(decoders)


def _cell_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case int() | float():
            if abs(value) >= 10**EXACT_DIGITS:
                return f"{value:.5E}"  # what is left of it; refused wherever digits matter
            return str(int(value)) if value == int(value) else f"{value:.{EXACT_DIGITS}g}"
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(timespec="minutes")
        case date() | time():
            return value.isoformat()
    return str(value)
