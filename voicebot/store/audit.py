"""The audit chain: each link carries the hash of the one before, so that nothing can be changed unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, text

from voicebot.clock import Clock
from voicebot.store.database import Store
from voicebot.store.models import AuditRow
from voicebot.store.signatures import canonical

FIRST = "0" * 64
CHAIN_LOCK = 7702
"""PostgreSQL advisory lock: one link is forged at a time."""


class AuditChain:
    """Appends and verifies.  `data` must hold ids and hashes, nothing personal."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def append(self, kind: str, subject: str, data: Mapping[str, Any]) -> str:
        """A new link; returns its hash."""
        with self._store.begin() as connection:
            return self.append_in(connection, kind, subject, data)

    def append_in(self, connection: Connection, kind: str, subject: str, data: Mapping[str, Any]) -> str:
        """A new link within a transaction that also holds what it tells of."""
        if self._store.is_postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHAIN_LOCK})
        last = connection.execute(
            select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)
        ).first()
        seq, previous = (last.seq + 1, last.hash) if last else (1, FIRST)
        at = self._clock.now().isoformat(timespec="milliseconds")
        digest = _link(seq, at, kind, subject, data, previous)
        connection.execute(
            insert(AuditRow).values(
                seq=seq, at=at, kind=kind, subject=subject, data=dict(data), previous=previous, hash=digest
            )
        )
        return digest

    def verify(self) -> int | None:
        """The number of the first link that does not hold, or None when the whole chain does."""
        previous, expected = FIRST, 1
        with self._store.reading() as connection:
            for row in connection.execution_options(yield_per=1000).execute(
                select(AuditRow.__table__).order_by("seq")
            ):
                held = _link(row.seq, row.at, row.kind, row.subject, row.data, previous)
                if row.seq != expected or row.previous != previous or row.hash != held:
                    return expected
                previous, expected = row.hash, expected + 1
        return None


def _link(seq: int, at: str, kind: str, subject: str, data: Mapping[str, Any], previous: str) -> str:
    body = {"seq": seq, "at": at, "kind": kind, "subject": subject, "data": dict(data), "previous": previous}
    return hashlib.sha256(canonical(body)).hexdigest()


def moment_ms(at: datetime) -> int:
    """An aware instant as the tables keep it: milliseconds since the epoch."""
    return int(at.timestamp() * 1000)
