"""All lists of a campaign, read twice: once to judge every row, once to hand out the cases that are good.

Between the two a row is 40 bytes, so a million rows fit anywhere.  What one row cannot know is judged on
hashes of its keys: a number twice, a case with two debtors, in two lists, or without its debtor's own row.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import BadCell, ListRow, RowReader
from voicebot.campaign.list_columns import Header
from voicebot.campaign.rejections import CountedReason, RejectedRow, write_rejected
from voicebot.campaign.table_file import TableFile
from voicebot.errors import InputError

GOOD = 0
REFUSED = 0xFFFF_FFFF
"""Instead of a last row: this row is not loaded."""
MASK = (1 << 64) - 1
SAME_NUMBER = ("phone", "the same number of the same person again")
OTHER_DEBTOR = ("debtor_id", "another debtor than in the case's first row")
OTHER_LIST = ("case_id", "the case is in another list already")
NO_DEBTOR = ("party", "the case has no good row of its debtor")
NAMED_ROWS = 20
"""Bad rows that one line names; `voicebot check` shows more, NAME.rejected.csv all."""

Told = Callable[[int, int], None]
"""Hears how many bytes of all lists were read, and how many there are."""
Flags = npt.NDArray[np.bool_]


class _Judged:
    """What is known of each row, in the order of the lists."""

    def __init__(self) -> None:
        self.lists, self.lines, self.rows = array("H"), array("I"), array("I")
        self.cases, self.debtors, self.points = array("Q"), array("Q"), array("Q")
        self.by_debtor, self.codes = array("B"), array("H")

    def good(self, number: int, line: int, row: int, found: ListRow) -> None:
        self._add(number, line, row, GOOD)
        case = hash(found.case_id)
        self.cases.append(case & MASK)
        self.debtors.append(hash(found.debtor_id) & MASK)
        self.points.append(hash((case, found.party, found.phone)) & MASK)
        self.by_debtor.append(found.party == "debtor")

    def bad(self, number: int, line: int, row: int, code: int) -> None:
        self._add(number, line, row, code)
        for keys in (self.cases, self.debtors, self.points):
            keys.append(0)
        self.by_debtor.append(0)

    def _add(self, number: int, line: int, row: int, code: int) -> None:
        self.lists.append(number)
        self.lines.append(line)
        self.rows.append(row)
        self.codes.append(code)


@dataclass(frozen=True)
class ReadingOrder:
    """How to read the lists again.  `last[n]` is the last row of row n's case, or REFUSED.

    Pickled to the process that seals the rows.
    """

    tables: tuple[TableFile, ...]
    institution: str
    last: array[int]

    def groups(self, skip: int = 0) -> Iterator[list[ListRow]]:
        """The good rows of each case, the debtor's first, in the order of the cases' last rows.

        `skip`: so many cases are passed over.  InputError when a list was changed since it was judged.
        """
        last, waiting, number = self.last, dict[str, list[ListRow]](), -1
        ends = (n for n, end in enumerate(last) if n == end)
        passed = next(islice(ends, skip - 1, None), len(last)) if skip else -1
        for table in self.tables:
            if TableFile.open(table.path).digest != table.digest:
                raise _changed(table)
            reader = RowReader(Header.of(table.header, table.path), self.institution)
            for record in table.records():
                number += 1
                end = last[number]
                if end == REFUSED or end <= passed:
                    continue
                try:
                    row = reader.row(record.line, record.cells)
                except BadCell:
                    raise _changed(table) from None
                if end != number:
                    waiting.setdefault(row.case_id, []).append(row)
                elif waiting and row.case_id in waiting:
                    yield _debtor_first([*waiting.pop(row.case_id), row])
                else:
                    yield [row]


def _debtor_first(points: list[ListRow]) -> list[ListRow]:
    points.sort(key=lambda row: row.party != "debtor")
    return points


def _changed(table: TableFile) -> InputError:
    return InputError("the list was changed while it was read", "Begin again.", table.path)


class CampaignLists:
    """Every row judged.  `rows` and `cases` count the good ones."""

    def __init__(
        self, tables: Sequence[TableFile], institution: str, judged: _Judged, reasons: list[tuple[str, str]]
    ) -> None:
        self._tables, self._judged, self._reasons = tuple(tables), judged, reasons
        self._codes = _across_rows(judged, reasons)
        good = self._codes == GOOD
        self.rows = int(np.count_nonzero(good))
        last = _last_rows(np.frombuffer(judged.cases, np.uint64), good)
        self.cases = int(np.count_nonzero(last == np.arange(len(last), dtype=np.uint32)))
        self.order = ReadingOrder(self._tables, institution, array("I", last.tobytes()))
        names = [institution, *(table.digest for table in tables)]
        self.fingerprint = hashlib.sha256(json.dumps(names).encode()).hexdigest()

    @classmethod
    def judge(
        cls, paths: Sequence[Path], institution: str = "", told: Told = lambda read, size: None
    ) -> CampaignLists:
        """Reads every row.  InputError for a list that cannot be read at all; bad rows are counted."""
        tables = [TableFile.open(path) for path in paths]
        headers = [Header.of(table.header, table.path) for table in tables]
        judged, reasons = _Judged(), [("", ""), SAME_NUMBER, OTHER_DEBTOR, OTHER_LIST, NO_DEBTOR]
        codes = {reason: code for code, reason in enumerate(reasons)}
        before, size = 0, sum(table.size for table in tables)
        for number, (table, header) in enumerate(zip(tables, headers, strict=True)):
            reader = RowReader(header, institution)
            start = before
            for record in table.records(lambda read, start=start: told(start + read, size)):  # type: ignore[misc]
                try:
                    if record.fault:
                        raise BadCell("row", record.fault)
                    found = reader.row(record.line, record.cells)
                except BadCell as fault:
                    why = (fault.column, fault.reason)
                    code = codes.setdefault(why, len(codes))
                    if code == len(reasons):
                        reasons.append(why)
                    judged.bad(number, record.line, record.row, code)
                else:
                    judged.good(number, record.line, record.row, found)
            if not judged.lists or judged.lists[-1] != number:
                do = "Add rows, or take the list out of the campaign."
                raise InputError("there is no row below the header", do, table.path, 1)
            before += table.size
        return cls(tables, institution, judged, reasons)

    def groups(self, skip: int = 0) -> Iterator[list[ListRow]]:
        """The good rows, by case."""
        return self.order.groups(skip)

    def find(self, case_id: str, phone: str = "") -> list[list[ListRow]]:
        """The cases with this id, or with this number (E.164) among their rows."""
        return [
            points
            for points in self.groups()
            if points[0].case_id == case_id or (phone and any(row.phone == phone for row in points))
        ]

    # ---- what is not loaded ----

    @property
    def rejected(self) -> int:
        """How many rows are not loaded."""
        return len(self._codes) - self.rows

    def reasons(self) -> list[CountedReason]:
        """Why, the most frequent first."""
        counts = Counter(self._codes[self._codes != GOOD].tolist())
        return [CountedReason(*self._reasons[code], count) for code, count in counts.most_common()]

    def rejected_rows(self, number: int | None = None) -> Iterator[RejectedRow]:
        """Each of them, in the lists' order; `number`: of one list only."""
        judged = self._judged
        for at in np.flatnonzero(self._codes != GOOD).tolist():
            listed = judged.lists[at]
            if number is None or listed == number:
                table = self._tables[listed]
                column, reason = self._reasons[self._codes[at]]
                place = Header.of(table.header, table.path).places.get(column)
                cell = table.cell_name(judged.rows[at], place) if place is not None else ""
                yield RejectedRow(table.path, judged.lines[at], column, reason, cell)

    def first_rejected(self, count: int = NAMED_ROWS) -> list[RejectedRow]:
        """The first of them."""
        return list(islice(self.rejected_rows(), count))

    def write_rejected(self, folder: Path) -> list[Path]:
        """Writes NAME.rejected.csv for each list with bad rows; one of a list that is clean now goes."""
        stems = [table.path.stem for table in self._tables]
        written: list[Path] = []
        for number, (table, stem) in enumerate(zip(self._tables, stems, strict=True)):
            name = stem if stems.count(stem) == 1 else f"{stem}-{number + 1}"
            path = folder / f"{name}.rejected.csv"
            if next(self.rejected_rows(number), None) is None:
                path.unlink(missing_ok=True)
            else:
                write_rejected(table, self.rejected_rows(number), path)
                written.append(path)
        return written

    def require_clean(self) -> None:
        """`--strict`: InputError names the bad rows when there are any."""
        if not self.rejected:
            return
        named = "; ".join(map(str, self.first_rejected()))
        more = f"; and {self.rejected - NAMED_ROWS} more" if self.rejected > NAMED_ROWS else ""
        what = f"{self.rejected} bad rows: {named}{more}" if self.rejected > 1 else f"a bad row: {named}"
        raise InputError(what, "Mend or remove what is named; `voicebot check` shows the same.", key="lists")


