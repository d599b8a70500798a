"""What the chain's events tell of: decisions, call records and recordings, compared with what is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from voicebot.store.bindings import recording_binding
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.encryption import Unreadable
from voicebot.store.outbox import basis_digest, decision_digest
from voicebot.store.records import KEPT, SALVAGED, record_binding, record_digest
from voicebot.store.sealed_file import content_digest

PAGE = 2000
MOST_FAULTS = 100
DELETED = "call_deleted"
"""Kind of the link of a record and recording that were deleted when their time had come."""
DECIDED = "decided"

Told = tuple[int, list[Any]]
"""Number of the link, and [kind, attempt, data]."""

_DECISIONS = Query(
    "SELECT attempt_id, moment, allowed, CAST(refusals AS text), basis, CAST(facts AS text), at_ms "
    "FROM decision WHERE attempt_id IN ?text[]"
)
_BASES = Query("SELECT digest, gate, pack, CAST(facts AS text) FROM decision_basis")
_RECORDS = Query("SELECT attempt_id, record_ct FROM call_record WHERE attempt_id IN ?text[]")
_RECORDINGS = Query("SELECT attempt_id, file, sha256, state FROM recording WHERE attempt_id IN ?text[]")
_DELETED = Query(f"SELECT DISTINCT subject FROM audit WHERE kind = '{DELETED}' AND subject IN ?text[]")
_COUNTS = Query("SELECT (SELECT count(*) FROM decision), (SELECT count(*) FROM call_record)")
_WAITING = Query("SELECT CAST(events AS text) FROM outbox WHERE link IS NULL")
_EVERY_EVENT = Query("SELECT id, CAST(events AS text) FROM outbox WHERE id > ? ORDER BY id LIMIT 2000")
_EVERY_DECISION = Query(
    "SELECT attempt_id, moment FROM decision WHERE attempt_id > ? OR (attempt_id = ? AND moment > ?) "
    "ORDER BY attempt_id, moment LIMIT 5000"
)
_EVERY_RECORD = Query(
    "SELECT attempt_id, '' FROM call_record WHERE attempt_id > ? AND attempt_id >= ? AND ? = '' "
    "ORDER BY attempt_id LIMIT 5000"
)


@dataclass(frozen=True)
class Fault:
    """`link` is where the chain tells of it: the lowest is the first bad record."""

    link: int
    record: str
    why: str

    def __str__(self) -> str:
        return f"{self.record}: {self.why}"


@dataclass
class Verdict:
    """What was looked at, and what is wrong with it, the first bad record first."""

    links: int = 0
    rows: int = 0
    decisions: int = 0
    records: int = 0
    recordings: int = 0
    checkpoints: int = 0
    unsigned: int = 0
    "Links behind the last checkpoint."
    faults: list[Fault] = field(default_factory=list)

    @property
    def first(self) -> Fault | None:
        return self.faults[0] if self.faults else None

    def fault(self, link: int, record: str, why: str) -> None:
        """Notes one; of very many only the first."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(link, record, why))


