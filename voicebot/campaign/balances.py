"""Balance sources: a case is dialled only with data whose age is known.  Missing means refused."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import structlog

from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import yuan_to_fen
from voicebot.campaign.table_file import read_table
from voicebot.errors import InputError

log = structlog.get_logger()

HTTP_TIMEOUT_S = 3.0
"""A claim waits no longer for the endpoint; what it does not know by then is refused."""
MONEY_COLUMNS = ("amount_due", "principal", "interest", "penalty")


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

    def lookup(self, case_ids: Iterable[str]) -> dict[str, Balance]:
        """The balances that are known; a case that is missing in the answer is refused by the gate."""
        ...


class FileBalances:
    """A CSV file with case_id, amount_due and as_of, read again whenever it changes."""

    local = True

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        self._path, self._zone = path, zone
        self._stamp: tuple[int, int, int] | None = None
        self._known: dict[str, Balance] = {}

    def lookup(self, case_ids: Iterable[str]) -> dict[str, Balance]:
        try:
            stat = self._path.stat()
            stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if stamp != self._stamp:
                self._known = self._read()
                self._stamp = stamp
        except (OSError, InputError) as fault:
            log.error("balances_unreadable", fault=type(fault).__name__)
            self._known, self._stamp = {}, None
        return {case: self._known[case] for case in case_ids if case in self._known}

    def _read(self) -> dict[str, Balance]:
        found: dict[str, Balance] = {}
        for _line, cells in read_table(self._path, ("case_id", "amount_due", "as_of")):
            case = cells.get("case_id", "")
            balance = balance_of(cells, self._zone)
            if case and balance and case not in found:
                found[case] = balance
        return found


class HttpBalances:
    """POST {"cases": [id, …]} → {"balances": [{"case_id": …, "amount_due": "520.40", "as_of": …}, …]}."""

    local = False

    def __init__(self, url: str, zone: ZoneInfo, timeout_s: float = HTTP_TIMEOUT_S) -> None:
        self._url, self._zone, self._timeout_s = url, zone, timeout_s

    def lookup(self, case_ids: Iterable[str]) -> dict[str, Balance]:
        body = json.dumps({"cases": sorted(set(case_ids))}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                rows = json.load(answer)["balances"]
        except (OSError, ValueError, KeyError, TypeError) as fault:
            log.error("balances_unreachable", fault=type(fault).__name__)
            return {}
        found: dict[str, Balance] = {}
        for row in rows if isinstance(rows, list) else []:
            balance = balance_of(row, self._zone) if isinstance(row, dict) else None
            if balance is not None:
                found[str(row.get("case_id"))] = balance
        return found


def balance_of(cells: Mapping[str, Any], zone: ZoneInfo) -> Balance | None:
    """A row of a source; None when amount or time is missing or malformed."""
    try:
        money = {name: yuan_to_fen(str(cells[name])) for name in MONEY_COLUMNS if cells.get(name)}
        as_of = datetime.fromisoformat(str(cells["as_of"]))
    except (KeyError, ValueError):
        return None
    if "amount_due" not in money:
        return None
    as_of = as_of if as_of.tzinfo else as_of.replace(tzinfo=zone)
    slots: dict[str, tuple[str, str | int]] = {name: ("money", fen) for name, fen in money.items()}
    if str(cells.get("overdue_days") or "").isdigit():
        slots["overdue_days"] = ("count", int(cells["overdue_days"]))
    return Balance(money["amount_due"], as_of, slots)


def balance_source(campaign: Campaign) -> BalanceSource:
    """The source that a campaign names."""
    if campaign.balances.file is not None:
        return FileBalances(campaign.balances.file, campaign.zone)
    assert campaign.balances.http is not None
    return HttpBalances(campaign.balances.http, campaign.zone)
