"""约定: what a debtor agreed to beforehand, other hours or more calls a day, with the evidence for it.

An agreement that is not yet in force, has ended or was revoked is no fact.  Hours of the day are local to the
zone that the agreement names, never to the machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, insert, select, update

from voicebot.clock import Clock, WallClock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.models import AgreementRow
from voicebot.store.stop_list import debtor_index

Kind = Literal["window", "extra_call"]
SOURCES = ("contract", "recorded_call", "app")
DAYS_AHEAD = 3
"""Of daily hours, those of so many days are looked at when the next opening is wanted."""
_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)")

_IN_FORCE = Query(
    """SELECT id FROM agreement
        WHERE debtor_bix IN ?bytea[] AND revoked_ms IS NULL AND from_ms <= ? AND to_ms > ?"""
)
_WINDOWS = """SELECT debtor_bix, from_ms, to_ms, hours, timezone FROM agreement
    WHERE kind = 'window' AND revoked_ms IS NULL AND to_ms > ?"""
_ALL_WINDOWS, _WINDOWS_OF = Query(_WINDOWS), Query(f"{_WINDOWS} AND debtor_bix IN ?bytea[]")


class _Window(NamedTuple):
    """Agreed hours as the store has them."""

    debtor_bix: bytes
    from_ms: int
    to_ms: int
    hours: str | None
    timezone: str | None


@dataclass(frozen=True)
class Agreement:
    """As people see it: the debtor by the last characters of the id."""

    id: int
    institution: str
    debtor_masked: str
    kind: Kind
    start: datetime
    end: datetime
    hours: str | None
    calls_per_day: int | None
    source: str
    evidence_id: str
    made_by: str
    revoked_by: str | None


class Agreements:
    """The register of agreements."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or WallClock(ZoneInfo("UTC"))
        self._audit = AuditChain(store, self._clock)

    def add(
        self,
        institution: str,
        debtor_id: str,
        kind: Kind,
        start: datetime,
        end: datetime,
        *,
        evidence_id: str,
        made_by: str,
        hours: str | None = None,
        calls_per_day: int | None = None,
        source: str = "recorded_call",
    ) -> int:
        """Keeps an agreement that holds from `start` until `end` (aware), and returns its number.

        `hours` "22:00-23:30" (of a window): only then, on the clock of `start`'s zone; an end before the
        begin is past midnight.  `calls_per_day` (of an extra_call): how many connected calls were agreed to.
        InputError without evidence or for what contradicts itself.
        """
        if not evidence_id.strip():
            raise InputError(
                "an agreement needs evidence", "Name the recording or document.", key="evidence_id"
            )
        if end <= start:
            raise InputError("the agreement ends before it begins", key="end")
        _check_kind(kind, hours, calls_per_day, source)
        zone = start.tzinfo
        if hours is not None and not isinstance(zone, ZoneInfo):
            raise InputError("agreed hours need a named time zone", "Like Asia/Shanghai.", key="hours")
        bix = debtor_index(self._store, institution, debtor_id)
        values = {
            "institution": institution,
            "debtor_bix": bix,
            "debtor_ct": self._store.keys.encrypt(debtor_id, _binding(bix)),
            "kind": kind,
            "from_ms": moment_ms(start),
            "to_ms": moment_ms(end),
            "hours": hours,
            "timezone": str(zone) if hours is not None else None,
            "calls_per_day": calls_per_day,
            "source": source,
            "evidence_id": evidence_id.strip(),
            "made_by": made_by,
            "made_ms": moment_ms(self._clock.now()),
        }
        with self._store.begin() as connection:
            made = insert(AgreementRow).values(values).returning(AgreementRow.id)
            number = int(connection.execute(made).scalar_one())
            told = (
                "institution",
                "kind",
                "from_ms",
                "to_ms",
                "hours",
                "calls_per_day",
                "source",
                "evidence_id",
            )
            about = {"agreement": number, "made_by": made_by, **{name: values[name] for name in told}}
            self._audit.append_in(connection, "agreement_added", bix.hex(), about)
        return number

    def revoke(self, number: int, made_by: str) -> None:
        """Ends it now.  InputError when there is none of that number, or it was revoked already."""
        with self._store.begin() as connection:
            query = select(AgreementRow.debtor_bix, AgreementRow.revoked_ms).where(AgreementRow.id == number)
            row = connection.execute(query).first()
            if row is None:
                raise InputError(f"there is no agreement {number}", "Look it up with `agreement list`.")
            if row.revoked_ms is not None:
                raise InputError(f"agreement {number} was revoked already")
            values = {"revoked_ms": moment_ms(self._clock.now()), "revoked_by": made_by}
            connection.execute(update(AgreementRow).where(AgreementRow.id == number).values(values))
            about = {"agreement": number, "made_by": made_by}
            self._audit.append_in(connection, "agreement_revoked", row.debtor_bix.hex(), about)
            self._store.barrier(connection)

    def all(self, zone: ZoneInfo) -> list[Agreement]:
        """Every agreement, oldest first, with times in `zone`."""
        with self._store.reading() as connection:
            rows = connection.execute(select(AgreementRow.__table__).order_by(AgreementRow.id)).all()
        return [self._agreement(row, zone) for row in rows]

    def numbers_of(self, institution: str, debtor_id: str) -> set[int]:
        """The numbers of one debtor's agreements."""
        bix = debtor_index(self._store, institution, debtor_id)
        query = select(AgreementRow.id).where(AgreementRow.debtor_bix == bix)
        with self._store.reading() as connection:
            return set(connection.execute(query).scalars())

    def facts_in(self, connection: Connection, debtor_bix: bytes, at: datetime) -> dict[str, Any]:
        """agreed_windows, agreed_extra_call_evidence and agreed_calls_a_day, as far as they cover `at`."""
        return self.facts(Bulk(connection), [debtor_bix], at)().get(debtor_bix, {})

    def facts(
        self, bulk: Bulk, debtors: Iterable[bytes], at: datetime
    ) -> Callable[[], dict[bytes, dict[str, Any]]]:
        """The same for many debtors, without those who have none; asked for here and answered when what is
        returned is called."""
        now = moment_ms(at)
        asked = bulk.later(_IN_FORCE, sorted(set(debtors)), now, now)
        return lambda: self._facts(bulk.connection, [row[0] for row in asked.rows()], at)

    def _facts(self, connection: Connection, ids: Sequence[int], at: datetime) -> dict[bytes, dict[str, Any]]:
        found: dict[bytes, dict[str, Any]] = {}
        if not ids:  # as with nearly everybody
            return found
        query = select(AgreementRow.__table__).where(AgreementRow.id.in_(ids))
        for row in connection.execute(query.order_by(AgreementRow.id)):
            facts = found.setdefault(row.debtor_bix, {})
            if row.kind == "window":
                windows = facts.setdefault("agreed_windows", [])
                windows.extend(_window(row, *span) for span in _spans(row, at))
            elif facts.get("agreed_calls_a_day", 0) <= (row.calls_per_day or 0):
                facts["agreed_extra_call_evidence"] = row.evidence_id
                facts["agreed_calls_a_day"] = row.calls_per_day or 0
        return found

    def stretches(
        self, connection: Connection, debtors: Iterable[bytes] | None, after: datetime
    ) -> dict[bytes, list[tuple[datetime, datetime]]]:
        """By debtor, the agreed hours that end after `after`, in order: those around it, and of daily ones
        the next days'.  Debtors without any are left out; `debtors` None: everybody's."""
        bulk, ends_after = Bulk(connection), moment_ms(after)
        if debtors is None:
            rows = bulk.rows(_ALL_WINDOWS, ends_after)
        else:
            rows = bulk.rows(_WINDOWS_OF, ends_after, sorted(set(debtors)))
        found: dict[bytes, set[tuple[datetime, datetime]]] = {}
        for row in map(_Window._make, rows):
            first = max(after, _instant(row.from_ms, after))
            for ahead in range(DAYS_AHEAD):
                for begin, finish in _spans(row, first + timedelta(days=ahead)):
                    if finish > first:
                        found.setdefault(bytes(row.debtor_bix), set()).add((begin, finish))
        return {debtor: sorted(spans) for debtor, spans in found.items()}

    def _agreement(self, row: Row[Any], zone: ZoneInfo) -> Agreement:
        sealed = row.debtor_ct
        debtor = self._store.keys.decrypt(sealed, _binding(row.debtor_bix)) if sealed is not None else ""
        start, end = (datetime.fromtimestamp(ms / 1000, zone) for ms in (row.from_ms, row.to_ms))
        return Agreement(
            row.id,
            row.institution,
            f"****{debtor[-3:]}" if len(debtor) > 3 else "****",
            row.kind,
            start,
            end,
            f"{row.hours} {row.timezone}" if row.hours else None,
            row.calls_per_day,
            row.source,
            row.evidence_id,
            row.made_by,
            row.revoked_by or ("?" if row.revoked_ms is not None else None),
        )


