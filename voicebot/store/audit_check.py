"""Verification: all that the audit chain holds is computed again, and the first thing that differs named.

What is found: a link that was changed, left out, put in or moved; a row of the outbox, a decision, a call's
record or recording that is not the one that was chained, or is gone; decisions and records that nobody
chained; a checkpoint that does not hold; a chain that is shorter than a checkpoint knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from voicebot.store.audit import FIRST, SEALED, link_hash
from voicebot.store.bulk import Bulk, Query
from voicebot.store.chained_evidence import ChainedEvidence, Told, Verdict
from voicebot.store.checkpoints import Checkpoint, site_keys, stored_checkpoints
from voicebot.store.database import Store
from voicebot.store.outbox import DIGEST_CHARS, SEALED_IN, row_digest
from voicebot.store.signatures import canonical

PAGE = 2000
"""Links that are read at once."""
OLD_SEALED = "attempts_sealed"
"""Kind of links of stores made before rows had digests of their own."""

_LINKS = Query(
    "SELECT seq, at, kind, subject, CAST(data AS text), previous, hash FROM audit "
    "WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
)
_TOP = Query("SELECT max(seq) FROM audit")
_FIRST_AT = Query("SELECT min(seq) FROM audit WHERE at >= ?")
_LAST_BEFORE = Query("SELECT max(seq) FROM audit WHERE at < ?")
_HASH = Query("SELECT hash FROM audit WHERE seq = ?")


@dataclass(frozen=True)
class Range:
    """Links from `first` to `last`; None: to the chain's end."""

    first: int = 1
    last: int | None = None

    @property
    def whole(self) -> bool:
        return self.first == 1 and self.last is None


WHOLE = Range()


def links_between(store: Store, begin: str | None, end: str | None) -> Range:
    """The links made from one instant (ISO) until before another."""
    with store.reading() as connection:
        bulk = Bulk(connection)
        first = 1 if begin is None else bulk.rows(_FIRST_AT, begin)[0][0] or _top(bulk) + 1
        last = None if end is None else bulk.rows(_LAST_BEFORE, end)[0][0] or 0
    return Range(first, last)


def check(
    store: Store,
    which: Range = WHOLE,
    *,
    recordings: bool = True,
    trusted: Sequence[str] = (),
    outside: Sequence[Checkpoint] = (),
    told: Callable[[int, int], None] = lambda done, wanted: None,
) -> Verdict:
    """Verifies.  `outside` are checkpoints kept elsewhere; `trusted` are public keys beside the site's own.

    `recordings`: every sealed recording is opened and its digest computed, which reads them all.
    """
    return _Check(store, which, recordings, [*site_keys(store.keys), *trusted], outside, told).run()


