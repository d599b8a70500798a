"""A row of a list: one contact point of a case, every cell checked.  A bad cell is named, its value never."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from voicebot.campaign.list_columns import COLUMNS, REQUIRED, Header
from voicebot.campaign.phone_number import SCIENTIFIC, to_e164

PARTIES = {
    "debtor": "debtor",
    "guarantor": "guarantor",
    "contact": "contact",
    "heir": "heir",
    "unknown": "unknown",
    "本人": "debtor",
    "债务人": "debtor",
    "借款人": "debtor",
    "担保人": "guarantor",
    "保证人": "guarantor",
    "联系人": "contact",
    "继承人": "heir",
    "未知": "unknown",
}
LONGEST = 200
"""Characters of a cell that we keep."""
_TAIL = re.compile(r"\d{3}[\dX]", re.ASCII)
_PLAIN_MONEY = re.compile(r"(\d{1,12})(?:\.(\d\d?))?", re.ASCII)
_MONEY = re.compile(r"(\d+|\d{1,3}(,\d{3})+)(\.\d{1,2})?", re.ASCII)
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", re.ASCII)
_COUNT = re.compile(r"\d{1,5}", re.ASCII)
_LAST4 = re.compile(r"\d{4}", re.ASCII)
_NO_NOTES: Mapping[str, str] = MappingProxyType({})
PLAN = ("plan_count", "plan_amount", "plan_first_date", "plan_total")
SECOND_PLAN = ("plan_alt_count", "plan_alt_amount", "plan_alt_first_date", "plan_alt_total")


class ListRow(NamedTuple):
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
    offers: Mapping[str, int | date] = MappingProxyType({})
    "Amount to settle, approved plans, a broken promise: the optional columns, as they are given."
    notes: Mapping[str, str] = _NO_NOTES


class BadCell(ValueError):
    """What is wrong with a cell, without its value."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.reason = column, reason


class RowReader:
    """Turns the cells of one list into rows.  `institution`: rows that name another one are bad."""

    def __init__(self, header: Header, institution: str = "") -> None:
        self._width, self._notes, self._institution = header.width, header.notes, institution
        absent = header.width  # the place of an empty cell behind the last one
        self._cells = itemgetter(*(header.places.get(name, absent) for name in COLUMNS[:21]))
        self._offers = {name: header.places[name] for name in COLUMNS[21:] if name in header.places}

    def row(self, line: int, cells: list[str]) -> ListRow:
        """BadCell names the first bad cell."""
        width = self._width
        if len(cells) < width:
            cells = cells + [""] * (width - len(cells))
        elif len(cells) > width:
            if any(map(str.strip, cells[width:])):
                raise BadCell("row", "there are more cells than columns; is a comma not quoted?")
            cells = cells[:width]
        cells = [*map(str.strip, cells), ""]
        (
            case_id,
            debtor_id,
            name,
            phone,
            amount_due,
            party,
            phone_source,
            phone_evidence,
            id_tail,
            institution,
            agency,
            product,
            principal,
            interest,
            penalty,
            due_date,
            overdue_days,
            loan_last4,
            as_of,
            language,
            flags,
        ) = self._cells(cells)
        if not (case_id and debtor_id and name and phone and amount_due):
            empty = next(
                column for column, cell in zip(REQUIRED, self._cells(cells), strict=False) if not cell
            )
            raise BadCell(empty, "the cell is empty")
        for column, cell in (("case_id", case_id), ("debtor_id", debtor_id), ("name", name)):
            if not cell.isprintable() or len(cell) > LONGEST or cell[0] == "#":
                raise BadCell(column, _unfit(cell))
        if "+" in case_id or "+" in debtor_id:
            _not_scientific("case_id", case_id)
            _not_scientific("debtor_id", debtor_id)
        try:
            e164 = to_e164(phone)
        except ValueError as fault:
            raise BadCell("phone", str(fault)) from None
        if party and party not in PARTIES:
            raise BadCell("party", "must be one of debtor, guarantor, contact, heir, unknown")
        if id_tail:
            id_tail = unicodedata.normalize("NFKC", id_tail).upper()
            if not _TAIL.fullmatch(id_tail):
                raise BadCell("id_tail", "must be the last four of an identity number")
        if loan_last4 and not _LAST4.fullmatch(loan_last4):
            raise BadCell("loan_last4", "must be four digits; a spreadsheet may have cut a leading zero")
        if self._institution and institution and institution != self._institution:
            raise BadCell("institution", "not the campaign's institution")
        marks = tuple(flag for flag in re.split(r"[\s|;,]+", flags) if flag) if flags else ()
        return ListRow(
            line,
            case_id,
            debtor_id,
            name,
            e164,
            _money("amount_due", amount_due),
            PARTIES[party] if party else "debtor",
            phone_source,
            phone_evidence,
            id_tail,
            institution,
            agency,
            product,
            _money("principal", principal) if principal else None,
            _money("interest", interest) if interest else None,
            _money("penalty", penalty) if penalty else None,
            _date("due_date", due_date) if due_date else None,
            _count("overdue_days", overdue_days) if overdue_days else None,
            loan_last4,
            _instant("as_of", as_of) if as_of else None,
            language,
            marks,
            self._offered(cells, marks) if self._offers else _NO_OFFERS,
            {name: cells[place] for name, place in self._notes.items() if cells[place]}
            if self._notes
            else _NO_NOTES,
        )

    def _offered(self, cells: list[str], flags: tuple[str, ...]) -> Mapping[str, int | date]:
        """The optional columns.  A plan is whole or not there: half of one could not be spoken."""
        found: dict[str, int | date] = {}
        for name, place in self._offers.items():
            if cell := cells[place]:
                found[name] = _offer(name, cell)
        for plan in (PLAN, SECOND_PLAN):
            lacking = [name for name in plan if name not in found]
            if 0 < len(lacking) < len(plan):
                raise BadCell(lacking[0], f"the plan is not whole: {', '.join(plan)} belong together")
        if "plan_approved" in flags and PLAN[0] not in found:
            raise BadCell(PLAN[0], "the flag plan_approved needs the plan's columns")
        return found