def without_used_up(facts: dict[str, Any], counter: str = "connected_debtor_day") -> None:
    """Takes the agreement to more calls out of the facts once that many calls of today are used.

    An agreement to five calls a day allows the fourth and the fifth, not the sixth.
    """
    agreed = facts.get("agreed_calls_a_day", 0)
    if facts.get("counters", {}).get(counter, agreed) >= agreed:
        facts.pop("agreed_extra_call_evidence", None)


def _check_kind(kind: Kind, hours: str | None, calls_per_day: int | None, source: str) -> None:
    if source not in SOURCES:
        raise InputError(f"unknown source {source!r}", f"Allowed: {', '.join(SOURCES)}.", key="source")
    if hours is not None and (
        kind != "window" or not _HOURS.fullmatch(hours) or len(set(hours.split("-"))) < 2
    ):
        raise InputError(f"{hours!r} are no agreed hours", "Write them like 22:00-23:30.", key="hours")
    numbered = calls_per_day is not None and calls_per_day > 0
    if numbered != (kind == "extra_call") or (calls_per_day is not None and not numbered):
        what = "an agreement to more calls says how many a day, one to hours says none"
        raise InputError(what, "Give 4 for the three of the standard and one more.", key="calls_per_day")


def _spans(row: Row[Any] | _Window, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The stretches of an agreed window around the date of `at`, cut to its validity."""
    valid = _instant(row.from_ms, at), _instant(row.to_ms, at)
    if row.hours is None:
        yield valid
        return
    assert row.timezone is not None, "hours are those of a zone"
    zone = ZoneInfo(row.timezone)
    first, last = row.hours.split("-")
    day = at.astimezone(zone).date()
    for one in (day - timedelta(days=1), day):
        begin, finish = _on(one, first, zone), _on(one, last, zone)
        if finish <= begin:
            finish = _on(one + timedelta(days=1), last, zone)
        begin, finish = max(begin, valid[0]), min(finish, valid[1])
        if begin < finish:
            yield begin, finish


def _on(day: date, clock: str, zone: ZoneInfo) -> datetime:
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)


def _window(row: Row[Any], begin: datetime, finish: datetime) -> dict[str, str]:
    return {"from": begin.isoformat(), "to": finish.isoformat(), "evidence_id": row.evidence_id}


def _instant(ms: int, like: datetime) -> datetime:
    return datetime.fromtimestamp(ms / 1000, like.tzinfo)


def _binding(bix: bytes) -> str:
    """What a debtor id's ciphertext is bound to."""
    return f"agreement.debtor:{bix.hex()}"
