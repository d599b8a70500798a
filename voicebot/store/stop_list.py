"""The stop list: numbers and debtors that nobody may dial.  In force at the very next permission."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert, or_, select

from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.database import Store
from voicebot.store.masking import MASK, mask_phone
from voicebot.store.models import DebtorRow, PhoneRow, StopRow

Kind = Literal["phone", "debtor"]
EVERYBODY = "*"
"""The institution of an entry that binds all institutions."""

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


@dataclass(frozen=True)
class StopEntry:
    """An entry as people see it."""

    kind: Kind
    masked: str
    institution: str
    reason: str
    made_by: str
    made_ms: int
    expires_ms: int | None
    note: str


class StopList:
    """Adds, asks and lists.  Removal takes two people and is no part of this class."""

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
        if phone is not None:
            kind: Kind = "phone"
            subject, masked = self._store.keys.blind_index(phone), mask_phone(phone)
        else:
            assert debtor is not None
            kind, institution = "debtor", debtor[0]
            subject, masked = debtor_index(self._store, *debtor), MASK
        with self._store.begin() as connection:
            self.add_in(connection, kind, subject, masked, institution, reason, made_by, note, expires)

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
        """Adds an entry within a transaction.  Waits for permissions being given for the same subject."""
        if self._store.is_postgresql:
            row = PhoneRow if kind == "phone" else DebtorRow
            connection.execute(select(row.bix).where(row.bix == subject).with_for_update())
        now = self._clock.now()
        connection.execute(
            insert(StopRow).values(
                kind=kind,
                subject=subject,
                institution=institution,
                reason=reason,
                made_by=made_by,
                note=note,
                masked=masked,
                attempt_id=attempt_id,
                made_ms=moment_ms(now),
                expires_ms=moment_ms(expires) if expires else None,
            )
        )
        about = {
            "kind": kind,
            "institution": institution,
            "reason": reason,
            "made_by": made_by,
            "attempt": attempt_id,
        }
        self._audit.append_in(connection, "stop_list_added", subject.hex(), about)

    def contains(self, phone: str, institution: str = EVERYBODY) -> str | None:
        """The reason why a number may not be dialled, or None."""
        with self._store.reading() as connection:
            return self.reason_in(connection, [self._store.keys.blind_index(phone)], institution)

    def reason_in(self, connection: Connection, subjects: Iterable[bytes], institution: str) -> str | None:
        """The reason of the first entry in force for any of the subjects, or None."""
        now = moment_ms(self._clock.now())
        query = (
            select(StopRow.reason)
            .where(StopRow.subject.in_(list(subjects)), StopRow.institution.in_([institution, EVERYBODY]))
            .where(or_(StopRow.expires_ms.is_(None), StopRow.expires_ms > now))
            .order_by(StopRow.id)
            .limit(1)
        )
        return connection.execute(query).scalar()

    def entries(self) -> list[StopEntry]:
        """All entries, oldest first, masked."""
        with self._store.reading() as connection:
            rows = connection.execute(select(StopRow.__table__).order_by(StopRow.id)).all()
        return [
            StopEntry(
                row.kind,
                row.masked,
                row.institution,
                row.reason,
                row.made_by,
                row.made_ms,
                row.expires_ms,
                row.note,
            )
            for row in rows
        ]


def check_reason(reason: str) -> None:
    """InputError when the reason code is none of the closed list."""
    if reason not in REASONS:
        raise InputError(
            f"unknown stop-list reason {reason!r}", f"Allowed: {', '.join(REASONS)}.", key="reason"
        )


def debtor_index(store: Store, institution: str, debtor_id: str) -> bytes:
    """The blind index of a debtor towards an institution."""
    return store.keys.blind_index(f"debtor\0{institution}\0{debtor_id}")
