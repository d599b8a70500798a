"""An evidence package: all about one call, or all calls of a case, with the proof that it is unchanged.

A zip that stands alone:
  cover.html                    for a person: what happened, when, by which rules, in whose approved words
  calls/<attempt>/record.json   the transcript with times and decisions of the dialog, as it was kept
  calls/<attempt>/recording.*   the sound, opened: left is ours, right is the callee
  calls/<attempt>/decisions.json  what the gate decided, with every fact
  approvals/                    the talk track's text, and what its reviewers signed
  chain/                        rows and links of the audit chain that tell of it, up to signed checkpoints
  manifest.json, manifest.sig   the digest of every file, signed by the site
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from voicebot.call.record import CallRecord
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.quality.evidence_check import LINKS, MANIFEST, REVIEWS, ROWS, SIGNATURE, SIGNED
from voicebot.quality.evidence_cover import cover
from voicebot.store.bulk import Bulk, Query
from voicebot.store.chained_evidence import DELETED
from voicebot.store.checkpoints import Checkpoint, Checkpoints, site_keys, stored_checkpoints
from voicebot.store.database import Store
from voicebot.store.encryption import Unreadable
from voicebot.store.looks import note_look
from voicebot.store.models import AttemptRow, CaseRow, ReviewRow, TrackVersionRow
from voicebot.store.recordings import KeptRecording, open_kept
from voicebot.store.records import record_of, record_text, recording_of_call
from voicebot.store.reviews import AUDITED
from voicebot.store.signatures import canonical, public_text, sign

KIND, VERSION = "voicebot_evidence", 1
_ROWS = Query(
    """SELECT id, at_ms, CAST(events AS text), CAST(counts AS text), link FROM outbox
        WHERE at_ms >= ? AND link IS NOT NULL AND CAST(events AS text) LIKE ? ORDER BY id"""
)
_DECISIONS = Query(
    """SELECT d.attempt_id, d.moment, d.allowed, CAST(d.refusals AS text), d.basis, CAST(d.facts AS text),
              d.at_ms, b.gate, b.pack, CAST(b.facts AS text)
         FROM decision AS d JOIN decision_basis AS b ON b.digest = d.basis
        WHERE d.attempt_id = ? ORDER BY d.moment"""
)
_LINKS = Query(
    """SELECT seq, at, kind, subject, CAST(data AS text), previous, hash FROM audit
        WHERE seq >= ? AND seq <= ? ORDER BY seq"""
)
_DELETIONS = Query(f"SELECT seq FROM audit WHERE kind = '{DELETED}' AND subject = ? ORDER BY seq")
_REVIEW_LINKS = Query(f"SELECT seq, CAST(data AS text) FROM audit WHERE kind = '{AUDITED}'")


_DECISION = (
    *("attempt_id", "moment", "allowed", "refusals", "basis", "facts", "at_ms"),
    *("gate", "pack", "shared"),
)
_REVIEW = (
    *("seq", "track", "version", "digest", "action", "person", "document", "signature"),
    *("previous", "hash"),
)


@dataclass(frozen=True)
class Exported:
    """A package, and the site's public keys that its signatures are of, the newest last."""

    file: Path
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _Call:
    attempt_id: str
    record: CallRecord | None
    decisions: list[dict[str, Any]]
    rows: Sequence[Sequence[Any]]
    recording: KeptRecording | None
    deletions: Sequence[int]
    "Links that say that record and recording were deleted."

    @property
    def state(self) -> str:
        """Why it has no transcript."""
        if self.deletions:
            return "deleted"
        return "recording_only" if self.recording is not None else "nothing_kept"


def export(
    store: Store, clock: Clock, word: str, out: Path, by: str, why: str, checkpoints: Path | None
) -> Exported:
    """Writes the package about a case id, an attempt id or its start, and notes who took it.

    InputError when there is no such case or call.  The chain is sealed and signed first, so that all of it is
    covered.
    """
    attempts = _attempts(store, word)
    note_look(store, clock, by, "evidence", word if len(attempts) > 1 else attempts[0][0], why)
    Checkpoints(store, clock, checkpoints).sign_all()
    calls = [_call(store, attempt_id, since_ms) for attempt_id, since_ms in attempts]
    files = dict(_files(store, calls))
    files["cover.html"] = cover(
        word,
        [one.record for one in calls if one.record],
        [(one.attempt_id, one.state) for one in calls if not one.record],
        files,
        clock.now(),
    ).encode()
    key = store.keys.signing_key()
    manifest = {
        "kind": KIND,
        "version": VERSION,
        "about": word,
        "calls": [one.attempt_id for one in calls],
        "made_at": clock.now().isoformat(timespec="seconds"),
        "made_by": by,
        "key": public_text(key),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }
    with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as package:
        package.writestr(MANIFEST, canonical(manifest))
        package.writestr(SIGNATURE, sign(key, manifest))
        for name, data in sorted(files.items()):
            package.writestr(name, data)
    used = {str(manifest["key"]), *(Checkpoint.of(one).key for one in json.loads(files[SIGNED]))}
    return Exported(out, tuple(one for one in site_keys(store.keys) if one in used))


