"""The outbox: what happened to attempts, written in the transactions that did it, chained batch by batch.

A row's digest is taken over its texts as the database keeps them, so that sealing and verifying parse little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from voicebot.store.bulk import Bulk, Insert, Query, json_text
from voicebot.store.signatures import canonical

_OUTBOX = Insert("outbox", "at_ms bigint, events json, counts json")
DIGEST_CHARS = 32
"""128 bits of SHA-256: nobody finds a second text to a digest that is already chained."""
BASIS_BYTES = 16
_COLUMNS = "id, at_ms, CAST(events AS text), CAST(counts AS text)"
WAITING = Query(f"SELECT {_COLUMNS} FROM outbox WHERE link IS NULL ORDER BY id LIMIT ?")
SEALED_IN = Query(f"SELECT {_COLUMNS} FROM outbox WHERE link = ? ORDER BY id")
_GROUP = "\x1f"

Event = tuple[str, str, Mapping[str, Any]]
"""Kind, attempt, data: ids, codes and digests, nothing personal."""
OutboxText = tuple[int, int, str, str]
"""Id, milliseconds, events and counts as texts."""


def post(bulk: Bulk, at_ms: int, events: Sequence[Event], counts: Mapping[str, Mapping[str, int]]) -> None:
    """One row; what else is written in the same transaction is what it tells of."""
    bulk.write(_OUTBOX, [(at_ms, json_text(events), json_text(counts))])


def row_digest(row: Sequence[Any]) -> str:
    """Of a row as WAITING and SEALED_IN read it."""
    ident, at_ms, events, counts = row
    return short_digest(f"{ident}{_GROUP}{at_ms}{_GROUP}{events}{_GROUP}{counts}")


def decision_digest(
    attempt_id: str,
    moment: str,
    allowed: bool,
    refusals: str | None,
    basis: bytes,
    facts: str,
    at_ms: int,
) -> str:
    """Of a row of `decision`; refusals and facts are the JSON texts that are kept."""
    parts = (attempt_id, moment, "1" if allowed else "0", refusals or "", basis.hex(), facts, str(at_ms))
    return short_digest(_GROUP.join(parts))


def basis_digest(gate: str, pack: str, facts: Mapping[str, Any]) -> bytes:
    """Of a row of `decision_basis`: the first 128 bits of SHA-256."""
    body = {"gate": gate, "pack": pack, "facts": facts}
    return hashlib.sha256(canonical(body)).digest()[:BASIS_BYTES]


def short_digest(text: str) -> str:
    """The first 128 bits of SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARS]
