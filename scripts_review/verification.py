"""`scripts-review verify`: recomputes everything that the record of reviews rests on, from the rows alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from dialogs.errors import TrackError
from voicebot.store.approvals import Approvals
from voicebot.store.audit_check import check
from voicebot.store.database import Store
from voicebot.store.models import AuditRow, ReviewRow, TrackVersionRow
from voicebot.store.review_record import ReviewRecord
from voicebot.store.reviews import AUDITED
from voicebot.store.track_versions import TrackContent

APPEND_ONLY = ("review", "track_version", "audit", "audit_checkpoint", "outbox", "decision", "decision_basis")
GUARDED = tuple(sorted(f"{table}_no_{change}" for table in APPEND_ONLY for change in ("update", "delete")))


@dataclass(frozen=True)
class Verified:
    """`faults` name what is broken; `notes` are signatures that do not count any more, which is no fault."""

    versions: int
    reviews: int
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def verify(store: Store) -> Verified:
    """Contents, signatures, the chain of reviews, its links in the audit record, the audit record itself, and
    the triggers that keep the tables append-only."""
    with store.reading() as connection:
        record = Approvals(store).record_in(connection)
        faults = list(_faults(connection, record, postgresql=store.is_postgresql))
        reviews = sum(len(one.events) for one in record.versions.values())
    faults += [f"audit record: {fault}" for fault in check(store, recordings=False).faults]
    notes = [
        f"{one.reference}: {signature.void}"
        for one in record.versions.values()
        for signature in one.signatures.values()
        if signature.void
    ]
    return Verified(len(record.versions), reviews, tuple(faults), tuple(notes))


def review_faults(store: Store) -> list[str]:
    """The same of the record of reviews alone, without the audit record that it stands in."""
    with store.reading() as connection:
        record = Approvals(store).record_in(connection)
        return list(_faults(connection, record, postgresql=store.is_postgresql))


def _faults(connection: Connection, record: ReviewRecord, *, postgresql: bool) -> Iterator[str]:
    yield from record.faults
    yield from _contents(connection, {one.digest: one.reference for one in record.versions.values()})
    yield from _audit_links(connection)
    yield from _triggers(connection, postgresql=postgresql)


def _contents(connection: Connection, reviewed: dict[str, str]) -> Iterator[str]:
    """Every content hashes to its digest and says the version that it stands for; every review has one."""
    seen = set()
    for row in connection.execute(select(TrackVersionRow.__table__).order_by(TrackVersionRow.digest)):
        seen.add(row.digest)
        reference = f"{row.track}@{row.version}"
        try:
            content = TrackContent.from_text(row.content)
            if content.digest != row.digest:
                yield f"content of {reference}: it hashes to {content.digest[:12]}, not to {row.digest[:12]}"
                continue
            track = content.load()
        except (ValueError, TrackError):
            yield f"content of {reference}: it cannot be read any more"
            continue
        if (track.id, track.version, track.digest) != (row.track, row.version, row.digest):
            yield f"content of {reference}: its header says {track.id}@{track.version}"
        elif reviewed.get(row.digest) != reference:
            yield f"content of {reference}: nobody submitted it"
    for digest, reference in reviewed.items():
        if digest not in seen:
            yield f"content of {reference}: it is missing"


def _audit_links(connection: Connection) -> Iterator[str]:
    """One link in the audit record for each row, in the same order."""
    query = select(AuditRow.data).where(AuditRow.kind == AUDITED).order_by(AuditRow.seq)
    told = [(int(data["seq"]), str(data["hash"])) for data in connection.execute(query).scalars()]
    rows = connection.execute(select(ReviewRow.seq, ReviewRow.hash).order_by(ReviewRow.seq)).all()
    there = [(row.seq, row.hash) for row in rows]
    for seq, digest in told:
        if (seq, digest) not in there:
            yield f"review {seq}: the audit record knows it, with another hash or none here"
    for seq, digest in there:
        if (seq, digest) not in told:
            yield f"review {seq}: the audit record does not know it"


def _triggers(connection: Connection, *, postgresql: bool) -> Iterator[str]:
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        if postgresql
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    there = set(connection.execute(text(query)).scalars())
    for name in GUARDED:
        if name not in there:
            yield f"trigger {name} is gone: the table can be changed"
