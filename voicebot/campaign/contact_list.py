"""Lists: CSV files in any of the usual encodings.  Good rows load; each bad row is named with its reason."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

from voicebot.campaign.phone_number import to_e164
from voicebot.errors import InputError

REQUIRED = ("case_id", "debtor_id", "name", "phone", "amount_due")
OPTIONAL = [
    "party",
    "phone_source",
    "phone_evidence",
    "id_tail",
    "institution",
    "agency",
    "product",
    "principal",
    "interest",
    "penalty",
    "due_date",
    "overdue_days",
    "loan_last4",
    "as_of",
    "language",
    "flags",
]
COLUMNS = (*REQUIRED, *OPTIONAL)
PARTIES = ("debtor", "guarantor", "contact", "heir", "unknown")
ENCODINGS = ("utf-8-sig", "gb18030")
"""GB18030 holds GBK and GB2312; a text that is neither is refused rather than guessed."""
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = ",;\t"
_TAIL = re.compile(r"\d{3}[\dX]")


@dataclass(frozen=True)
class ListRow:
    """One contact point.  Amounts in fen; the phone in E.164; `id_tail` only until it is hashed."""

    line: int
    case_id: str
    debtor_id: str
    name: str
    phone: str
    amount_due: int
    party: str = "debtor"
    phone_source: str = ""
    phone_evidence: str = ""
    id_tail: str = ""
    institution: str = ""
    agency: str = ""
    product: str = ""
    principal: int | None = None
    interest: int | None = None
    penalty: int | None = None
    due_date: date | None = None
    overdue_days: int | None = None
    loan_last4: str = ""
    as_of: datetime | None = None
    language: str = ""
    flags: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not loaded.  `value` is never kept: it may be personal."""

    where: Path
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}:{self.line} ({self.column}): {self.reason}"


@dataclass(frozen=True)
class ListResult:
    rows: list[ListRow]
    rejected: list[RejectedRow]


class _BadCell(ValueError):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.reason = column, reason


def read_table(path: Path | str, required: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells) of each row of a CSV file; a short row's cells are empty.

    InputError when the file is missing, unreadable, without header or without a required column.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError:
        raise InputError("the list cannot be read", "Give the path of a CSV file.", path) from None
    reader = csv.reader(io.StringIO(_decoded(data, path), newline=""), delimiter=_delimiter(data))
    header = [cell.strip() for cell in next(reader, [])]
    if not any(header):
        raise InputError(
            "the list is empty", f"Its first row names the columns: {', '.join(COLUMNS)}.", path, 1
        )
    doubled = {name for name in header if name and header.count(name) > 1}
    if doubled:
        raise InputError(f"the column {sorted(doubled)[0]!r} is there twice", "Keep one of them.", path, 1)
    for name in required:
        if name not in header:
            raise InputError(f"the column {name!r} is missing", f"Needed: {', '.join(required)}.", path, 1)
    start = reader.line_num + 1
    for cells in reader:
        line, start = start, reader.line_num + 1
        if any(cell.strip() for cell in cells):
            yield (
                line,
                dict(zip_longest(header, (cell.strip() for cell in cells[: len(header)]), fillvalue="")),
            )


def _decoded(data: bytes, path: Path) -> str:
    if data.startswith(UTF16_MARKS):
        return data.decode("utf-16")
    for encoding in ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("the list is neither UTF-8 nor GBK", "Save it as CSV UTF-8.", path)


def _delimiter(data: bytes) -> str:
    first = data.splitlines()[0] if data.strip() else b""
    return max(DELIMITERS, key=lambda sign: first.count(sign.encode()))


def read_list(path: Path | str) -> ListResult:
    """Reads a list.  InputError for a missing file or column; bad rows are in `rejected`."""
    path = Path(path)
    rows: list[ListRow] = []
    rejected: list[RejectedRow] = []
    seen: dict[tuple[str, str, str], int] = {}
    debtors: dict[str, str] = {}
    for line, cells in read_table(path, REQUIRED):
        try:
            row = _row(line, cells)
            first = seen.setdefault((row.case_id, row.party, row.phone), line)
            if first != line:
                raise _BadCell("phone", f"the same number as in line {first}")
            if debtors.setdefault(row.case_id, row.debtor_id) != row.debtor_id:
                raise _BadCell("debtor_id", "another debtor than in the case's first row")
        except _BadCell as fault:
            rejected.append(RejectedRow(path, line, fault.column, fault.reason))
        else:
            rows.append(row)
    rows, without_debtor = _with_debtor(path, rows)
    return ListResult(rows, sorted(rejected + without_debtor, key=lambda one: one.line))