def _attempts(store: Store, word: str) -> list[tuple[str, int]]:
    """Attempts of a case, or the one whose id begins so, with the instant they were planned at."""
    query = select(AttemptRow.id, AttemptRow.planned_ms).order_by(AttemptRow.planned_ms, AttemptRow.number)
    with store.reading() as connection:
        of_case = query.join(CaseRow, CaseRow.id == AttemptRow.case_pk).where(CaseRow.case_id == word)
        found = connection.execute(of_case).all()
        if not found:
            found = connection.execute(query.where(AttemptRow.id.startswith(word, autoescape=True))).all()
            if len(found) > 1:
                raise InputError(f"{len(found)} calls begin with this", "Give more of the id.", key=word)
    if not found:
        raise InputError("there is no such case or call", "`voicebot call list` shows them.", key=word)
    return [(row.id, row.planned_ms) for row in found]


def _call(store: Store, attempt_id: str, since_ms: int) -> _Call:
    record = record_of(store, attempt_id)
    with store.reading() as connection:
        bulk = Bulk(connection)
        rows = bulk.rows(_ROWS, since_ms, f"%{attempt_id}%")
        decisions = [_decision(row) for row in bulk.rows(_DECISIONS, attempt_id)]
        deletions = [seq for (seq,) in bulk.rows(_DELETIONS, attempt_id)]
    return _Call(attempt_id, record, decisions, rows, recording_of_call(store, attempt_id), deletions)


def _decision(row: Sequence[Any]) -> dict[str, Any]:
    """The columns as they are hashed."""
    values = dict(zip(_DECISION, row, strict=True))
    return values | {"basis": bytes(values["basis"]).hex(), "allowed": bool(values["allowed"])}


def _files(store: Store, calls: Sequence[_Call]) -> Iterable[tuple[str, bytes]]:
    for one in calls:
        folder = f"calls/{one.attempt_id}"
        yield f"{folder}/decisions.json", _json(one.decisions)
        if one.record is not None:
            yield f"{folder}/record.json", record_text(store, one.attempt_id).encode()
        if one.recording is not None and one.recording.state != "deleted":
            yield _sound(store, folder, one.recording)
    digests = sorted({one.record.digest for one in calls if one.record})
    reviews, links = _approvals(store, digests)
    yield from reviews
    rows = {row[0]: row for one in calls for row in one.rows}
    yield ROWS, _json([list(row) for row in rows.values()])
    deletions = {seq for one in calls for seq in one.deletions}
    yield from _chain(store, {*links, *deletions, *(row[4] for row in rows.values())})


def _sound(store: Store, folder: str, recording: KeptRecording) -> tuple[str, bytes]:
    """As it is chained: what is inside the seal, or the samples that wait to be sealed."""
    try:
        waits = recording.state == "unsealed"
        with recording.file.open("rb") if waits else open_kept(recording, store.keys) as audio:
            return f"{folder}/recording{recording.suffix}", audio.read()
    except (OSError, Unreadable) as fault:
        return f"{folder}/recording-missing.txt", f"{type(fault).__name__}: {fault}".encode()


def _approvals(store: Store, digests: Sequence[str]) -> tuple[list[tuple[str, bytes]], set[int]]:
    """What was signed about these versions and their texts; and the links of the chain that tell of it."""
    with store.reading() as connection:
        query = select(ReviewRow.__table__).where(ReviewRow.digest.in_(digests)).order_by(ReviewRow.seq)
        reviews = [{name: getattr(row, name) for name in _REVIEW} for row in connection.execute(query)]
        contents = select(TrackVersionRow.digest, TrackVersionRow.content)
        texts = connection.execute(contents.where(TrackVersionRow.digest.in_(digests))).all()
        wanted = {one["seq"] for one in reviews}
        told = Bulk(connection).rows(_REVIEW_LINKS)
    links = {seq for seq, data in told if json.loads(data)["seq"] in wanted}
    files = [(REVIEWS, _json(reviews))]
    return files + [(f"approvals/{row.digest}.json", row.content.encode()) for row in texts], links


def _chain(store: Store, wanted: set[int]) -> Iterable[tuple[str, bytes]]:
    """From each link that is wanted to the next checkpoint, which vouches for it."""
    signed = {one.seq: one for one in stored_checkpoints(store)}
    spans: list[list[int]] = []
    used: list[Checkpoint] = []
    for seq in sorted(wanted):
        if spans and seq <= spans[-1][1]:
            continue
        end = min(one for one in signed if one >= seq)
        spans.append([seq, end])
        used.append(signed[end])
    links = []
    with store.reading() as connection:
        for first, last in spans:
            for row in Bulk(connection).rows(_LINKS, first, last):
                links.append([*row[:4], json.loads(row[4]), *row[5:]])
    yield LINKS, _json(links)
    yield SIGNED, _json([one.as_dict() for one in used])


def _json(value: Sequence[Any] | Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()