class _Check:
    def __init__(
        self,
        store: Store,
        which: Range,
        recordings: bool,
        keys: Sequence[str],
        outside: Sequence[Checkpoint],
        told: Callable[[int, int], None],
    ) -> None:
        self._store, self._which, self._keys, self._told = store, which, keys, told
        self._outside, self._checkpoints = outside, dict[int, list[Checkpoint]]()
        self._verdict = Verdict()
        self._evidence = ChainedEvidence(store, self._verdict, files=recordings)
        self._old_format = False

    def run(self) -> Verdict:
        self._gather_checkpoints()  # first: one that is signed meanwhile is not ahead of the chain
        with self._store.reading() as connection:
            top = _top(Bulk(connection))
        self._walk(top if self._which.last is None else min(top, self._which.last))
        if self._which.last is None:
            self._check_end(top)
        self._evidence.finish(whole=self._which.whole and not self._old_format)
        self._verdict.faults.sort(key=lambda one: one.link)
        return self._verdict

    # ---- checkpoints ----

    def _gather_checkpoints(self) -> None:
        stored = stored_checkpoints(self._store)
        for one in [*stored, *self._outside]:
            if one.seq < self._which.first or (self._which.last is not None and one.seq > self._which.last):
                continue
            if not one.holds(self._keys):
                self._verdict.fault(one.seq, f"checkpoint at link {one.seq}", "its signature does not hold")
                continue
            self._checkpoints.setdefault(one.seq, []).append(one)
        self._verdict.checkpoints = len(self._checkpoints)
        known = {one.seq for one in stored}
        for one in self._outside:
            if one.seq not in known and one.holds(self._keys):
                self._verdict.fault(one.seq, f"checkpoint at link {one.seq}", "it is missing in the store")

    def _check_end(self, top: int) -> None:
        last = max(self._checkpoints, default=0)
        if last > top:
            self._verdict.fault(top + 1, f"link {top + 1}", f"missing: a checkpoint knows {last} links")
        self._verdict.unsigned = max(0, top - last)

    # ---- links ----

    def _walk(self, last: int) -> None:
        expected, previous = self._which.first, FIRST
        if expected > 1:
            with self._store.reading() as connection:
                before = Bulk(connection).one(_HASH, expected - 1)
            if before is None:
                self._verdict.fault(expected - 1, f"link {expected - 1}", "missing")
            else:
                previous = before[0]
        wanted = max(0, last - expected + 1)
        while expected <= last:
            with self._store.reading() as connection:
                bulk = Bulk(connection)
                rows = bulk.rows(_LINKS, expected - 1, last, PAGE)
                if not rows:
                    self._verdict.fault(expected, f"link {expected}", "missing")
                    return
                sealed = []
                for row in rows:
                    expected, previous, data = self._link(row, expected, previous)
                    if row[2] in (SEALED, OLD_SEALED):
                        sealed.append((row[0], row[2], data))
                events: list[Told] = []
                for seq, kind, data in sealed:
                    events += self._batch(bulk, seq, data) if kind == SEALED else self._old(bulk, seq, data)
                self._evidence.check(bulk, events)
            self._evidence.check_files(events)
            self._told(self._verdict.links, wanted)

    def _link(self, row: Sequence[Any], expected: int, previous: str) -> tuple[int, str, Mapping[str, Any]]:
        """Checks one; returns what the next one must be and repeat, and the link's data."""
        seq, at, kind, subject, text, told, digest = row
        self._verdict.links += 1
        data: Mapping[str, Any] = from_json(text)
        name = f"link {seq} ({kind} {subject})"
        if seq != expected:
            gone = f"link {expected}" if seq == expected + 1 else f"links {expected} to {seq - 1}"
            self._verdict.fault(expected, gone, "missing")
        elif told != previous:
            self._verdict.fault(seq, name, "does not follow the link before it")
        if digest != link_hash(seq, at, kind, subject, data, told):
            self._verdict.fault(seq, name, "changed")
        for one in self._checkpoints.get(seq, ()):
            if one.hash != digest:
                self._verdict.fault(seq, name, "not the one that the site signed")
        return seq + 1, digest, data

    # ---- what links hold ----

    def _batch(self, bulk: Bulk, seq: int, data: Mapping[str, Any]) -> Iterator[Told]:
        """Checks the rows of a link; yields its events with the link's number."""
        ids, digests = data["ids"], data["digests"]
        rows = {row[0]: row for row in bulk.rows(SEALED_IN, seq)}
        self._verdict.rows += len(rows)
        for place, ident in enumerate(ids):
            row = rows.pop(ident, None)
            name = f"outbox row {ident} of link {seq}"
            if row is None:
                self._verdict.fault(seq, name, "missing")
            elif row_digest(row) != digests[place * DIGEST_CHARS : (place + 1) * DIGEST_CHARS]:
                self._verdict.fault(seq, name, "changed")
            else:
                for event in from_json(row[2]):
                    yield seq, event
        for ident in rows:
            self._verdict.fault(seq, f"outbox row {ident} of link {seq}", "put in afterwards")

    def _old(self, bulk: Bulk, seq: int, data: Mapping[str, Any]) -> Iterator[Told]:
        self._old_format = True
        digest, rows = hashlib.sha256(), bulk.rows(SEALED_IN, seq)
        for ident, at_ms, events, counts in rows:
            body = {"id": ident, "at": at_ms, "events": from_json(events), "counts": from_json(counts)}
            digest.update(canonical(body))
        self._verdict.rows += len(rows)
        if (len(rows), digest.hexdigest()) != (data["rows"], data["sha256"]):
            which = f"outbox rows {data['first']} to {data['last']} of link {seq}"
            self._verdict.fault(seq, which, "changed")
        yield from ()


def _top(bulk: Bulk) -> int:
    return int(bulk.rows(_TOP)[0][0] or 0)