class ChainedEvidence:
    """Told the events of one page of links after another; `finish` says what nothing later explained."""

    def __init__(self, store: Store, verdict: Verdict, *, files: bool) -> None:
        """`files`: recordings are opened and their digests computed."""
        self._store, self._verdict, self._files = store, verdict, files
        self._pending: dict[tuple[str, str], Fault] = {}
        "Records and recordings that differ from what was chained, unless a later link explains it."
        self._decided = self._kept = 0
        with store.reading() as connection:
            bulk = Bulk(connection)
            self._counted = bulk.rows(_COUNTS)[0]
            self._bases = set(_whole_bases(bulk))

    def check(self, bulk: Bulk, events: Sequence[Told]) -> None:
        """Decisions and records of these events."""
        decided = [one for one in events if one[1][0] == DECIDED]
        for start in range(0, len(decided), PAGE):
            self._check_decisions(bulk, decided[start : start + PAGE])
        kept = [one for one in events if one[1][0] == KEPT]
        for start in range(0, len(kept), PAGE):
            self._check_records(bulk, kept[start : start + PAGE])

    def _check_decisions(self, bulk: Bulk, decided: Sequence[Told]) -> None:
        rows = bulk.rows(_DECISIONS, sorted({event[1] for _seq, event in decided}))
        found = {(row[0], row[1]): row for row in rows}
        for seq, (_kind, attempt_id, moments) in decided:
            for moment, digest in moments.items():
                self._decided += 1
                self._verdict.decisions += 1
                row = found.get((attempt_id, moment))
                name = f"decision at the {moment} of attempt {attempt_id}"
                if row is None:
                    self._verdict.fault(seq, name, "missing")
                elif _digest(row) != digest:
                    self._verdict.fault(seq, name, "changed")
                elif bytes(row[4]) not in self._bases:
                    self._verdict.fault(seq, name, "the facts that it shares with others were changed")

    def _check_records(self, bulk: Bulk, kept: Sequence[Told]) -> None:
        found: dict[str, bytes] = dict(bulk.rows(_RECORDS, sorted({event[1] for _seq, event in kept})))
        for seq, (_kind, attempt_id, about) in kept:
            self._kept += 0 if about.get("again") else 1
            self._verdict.records += 1
            place, name = ("record", attempt_id), f"transcript of attempt {attempt_id}"
            self._pending.pop(place, None)
            sealed = found.get(attempt_id)
            if sealed is None:
                self._pending[place] = Fault(seq, name, "missing")
                continue
            try:
                text = self._store.keys.decrypt(bytes(sealed), record_binding(attempt_id))
            except Unreadable:
                self._pending[place] = Fault(seq, name, "changed")
                continue
            if record_digest(text) != about["record"]:
                self._pending[place] = Fault(seq, name, "changed")

    def check_files(self, events: Sequence[Told]) -> None:
        """Recordings: the row, and the file behind it.  Outside of a transaction: files may be many."""
        told = {
            attempt_id: (seq, about["sha256"] if kind == SALVAGED else about["recording"]["sha256"])
            for seq, (kind, attempt_id, about) in events
            if kind == SALVAGED or (kind == KEPT and about["recording"])
        }
        if not told:
            return
        with self._store.reading() as connection:
            rows = Bulk(connection).rows(_RECORDINGS, sorted(told))
        found = {row[0]: row[1:] for row in rows}
        for attempt_id, (seq, sha256) in told.items():
            place = ("recording", attempt_id)
            self._pending.pop(place, None)
            if why := self._recording(attempt_id, found.get(attempt_id), sha256):
                self._pending[place] = Fault(seq, f"recording of attempt {attempt_id}", why)

    def _recording(self, attempt_id: str, row: Sequence[Any] | None, sha256: str) -> str:
        """What is wrong with it; empty when nothing is."""
        self._verdict.recordings += 1
        if row is None:
            return "missing in the store"
        file, kept, state = row
        if kept != sha256:
            return "another digest in the store than was chained"
        if state == "deleted":
            return "deleted, and no link says so"
        if not self._files:
            return ""
        try:
            if state == "unsealed":
                with Path(file).open("rb") as samples:
                    found = hashlib.file_digest(samples, "sha256").hexdigest()
            else:
                found = content_digest(Path(file), self._store.keys, recording_binding(attempt_id))
        except FileNotFoundError:
            return f"the file {file} is missing"
        except OSError as fault:
            return f"the file {file} cannot be read: {fault.strerror}"
        except Unreadable as fault:
            return f"changed: {fault}"
        return "" if found == sha256 else "changed"

    # ---- the end ----

    def finish(self, *, whole: bool) -> None:
        """What is left over; `whole`: every link was seen, so that what nobody chained shows too."""
        self._explain_deleted()
        for one in self._pending.values():
            self._verdict.fault(one.link, one.record, one.why)
        if whole:
            self._check_counts()

    def _explain_deleted(self) -> None:
        if not self._pending:
            return
        with self._store.reading() as connection:
            rows = Bulk(connection).rows(_DELETED, sorted({one for _what, one in self._pending}))
        for (attempt_id,) in rows:
            self._kept -= ("record", attempt_id) in self._pending
            self._pending.pop(("record", attempt_id), None)
            self._pending.pop(("recording", attempt_id), None)

    def _check_counts(self) -> None:
        """More decisions or records than were chained: somebody put them in."""
        with self._store.reading() as connection:
            for (text,) in Bulk(connection).rows(_WAITING):
                for kind, _attempt, about in from_json(text):
                    self._decided += len(about) if kind == DECIDED else 0
                    self._kept += kind == KEPT and not about.get("again")
        decisions, kept = self._counted
        if decisions > self._decided or kept > self._kept:
            self._name_what_was_put_in()

    def _name_what_was_put_in(self) -> None:
        """Looks through everything once more: who changed nothing need not wait for it."""
        known: set[tuple[str, str]] = set()
        end = self._verdict.links + 1
        with self._store.reading() as connection:
            bulk, after = Bulk(connection), 0
            while rows := bulk.rows(_EVERY_EVENT, after):
                after = rows[-1][0]
                for _id, text in rows:
                    for kind, attempt_id, about in from_json(text):
                        if kind == DECIDED:
                            known.update((attempt_id, moment) for moment in about)
                        elif kind == KEPT:
                            known.add((attempt_id, ""))
            for query in (_EVERY_DECISION, _EVERY_RECORD):
                place = ("", "")
                while rows := bulk.rows(query, place[0], *place):
                    for attempt_id, moment in rows:
                        if (attempt_id, moment) not in known:
                            what = f"decision at the {moment}" if moment else "transcript"
                            self._verdict.fault(
                                end, f"{what} of attempt {attempt_id}", "put in, never chained"
                            )
                    place = rows[-1]


def _whole_bases(bulk: Bulk) -> Iterator[bytes]:
    """Digests of the shared facts that still are what their digest says."""
    for digest, gate, pack, facts in bulk.rows(_BASES):
        if basis_digest(gate, pack, json.loads(facts)) == bytes(digest):
            yield bytes(digest)


def _digest(row: Sequence[Any]) -> str:
    attempt_id, moment, allowed, refusals, basis, facts, at_ms = row
    return decision_digest(attempt_id, moment, bool(allowed), refusals, bytes(basis), facts, at_ms)