_NO_OFFERS: Mapping[str, int | date] = MappingProxyType({})


def _offer(name: str, cell: str) -> int | date:
    if name.endswith("_count"):
        return _count(name, cell)
    if name.endswith("_date") or name == "last_promise":
        return _date(name, cell)
    return _money(name, cell)


def _unfit(cell: str) -> str:
    if cell[0] == "#":
        return "the spreadsheet shows an error here"
    if len(cell) > LONGEST:
        return f"the cell is longer than {LONGEST} characters"
    return "the cell holds a line break or another sign that cannot be shown"


def _not_scientific(column: str, cell: str) -> None:
    if SCIENTIFIC.fullmatch(cell):
        reason = "the number was changed to scientific notation by a spreadsheet; format the cell as text"
        raise BadCell(column, reason)


def _money(column: str, text: str) -> int:
    try:
        return yuan_to_fen(text)
    except ValueError as fault:
        raise BadCell(column, str(fault)) from None


def yuan_to_fen(text: str) -> int:
    """ "1,520.40" → 152040.  ValueError when it is no amount in 元 with at most two decimals."""
    if usual := _PLAIN_MONEY.fullmatch(text):
        return int(usual[1]) * 100 + int((usual[2] or "0").ljust(2, "0"))
    plain = unicodedata.normalize("NFKC", text).strip().removeprefix("¥").removesuffix("元").strip()
    if not _MONEY.fullmatch(plain):
        raise ValueError("must be an amount in 元 with at most two decimals")
    return int(Decimal(plain.replace(",", "")) * 100)


def _date(column: str, text: str) -> date:
    found = _DAY.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        raise BadCell(column, "must be a date like 2026-03-02") from None


def _instant(column: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    day, _, rest = text.partition(" ")
    try:
        return datetime.fromisoformat(
            f"{_date(column, day).isoformat()}T{rest.zfill(5) if rest else '00:00'}"
        )
    except ValueError:
        raise BadCell(column, "must be a time like 2026-03-02T10:00") from None


def _count(column: str, text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise BadCell(column, "must be a whole number")
    return int(text)


def cases(rows: Iterable[ListRow]) -> dict[str, list[ListRow]]:
    """The rows by case, in the order of the list; the debtor's own row comes first."""
    found: dict[str, list[ListRow]] = {}
    for row in rows:
        found.setdefault(row.case_id, []).append(row)
    for points in found.values():
        points.sort(key=lambda row: row.party != "debtor")
    return found


def people_of(points: Iterable[ListRow]) -> list[list[ListRow]]:
    """The rows of each person of a case: a debtor is one whatever the spelling, others are told by name."""
    found: dict[tuple[str, str], list[ListRow]] = {}
    for row in points:
        found.setdefault((row.party, "" if row.party == "debtor" else row.name), []).append(row)
    return list(found.values())
