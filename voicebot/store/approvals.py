"""Which versions of talk tracks may be spoken: what the dialler asks at every claim and permit.

The answer comes from the record of reviews in the site's store: signatures that hold, by people who may
sign, over a content that still hashes to its digest.  A record that does not hold approves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from voicebot.errors import InputError
from voicebot.store.bulk import Bulk, Later, Query
from voicebot.store.database import Store
from voicebot.store.models import AuditRow, ReviewRow
from voicebot.store.people import People
from voicebot.store.review_record import (
    NEEDED,
    ReviewLine,
    ReviewRecord,
    Standing,
    judge,
)
from voicebot.store.reviews import AUDITED
from voicebot.store.track_states import SPEAKABLE, TrackState
from voicebot.store.track_versions import TrackContent, TrackVersions, parse_reference

RECHECK_S = 1.0
"""A verdict is kept so long while nobody reviews; rows, people and content are looked at again after it.
What was reviewed meanwhile counts at once."""
TAMPERED = "the record of reviews was tampered with"
VERIFY = "Run: scripts-review verify."
_VERSION = Query(f"SELECT count(*), max(seq) FROM {ReviewRow.__tablename__}")
_COLUMNS = [getattr(ReviewRow, name) for name in ReviewLine._fields]


@dataclass(frozen=True)
class Approval:
    """An approved version: who approved it, and when the last of them did."""

    track: str
    version: int
    digest: str
    state: TrackState
    approved_by: tuple[str, ...]
    approved_at: datetime

    @property
    def reference(self) -> str:
        return f"{self.track}@{self.version}"


@dataclass(frozen=True)
class _Verdict:
    version: tuple[int, int]
    at_s: float
    approved: bool


class Approvals:
    """Reads the record of reviews.  Keep one object: it remembers what it has judged."""

    def __init__(self, store: Store, recheck_s: float = RECHECK_S) -> None:
        self._store, self._contents, self._people = store, TrackVersions(store), People(store)
        self._recheck_s = recheck_s
        self._verdicts: dict[str, _Verdict] = {}
        self._judged: tuple[object, ReviewRecord] | None = None

    def version_in(self, connection: Connection) -> tuple[int, int]:
        """Rows and last row of the record: changes with everything that is reviewed.  One small query."""
        return _version(Bulk(connection).later(_VERSION))

    def is_approved(self, digest: str) -> bool:
        """Whether this digest may be spoken."""
        with self._store.reading() as connection:
            return self.approval(Bulk(connection), digest)()

    def approval(self, bulk: Bulk, digest: str) -> Callable[[], bool]:
        """The same, asked for here and answered when what is returned is called."""
        asked = bulk.later(_VERSION)
        return lambda: self._is_approved(bulk.connection, digest, _version(asked))

    def _is_approved(self, connection: Connection, digest: str, version: tuple[int, int]) -> bool:
        now = time.monotonic()
        known = self._verdicts.get(digest)
        if known is not None and known.version == version and now - known.at_s < self._recheck_s:
            return known.approved
        record = self.record_in(connection)
        standing = record.versions.get(digest)
        approved = (
            not record.faults
            and standing is not None
            and standing.speakable
            and self._contents.holds_in(connection, digest)
        )
        self._verdicts[digest] = _Verdict(version, now, approved)
        return approved

    def record(self) -> ReviewRecord:
        """The whole record, judged."""
        with self._store.reading() as connection:
            return self.record_in(connection)

    def record_in(self, connection: Connection) -> ReviewRecord:
        """The same within a transaction; judged again only when a row, a person or the audit link differs."""
        lines = [ReviewLine(*row) for row in connection.execute(select(*_COLUMNS).order_by(ReviewRow.seq))]
        audited = connection.execute(
            select(AuditRow.data).where(AuditRow.kind == AUDITED).order_by(AuditRow.seq.desc()).limit(1)
        ).scalar()
        signers = self._people.signers_in(connection)
        seen = (lines, signers, audited)
        if self._judged is None or self._judged[0] != seen:
            self._judged = (seen, judge(lines, signers, audited))
        return self._judged[1]

    def content(self, approval: Approval) -> TrackContent:
        """What was approved.  InputError when it was changed in the store since."""
        return self._contents.find(approval.track, approval.version)

    def newest(self, track: str) -> Approval | None:
        """The approved version of a track that no newer one supersedes, or None."""
        record = self.record()
        approved = (
            one
            for one in record.versions.values()
            if one.track == track and one.state is TrackState.APPROVED and self.is_approved(one.digest)
        )
        return max(map(_approval, approved), key=lambda one: one.approved_at, default=None)

    def resolve(self, reference: str) -> Approval:
        """The approved version that a campaign names as id@version.  InputError with the reason when it is
        not one."""
        track, version = parse_reference(reference)
        record = self.record()
        if record.faults:
            raise InputError(f"{TAMPERED}: {record.faults[0]}", VERIFY, key="talk_track")
        standing = record.of(track, version)
        if standing is None:
            raise InputError(f"{reference} was never submitted", _others(record, track), key="talk_track")
        if not standing.speakable:
            raise InputError(f"{reference} is not approved: {why_not(standing)}", "", key="talk_track")
        if not self.is_approved(standing.digest):
            raise InputError(f"the content of {reference} was changed in the store", VERIFY, key="talk_track")
        return _approval(standing)


def _version(asked: Later) -> tuple[int, int]:
    rows, last = asked.rows()[0]
    return rows, last or 0


def why_not(standing: Standing) -> str:
    """Why a version may not be spoken, for a person."""
    if standing.state is TrackState.SUBMITTED:
        return f"{len(standing.signers)} of {NEEDED} approvals, it takes {standing.waits_for}"
    last = standing.events[-1]
    if standing.state is TrackState.REVOKED:
        return f"{last.person} revoked it at {last.at:%Y-%m-%d %H:%M}: {last.comment}"
    if standing.state is TrackState.DRAFT:
        return f"{last.person} rejected it at {last.at:%Y-%m-%d %H:%M}: {last.comment}"
    voids = [one.void for one in standing.signatures.values() if one.void]
    return f"{'; '.join(voids)}; it takes {standing.waits_for}"


def _approval(standing: Standing) -> Approval:
    assert standing.approved_at is not None and standing.state in SPEAKABLE
    return Approval(
        standing.track,
        standing.version,
        standing.digest,
        standing.state,
        tuple(sorted(standing.signers)),
        standing.approved_at,
    )


def _others(record: ReviewRecord, track: str) -> str:
    spoken = [one.reference for one in record.versions.values() if one.track == track and one.speakable]
    if spoken:
        return f"Approved: {', '.join(spoken)}."
    return "Submit it: scripts-review submit FILE --as AUTHOR."
