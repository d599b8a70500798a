"""Balance sources: a case is dialled only with data whose age is known.  Missing means refused."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import structlog

from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import yuan_to_fen
from voicebot.campaign.table_file import TableFile, check_unique
from voicebot.errors import InputError

log = structlog.get_logger()

HTTP_TIMEOUT_S = 3.0
"""A claim waits no longer for the endpoint; what it does not know by then is refused."""
NEEDED_COLUMNS = ("case_id", "amount_due", "as_of")
MONEY_COLUMNS = (
    "amount_due",
    "principal",
    "interest",
    "penalty",
    "payoff_amount",
    "plan_amount",
    "plan_total",
    "plan_alt_amount",
    "plan_alt_total",
)
COUNT_COLUMNS = ("overdue_days", "plan_count", "plan_alt_count")
DATE_COLUMNS = ("plan_first_date", "plan_alt_first_date", "last_promise")
OTHER_COLUMNS = (*MONEY_COLUMNS[1:], *COUNT_COLUMNS, *DATE_COLUMNS)
SEPARATOR = "\x1f"
MOST_KEPT = 10_000
"""Balances that a file's source keeps as it read them: those of the calls under way."""
_MASK = (1 << 64) - 1
_NEVER: npt.NDArray[np.float64] = np.empty(0)


@dataclass(frozen=True)
class Balance:
    """What a case owes (fen) as of an instant; `slots` are the other values the source has, typed."""

    amount_due: int
    as_of: datetime
    slots: Mapping[str, tuple[str, str | int]]

    def age_min(self, now: datetime) -> float | None:
        """Minutes since `as_of`; None when that lies in the future, which proves nothing."""
        age = (now - self.as_of).total_seconds() / 60
        return age if age >= 0 else None


class BalanceSource(Protocol):
    local: bool
    "Answers at once, without a network: it may be asked while the store is locked."

    def fresh(self, now: datetime, max_age_min: float) -> bool:
        """Whether the source as a whole could be read when it was last looked at, and is not older than that.

        False is the source's fault and no case's: none is refused for it.
        """
        ...

    def refresh(self) -> None:
        """Reads again what changed, if that is to be done beforehand: it may take seconds."""
        ...

    def lookup(self, case_ids: Iterable[str]) -> dict[str, Balance]:
        """The balances that are known; a case that is missing in the answer is refused by the gate."""
        ...


class FileBalances:
    """A CSV or XLSX file with case_id, amount_due and as_of, read again whenever it changes.

    Rows are kept packed, some 100 bytes each, and looked at when they are asked for.
    """

    local = True

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        self._path, self._zone = path, zone
        self._stamp: tuple[int, int, int] | None = None
        self._known = PackedRows(())
        self._instants = _NEVER
        self._read: dict[str, Balance] = {}

    def fresh(self, now: datetime, max_age_min: float) -> bool:
        """Whether any of its rows is."""
        past = int(np.searchsorted(self._instants, now.timestamp(), "right"))
        return past > 0 and (now.timestamp() - self._instants[past - 1]) / 60 <= max_age_min

    def refresh(self) -> None:
        """Reads the file when it changed since; one that cannot be read knows nothing."""
        try:
            stat = self._path.stat()
            stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if stamp != self._stamp:
                self._known, instants = _packed(self._path)
                self._instants = np.sort(np.fromiter(_moments(instants, self._zone), np.float64))
                self._read, self._stamp = {}, stamp
        except (OSError, InputError) as fault:
            log.error("balances_unreadable", fault=type(fault).__name__)
            self._known, self._instants, self._read, self._stamp = PackedRows(()), _NEVER, {}, None

    def lookup(self, case_ids: Iterable[str]) -> dict[str, Balance]:
        """As the file is now."""
        self.refresh()
        found: dict[str, Balance] = {}
        for case in case_ids:
            balance = self._read.get(case) or self._balance(case)
            if balance is not None:
                found[case] = balance
        return found

    def _balance(self, case: str) -> Balance | None:
        """Read now, and kept for the permission that follows the claim."""
        balances = (balance_of(cells, self._zone) for cells in self._known.of(case))
        balance = next((one for one in balances if one is not None), None)
        if balance is not None:
            if len(self._read) >= MOST_KEPT:
                self._read.clear()
            self._read[case] = balance
        return balance


