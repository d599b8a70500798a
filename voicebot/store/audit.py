"""The audit chain: each link carries the hash of the one before, so that nothing can be changed unseen.

What concerns people and registers is a link of its own, forged in its own transaction.  What thousands of
attempts do goes into the outbox first, in the attempts' transactions, and is chained in batches: one link
holds the hash of many rows, which `verify` computes again from the rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, text, update

from voicebot.clock import Clock
from voicebot.store.database import Store
from voicebot.store.models import AuditRow, OutboxRow
from voicebot.store.signatures import canonical
from voicebot.store.tally import add_in

FIRST = "0" * 64
CHAIN_LOCK = 7702
"""PostgreSQL advisory lock: one link is forged at a time."""
SEALED = "attempts_sealed"
"""Kind of a link that holds a batch of outbox rows."""
BATCH = 1000
"""Outbox rows of one link."""


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
        self._lock(connection)
        return self._forge(connection, kind, subject, data)[1]

    def _lock(self, connection: Connection) -> None:
        if self._store.is_postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHAIN_LOCK})

    def _forge(
        self, connection: Connection, kind: str, subject: str, data: Mapping[str, Any]
    ) -> tuple[int, str]:
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
        return seq, digest

    def seal(self) -> int:
        """Chains what waits in the outbox, one batch; returns how many rows it took up.

        Whoever owns the store calls it every second or so, and until it returns 0 at the end.
        """
        table = OutboxRow.__table__
        with self._store.begin() as connection:
            self._lock(connection)
            waiting = select(table).where(OutboxRow.link.is_(None)).order_by(OutboxRow.id).limit(BATCH)
            rows = connection.execute(waiting).all()
            if not rows:
                return 0
            first, last = rows[0].id, rows[-1].id
            about = {"first": first, "last": last, "rows": len(rows), "sha256": _batch(rows)}
            seq, _digest = self._forge(connection, SEALED, f"{first}-{last}", about)
            sealed = update(OutboxRow).where(OutboxRow.id.in_([row.id for row in rows]))
            connection.execute(sealed.values(link=seq))
            changes: dict[str, Counter[str]] = {}
            for row in rows:
                for campaign_id, counts in row.counts.items():
                    changes.setdefault(campaign_id, Counter()).update(counts)
            for campaign_id, counts in sorted(changes.items()):
                add_in(connection, campaign_id, counts)
        return len(rows)

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
                if row.kind == SEALED and not _holds(connection, row.seq, row.data):
                    return expected
                previous, expected = row.hash, expected + 1
        return None


def _holds(connection: Connection, seq: int, data: Mapping[str, Any]) -> bool:
    """Whether the rows of a sealed batch are still those that it was made from."""
    query = select(OutboxRow.__table__).where(OutboxRow.link == seq).order_by(OutboxRow.id)
    rows = connection.execute(query).all()
    return (len(rows), _batch(rows)) == (data["rows"], data["sha256"])


def _batch(rows: Sequence[Any]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(canonical({"id": row.id, "at": row.at_ms, "events": row.events, "counts": row.counts}))
    return digest.hexdigest()


def _link(seq: int, at: str, kind: str, subject: str, data: Mapping[str, Any], previous: str) -> str:
    body = {"seq": seq, "at": at, "kind": kind, "subject": subject, "data": dict(data), "previous": previous}
    return hashlib.sha256(canonical(body)).hexdigest()


def moment_ms(at: datetime) -> int:
    """An aware instant as the tables keep it: milliseconds since the epoch."""
    return int(at.timestamp() * 1000)