def _across_rows(judged: _Judged, reasons: list[tuple[str, str]]) -> npt.NDArray[np.uint16]:
    """The codes of all rows, after the look at what one row alone cannot know."""
    codes = np.frombuffer(judged.codes, np.uint16).copy() if judged.codes else np.zeros(0, np.uint16)
    if not len(codes):
        return codes
    cases, lists = np.frombuffer(judged.cases, np.uint64), np.frombuffer(judged.lists, np.uint16)

    def refuse(rows: Any, why: tuple[str, str]) -> None:
        codes[rows] = reasons.index(why)

    good = np.flatnonzero(codes == GOOD)
    refuse(good[_differs_from_first(cases[good], lists[good])], OTHER_LIST)
    good = np.flatnonzero(codes == GOOD)
    points = np.frombuffer(judged.points, np.uint64)[good]
    again = np.ones(len(good), np.bool_)
    again[np.unique(points, return_index=True)[1]] = False
    refuse(good[again], SAME_NUMBER)
    good = np.flatnonzero(codes == GOOD)
    refuse(
        good[_differs_from_first(cases[good], np.frombuffer(judged.debtors, np.uint64)[good])], OTHER_DEBTOR
    )
    good = np.flatnonzero(codes == GOOD)
    own = good[np.frombuffer(judged.by_debtor, np.uint8)[good] == 1]
    refuse(good[~np.isin(cases[good], cases[own])], NO_DEBTOR)
    return codes


def _differs_from_first(keys: npt.NDArray[Any], values: npt.NDArray[Any]) -> Flags:
    """Where a value is another one than in the key's first row."""
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return np.asarray(values != values[first[which]], np.bool_)


def _last_rows(cases: npt.NDArray[np.uint64], good: Flags) -> npt.NDArray[np.uint32]:
    """For each good row the place of its case's last good row."""
    last = np.full(len(good), REFUSED, np.uint32)
    places = np.flatnonzero(good)
    if len(places):
        keys, which = np.unique(cases[places], return_inverse=True)
        ends = np.zeros(len(keys), np.uint32)
        ends[which] = places  # of several assignments to one place the last holds
        last[places] = ends[which]
    return last


def scan_lists(campaign: Campaign, told: Told = lambda read, size: None) -> CampaignLists:
    """Judges every row of a campaign's lists; see CampaignLists.judge."""
    return CampaignLists.judge(campaign.lists, campaign.institution, told)