class PackedRows:
    """Rows by their first cell, in one block of memory: a million take about 130 MB and not 1 GB."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._keys, self._starts, self._block = array("Q"), array("Q"), bytearray()
        self._order: npt.NDArray[np.int64] | None = None

    def add(self, cells: Sequence[str]) -> None:
        """A row; the first cell is its key."""
        self._keys.append(hash(cells[0]) & _MASK)
        self._starts.append(len(self._block))
        self._block += f"{SEPARATOR.join(cells)}\n".encode()
        self._order = None

    def of(self, key: str) -> Iterator[dict[str, str]]:
        """The rows of a key, in the order in which they were added."""
        if not key or not self._keys:
            return
        keys = np.frombuffer(self._keys, np.uint64)
        if self._order is None:
            self._order = np.argsort(keys, kind="stable")
        wanted = np.uint64(hash(key) & _MASK)
        first = int(np.searchsorted(keys, wanted, "left", sorter=self._order))
        while first < len(keys) and keys[self._order[first]] == wanted:
            start = self._starts[int(self._order[first])]
            row = self._block[start : self._block.index(b"\n", start)].decode()
            cells = dict(zip(self._columns, row.split(SEPARATOR), strict=True))
            if cells[self._columns[0]] == key:
                yield cells
            first += 1


def _packed(path: Path) -> tuple[PackedRows, set[str]]:
    """The rows of a balance file and the instants they are of.  InputError when it cannot be read or lacks a
    column."""
    table = TableFile.open(path)
    check_unique(table.header, path)
    for name in NEEDED_COLUMNS:
        if name not in table.header:
            raise InputError(
                f"the column {name!r} is missing", f"Needed: {', '.join(NEEDED_COLUMNS)}.", path, 1
            )
    columns = [*NEEDED_COLUMNS, *(name for name in OTHER_COLUMNS if name in table.header)]
    places = [table.header.index(name) for name in columns]
    packed, width, instants = PackedRows(columns), len(table.header), set[str]()
    as_of = NEEDED_COLUMNS.index("as_of")
    for record in table.records():
        cells = [*map(str.strip, record.cells), *([""] * (width - len(record.cells)))]
        chosen = [cells[place] for place in places]
        if chosen[0] and not any(SEPARATOR in cell or "\n" in cell for cell in chosen):
            packed.add(chosen)
            instants.add(chosen[as_of])
    return packed, instants


class HttpBalances:
    """POST {"cases": [id, …]} → {"balances": [{"case_id": …, "amount_due": "520.40", "as_of": …}, …]}."""

    local = False

    def __init__(self, url: str, zone: ZoneInfo, timeout_s: float = HTTP_TIMEOUT_S) -> None:
        self._url, self._zone, self._timeout_s = url, zone, timeout_s
        self._answered: dict[str, Balance] | None = {}
        "The last answer that said anything; None when the endpoint did not answer."

    def fresh(self, now: datetime, max_age_min: float) -> bool:
        """Whether the last answer was there, and had a balance young enough if it had any."""
        if self._answered is None:
            return False
        ages = [one.age_min(now) for one in self._answered.values()]
        return not ages or any(age is not None and age <= max_age_min for age in ages)

    def refresh(self) -> None:
        """Nothing is known beforehand."""

    def lookup(self, case_ids: Iterable[str]) -> dict[str, Balance]:
        """Without ids nobody is asked."""
        wanted = sorted(set(case_ids))
        if not wanted:
            return {}
        body = json.dumps({"cases": wanted}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                rows = list(json.load(answer)["balances"])
        except (OSError, ValueError, KeyError, TypeError) as fault:
            log.error("balances_unreachable", fault=type(fault).__name__)
            self._answered = None
            return {}
        found: dict[str, Balance] = {}
        for row in rows:
            balance = balance_of(row, self._zone) if isinstance(row, dict) else None
            if balance is not None:
                found[str(row.get("case_id"))] = balance
        self._answered = found
        return found


def _moments(texts: Iterable[str], zone: ZoneInfo) -> Iterator[float]:
    """Seconds since 1970 of those that are instants."""
    for text in texts:
        try:
            yield _in_zone(datetime.fromisoformat(text), zone).timestamp()
        except ValueError:
            continue


def _in_zone(at: datetime, zone: ZoneInfo) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=zone)


def balance_of(cells: Mapping[str, Any], zone: ZoneInfo) -> Balance | None:
    """A row of a source; None when amount or time is missing or malformed."""
    try:
        money = {name: yuan_to_fen(str(cells[name])) for name in MONEY_COLUMNS if cells.get(name)}
        as_of = datetime.fromisoformat(str(cells["as_of"]))
        dates = {name: date.fromisoformat(str(cells[name])) for name in DATE_COLUMNS if cells.get(name)}
    except (KeyError, ValueError):
        return None
    if "amount_due" not in money:
        return None
    as_of = _in_zone(as_of, zone)
    slots: dict[str, tuple[str, str | int]] = {name: ("money", fen) for name, fen in money.items()}
    for name in COUNT_COLUMNS:
        if (count := str(cells.get(name) or "")).isdecimal():
            slots[name] = ("count", int(count))
    slots |= {name: ("date", day.isoformat()) for name, day in dates.items()}
    return Balance(money["amount_due"], as_of, slots)


def balance_source(campaign: Campaign) -> BalanceSource:
    """The source that a campaign names."""
    if campaign.balances.file is not None:
        return FileBalances(campaign.balances.file, campaign.zone)
    assert campaign.balances.http is not None
    return HttpBalances(campaign.balances.http, campaign.zone)
