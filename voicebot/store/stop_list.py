"""The stop list: numbers and debtors that nobody may dial.  In force at the very next permission."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, or_, select, text

from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.masking import MASK, mask_phone
from voicebot.store.models import AttemptRow, CampaignRow, DebtorRow, StopRemovalRow, StopRow
from voicebot.store.states import AttemptState, phase_of

Kind = Literal["phone", "debtor"]
EVERYBODY = "*"
"""The institution of an entry that binds all institutions."""
CHANNEL = "voicebot_stop_list"
"""PostgreSQL sends a notice here at every commit of an entry or a removal."""
LIVE_PHASE = phase_of(AttemptState.DIALLING)
CHUNK = 500
"""Subjects asked for in one statement."""

REASONS: dict[str, Kind] = {
    "CONTACT_REFUSED": "phone",
    "WRONG_PARTY": "phone",
    "DEBTOR_NO_BOT": "debtor",
    "COMPLAINT_HOLD": "debtor",
    "LAWYER": "debtor",
    "VULNERABLE": "debtor",
    "DECEASED": "debtor",
    "MINOR": "phone",
    "REGULATOR": "debtor",
}
"""The reason codes, and what a reason given in a call stops: that number, or the debtor on every number."""


_REASONS = Query(
    """SELECT subject, reason FROM stop_list
        WHERE subject IN ?bytea[] AND institution IN ?text[]
          AND removed_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?) ORDER BY id"""
)


@dataclass(frozen=True)
class StopEntry:
    """An entry as people see it.  `subject` is the blind index of the number or the debtor."""

    id: int
    kind: Kind
    subject: bytes
    masked: str
    institution: str
    reason: str
    made_by: str
    made_ms: int
    expires_ms: int | None
    removed_ms: int | None
    note: str


@dataclass(frozen=True)
class NewStop:
    """A number to be stopped (E.164)."""

    phone: str
    reason: str
    note: str = ""
    institution: str = EVERYBODY
    expires: datetime | None = None


@dataclass(frozen=True)
class StoppedCall:
    """A live attempt to somebody who is on the stop list now."""

    attempt_id: str
    worker: str | None
    state: str
    reason: str


class StopList:
    """Adds, asks and lists.  Removal takes two people: voicebot.store.stop_removals."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._audit = AuditChain(store, clock)

    def add(
        self,
        *,
        phone: str | None = None,
        debtor: tuple[str, str] | None = None,
        reason: str,
        made_by: str,
        institution: str = EVERYBODY,
        note: str = "",
        expires: datetime | None = None,
    ) -> None:
        """Stops a number (E.164) or a debtor (institution, debtor_id).  InputError for an unknown reason."""
        check_reason(reason)
        if (phone is None) == (debtor is None):
            raise ValueError("stop either a number or a debtor")
        if expires is not None and expires <= self._clock.now():
            raise InputError("the entry would have ended already", "Give a later time.", key="until")
        if phone is not None:
            kind: Kind = "phone"
            subject, masked = self._store.keys.blind_index(phone), mask_phone(phone)
        else:
            assert debtor is not None
            kind, institution = "debtor", debtor[0]
            subject, masked = debtor_index(self._store, *debtor), MASK
        with self._store.begin() as connection:
            self.add_in(connection, kind, subject, masked, institution, reason, made_by, note, expires)
            self._store.barrier(connection)

    def add_all(self, entries: Sequence[NewStop], made_by: str, source: str) -> int:
        """Stops many numbers: all of them, or none when a reason is unknown.  `source` goes into the audit.

        Returns how many are new; a number that is stopped already for this reason stays as it is.
        """
        for entry in entries:
            check_reason(entry.reason)
        added = 0
        with self._store.begin() as connection:
            for start in range(0, len(entries), CHUNK):
                added += self._add_chunk(connection, entries[start : start + CHUNK], made_by)
            about = {"made_by": made_by, "source": source, "entries": len(entries), "added": added}
            self._audit.append_in(connection, "stop_list_imported", source, about)
            self._notify(connection)
            self._store.barrier(connection)
        return added

    def _add_chunk(self, connection: Connection, chunk: Sequence[NewStop], made_by: str) -> int:
        subjects = [self._store.keys.blind_index(entry.phone) for entry in chunk]
        query = select(StopRow.subject, StopRow.institution, StopRow.reason)
        rows = connection.execute(self._in_force(query).where(StopRow.subject.in_(subjects)))
        known = {tuple(row) for row in rows}
        new = []
        for subject, entry in zip(subjects, chunk, strict=True):
            if (key := (subject, entry.institution, entry.reason)) in known:
                continue
            known.add(key)
            new.append(self._values("phone", subject, mask_phone(entry.phone), entry, made_by))
        if new:
            connection.execute(insert(StopRow), new)
        return len(new)

    def _values(
        self, kind: Kind, subject: bytes, masked: str, entry: NewStop, made_by: str
    ) -> dict[str, Any]:
        return {
            "kind": kind,
            "subject": subject,
            "institution": entry.institution,
            "reason": entry.reason,
            "made_by": made_by,
            "note": entry.note,
            "masked": masked,
            "attempt_id": None,
            "made_ms": moment_ms(self._clock.now()),
            "expires_ms": moment_ms(entry.expires) if entry.expires else None,
        }

    def add_in(
        self,
        connection: Connection,
        kind: Kind,
        subject: bytes,
        masked: str,
        institution: str,
        reason: str,
        made_by: str,
        note: str = "",
        expires: datetime | None = None,
        attempt_id: str | None = None,
    ) -> None:
        """Adds an entry within a transaction, which must end with `Store.barrier`."""
        entry = NewStop("", reason, note, institution, expires)
        values = self._values(kind, subject, masked, entry, made_by) | {"attempt_id": attempt_id}
        connection.execute(insert(StopRow).values(values))
        about = {
            "kind": kind,
            "institution": institution,
            "reason": reason,
            "made_by": made_by,
            "attempt": attempt_id,
        }
        self._audit.append_in(connection, "stop_list_added", subject.hex(), about)
        self._notify(connection)

    def _notify(self, connection: Connection) -> None:
        if self._store.is_postgresql:
            connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})

    def contains(self, phone: str, institution: str = EVERYBODY) -> str | None:
        """The reason why a number may not be dialled, or None."""
        with self._store.reading() as connection:
            return self.reason_in(connection, [self._store.keys.blind_index(phone)], institution)

    def reason_in(self, connection: Connection, subjects: Iterable[bytes], institution: str) -> str | None:
        """The reason of the first entry in force for any of the subjects, or None."""
        query = self._in_force(select(StopRow.reason)).where(
            StopRow.subject.in_(list(subjects)), StopRow.institution.in_([institution, EVERYBODY])
        )
        return connection.execute(query.order_by(StopRow.id).limit(1)).scalar()

    def reasons(
        self, bulk: Bulk, subjects: Iterable[bytes], institution: str
    ) -> Callable[[], dict[bytes, str]]:
        """The same for many subjects, without those that are free; asked for here and answered when what is
        returned is called."""
        now, wanted = moment_ms(self._clock.now()), sorted(set(subjects))
        asked = bulk.later(_REASONS, wanted, [institution, EVERYBODY], now)

        def found() -> dict[bytes, str]:
            reasons: dict[bytes, str] = {}
            for subject, reason in asked.rows():
                reasons.setdefault(bytes(subject), reason)
            return reasons

        return found

    def stopped_live(self, worker: str | None = None) -> list[StoppedCall]:
        """Live attempts whose number or debtor is on the stop list now; of one worker, or of all."""
        subject = or_(StopRow.subject == AttemptRow.bix, StopRow.subject == DebtorRow.bix)
        query = (
            self._in_force(select(AttemptRow.id, AttemptRow.worker, AttemptRow.state, StopRow.reason))
            .join(DebtorRow, DebtorRow.id == AttemptRow.debtor_id)
            .join(CampaignRow, CampaignRow.id == AttemptRow.campaign_id)
            .join(StopRow, subject)
            .where(
                AttemptRow.phase == LIVE_PHASE,
                or_(StopRow.institution == CampaignRow.institution, StopRow.institution == EVERYBODY),
            )
            .order_by(StopRow.id)
        )
        if worker is not None:
            query = query.where(AttemptRow.worker == worker)
        found: dict[str, StoppedCall] = {}
        with self._store.reading() as connection:
            for row in connection.execute(query):
                found.setdefault(row.id, StoppedCall(*row))
        return list(found.values())

    def version(self) -> tuple[int, int]:
        """Changes whenever somebody was added or removed: the newest entry, and how many were removed."""
        removals = select(func.count()).select_from(StopRemovalRow).where(StopRemovalRow.done_ms.is_not(None))
        with self._store.reading() as connection:
            newest = connection.execute(select(func.max(StopRow.id))).scalar()
            return newest or 0, connection.execute(removals).scalar_one()

    def entries(self, *, removed: bool = True) -> list[StopEntry]:
        """All entries, oldest first, masked; without those that were removed or have ended when asked so."""
        query = select(StopRow.__table__)
        return self._entries(query if removed else self._in_force(query))

    def since(self, seq: int) -> list[StopEntry]:
        """Entries with a higher id.  On PostgreSQL ids may become visible out of order: see stopped_live."""
        return self._entries(select(StopRow.__table__).where(StopRow.id > seq))

    def find(self, entry_id: int) -> StopEntry | None:
        """One entry, or None."""
        return next(iter(self._entries(select(StopRow.__table__).where(StopRow.id == entry_id))), None)

    def _entries(self, query: Any) -> list[StopEntry]:
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(StopRow.id)).all()
        return [StopEntry(*(getattr(row, name) for name in StopEntry.__annotations__)) for row in rows]

    def _in_force(self, query: Any) -> Any:
        """Narrows a query to entries that were neither removed nor have ended."""
        now = moment_ms(self._clock.now())
        return query.where(
            StopRow.removed_ms.is_(None), or_(StopRow.expires_ms.is_(None), StopRow.expires_ms > now)
        )


def check_reason(reason: str) -> None:
    """InputError when the reason code is none of the closed list."""
    if reason not in REASONS:
        raise InputError(
            f"unknown stop-list reason {reason!r}", f"Allowed: {', '.join(REASONS)}.", key="reason"
        )


def debtor_index(store: Store, institution: str, debtor_id: str) -> bytes:
    """The blind index of a debtor towards an institution."""
    return store.keys.blind_index(debtor_key(institution, debtor_id))


def debtor_key(institution: str, debtor_id: str) -> str:
    """What a debtor's blind index is of."""
    return f"debtor\0{institution}\0{debtor_id}"
