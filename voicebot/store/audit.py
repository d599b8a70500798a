"""The audit chain: each link carries the hash of the one before, so that nothing can be changed unseen.

What concerns people and registers is a link of its own, forged in its own transaction.  What thousands of
attempts do goes into the outbox first, in the attempts' transactions, and is chained in batches: one link
holds the digests of many rows, which `audit_check` computes again from the rows.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, text

from voicebot.clock import Clock
from voicebot.store.bulk import Bulk, Update
from voicebot.store.database import Store
from voicebot.store.models import AuditRow
from voicebot.store.outbox import WAITING, row_digest
from voicebot.store.signatures import canonical
from voicebot.store.tally import add_in

FIRST = "0" * 64
CHAIN_LOCK = 7702
"""PostgreSQL advisory lock: one link is forged at a time."""
SEALED = "outbox_sealed"
"""Kind of a link that holds a batch of outbox rows: {"ids": […], "digests": one after another}."""
BATCH = 1000
"""Outbox rows of one link."""

_SEAL = Update("outbox", "link bigint", "id bigint")


class AuditChain:
    """Appends.  `data` must hold ids and hashes, nothing personal."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def append(self, kind: str, subject: str, data: Mapping[str, Any]) -> str:
        """A new link; returns its hash."""
        with self._store.begin() as connection:
            return self.append_in(connection, kind, subject, data)

    def append_in(self, connection: Connection, kind: str, subject: str, data: Mapping[str, Any]) -> str:
        """A new link within a transaction that also holds what it tells of."""
        self.lock_in(connection)
        return self._forge(connection, kind, subject, data)[1]

    def lock_in(self, connection: Connection) -> None:
        """From here to the end of the transaction nobody else forges (SQLite has one writer anyway)."""
        if self._store.is_postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHAIN_LOCK})

    def _forge(
        self, connection: Connection, kind: str, subject: str, data: Mapping[str, Any]
    ) -> tuple[int, str]:
        last, previous = last_link(connection) or (0, FIRST)
        seq = last + 1
        at = self._clock.now().isoformat(timespec="milliseconds")
        digest = link_hash(seq, at, kind, subject, data, previous)
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
        with self._store.begin() as connection:
            self.lock_in(connection)
            bulk = Bulk(connection)
            rows = bulk.rows(WAITING, BATCH)
            if not rows:
                return 0
            ids = [row[0] for row in rows]
            about = {"ids": ids, "digests": "".join(map(row_digest, rows))}
            seq, _digest = self._forge(connection, SEALED, f"{ids[0]}-{ids[-1]}", about)
            bulk.write(_SEAL, [(seq, ident) for ident in ids])
            changes: dict[str, Counter[str]] = {}
            for _id, _at, _events, counts in rows:
                for campaign_id, numbers in json.loads(counts).items():
                    changes.setdefault(campaign_id, Counter()).update(numbers)
            for campaign_id, numbers in sorted(changes.items()):
                add_in(connection, campaign_id, numbers)
        return len(rows)


def last_link(connection: Connection) -> tuple[int, str] | None:
    """Number and hash of the chain's end; None while it is empty."""
    query = select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else (row.seq, row.hash)


def link_hash(seq: int, at: str, kind: str, subject: str, data: Mapping[str, Any], previous: str) -> str:
    """What a link carries and the next one repeats."""
    body = {"seq": seq, "at": at, "kind": kind, "subject": subject, "data": dict(data), "previous": previous}
    return hashlib.sha256(canonical(body)).hexdigest()


def moment_ms(at: datetime) -> int:
    """An aware instant as the tables keep it: milliseconds since the epoch."""
    return int(at.timestamp() * 1000)