def _with_debtor(path: Path, rows: list[ListRow]) -> tuple[list[ListRow], list[RejectedRow]]:
    """A case needs its debtor's own row: that is where its amounts come from."""
    known = {row.case_id for row in rows if row.party == "debtor"}
    lost = [
        RejectedRow(path, row.line, "party", "the case has no good row of its debtor")
        for row in rows
        if row.case_id not in known
    ]
    return [row for row in rows if row.case_id in known], lost


def _row(line: int, cells: dict[str, str]) -> ListRow:
    for column in REQUIRED:
        if not cells.get(column):
            raise _BadCell(column, "the cell is empty")
    try:
        phone = to_e164(cells["phone"])
    except ValueError as fault:
        raise _BadCell("phone", str(fault)) from None
    party = cells.get("party") or "debtor"
    if party not in PARTIES:
        raise _BadCell("party", f"must be one of {', '.join(PARTIES)}")
    tail = unicodedata.normalize("NFKC", cells.get("id_tail", "")).upper()
    if tail and not _TAIL.fullmatch(tail):
        raise _BadCell("id_tail", "must be the last four of an identity number")
    return ListRow(
        line=line,
        case_id=cells["case_id"],
        debtor_id=cells["debtor_id"],
        name=cells["name"],
        phone=phone,
        amount_due=_money("amount_due", cells["amount_due"]),
        party=party,
        id_tail=tail,
        due_date=_date("due_date", cells.get("due_date", "")),
        overdue_days=_count("overdue_days", cells.get("overdue_days", "")),
        loan_last4=_last4("loan_last4", cells.get("loan_last4", "")),
        as_of=_instant("as_of", cells.get("as_of", "")),
        flags=tuple(flag for flag in re.split(r"[\s|;,]+", cells.get("flags", "")) if flag),
        notes={name: value for name, value in cells.items() if name not in COLUMNS and name and value},
        principal=_optional_money("principal", cells),
        interest=_optional_money("interest", cells),
        penalty=_optional_money("penalty", cells),
        phone_source=cells.get("phone_source", ""),
        phone_evidence=cells.get("phone_evidence", ""),
        institution=cells.get("institution", ""),
        agency=cells.get("agency", ""),
        product=cells.get("product", ""),
        language=cells.get("language", ""),
    )


def _money(column: str, text: str) -> int:
    try:
        return yuan_to_fen(text)
    except ValueError as fault:
        raise _BadCell(column, str(fault)) from None


def _optional_money(column: str, cells: dict[str, str]) -> int | None:
    return _money(column, cells[column]) if cells.get(column) else None


def yuan_to_fen(text: str) -> int:
    """ "1,520.40" → 152040.  ValueError when it is no amount in 元 with at most two decimals."""
    plain = unicodedata.normalize("NFKC", text).strip().removeprefix("¥").removesuffix("元").strip()
    if not re.fullmatch(r"(\d+|\d{1,3}(,\d{3})+)(\.\d{1,2})?", plain):
        raise ValueError("must be an amount in 元 with at most two decimals")
    return int(Decimal(plain.replace(",", "")) * 100)


def _date(column: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _BadCell(column, "must be a date like 2026-03-02") from None


def _instant(column: str, text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise _BadCell(column, "must be a time like 2026-03-02T10:00") from None


def _count(column: str, text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{1,5}", text):
        raise _BadCell(column, "must be a whole number")
    return int(text)


def _last4(column: str, text: str) -> str:
    if text and not re.fullmatch(r"\d{4}", text):
        raise _BadCell(column, "must be four digits; a spreadsheet may have cut a leading zero")
    return text


def cases(rows: Iterable[ListRow]) -> dict[str, list[ListRow]]:
    """The rows by case, in the order of the list; the debtor's own row comes first."""
    found: dict[str, list[ListRow]] = {}
    for row in rows:
        found.setdefault(row.case_id, []).append(row)
    for points in found.values():
        points.sort(key=lambda row: row.party != "debtor")
    return found
