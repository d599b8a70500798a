"""Call records, encrypted: the whole record of a call as JSON, bound to its attempt and audited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from voicebot.call.record import CallRecord
from voicebot.store.audit import moment_ms
from voicebot.store.bulk import Bulk
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow, RecordingRow, RecordRow
from voicebot.store.outbox import post
from voicebot.store.recordings import KeptRecording, recording_of, recordings_of

KEPT = "call_kept"
"""Event of a kept record: {"record": SHA-256 of its JSON, "recording": …, "lines": …, "handoff": …}."""

SALVAGED = "recording_salvaged"
"""Event of a recording that was sealed later than at its call's end: {"sha256", "seconds"}."""
_OF_HANDOFF = {"agent", "queue", "result", "asked_s", "bridged_s", "ended_s"}


def save_record(store: Store, record: CallRecord) -> None:
    """Keeps or replaces the record of an attempt.  LookupError when there is no such attempt.

    The same record twice (an outcome that was written just before its process died) is kept once.
    """
    attempt_id, text = record.attempt_id, record.model_dump_json()
    with store.begin() as connection:
        query = select(AttemptRow.campaign_id).where(AttemptRow.id == attempt_id)
        campaign_id = connection.execute(query).scalar()
        if campaign_id is None:
            raise LookupError(f"there is no attempt {attempt_id}")
        before = connection.execute(_sealed(attempt_id)).scalar()
        if before is not None and store.keys.decrypt(before, record_binding(attempt_id)) == text:
            return
        connection.execute(delete(RecordRow).where(RecordRow.attempt_id == attempt_id))
        connection.execute(
            insert(RecordRow).values(
                attempt_id=attempt_id,
                campaign_id=campaign_id,
                disposition=record.disposition,
                saved_ms=moment_ms(record.ended_at),
                record_ct=store.keys.encrypt(text, record_binding(attempt_id)),
            )
        )
        if record.recording is not None:
            keep_recording(
                connection,
                attempt_id,
                file=record.recording.path,
                sha256=record.recording.sha256,
                seconds=record.recording.seconds,
                state="sealed" if record.recording.sealed else "unsealed",
                at_ms=moment_ms(record.ended_at),
            )
        about = _told(record, text) | ({"again": True} if before is not None else {})
        post(Bulk(connection), moment_ms(record.ended_at), [(KEPT, attempt_id, about)], {})


def keep_recording(
    connection: Connection,
    attempt_id: str,
    *,
    file: str,
    sha256: str,
    seconds: float,
    state: str,
    at_ms: int,
) -> None:
    """The row of a recording, in place of one that is there already."""
    campaign = select(AttemptRow.campaign_id).where(AttemptRow.id == attempt_id)
    connection.execute(delete(RecordingRow).where(RecordingRow.attempt_id == attempt_id))
    connection.execute(
        insert(RecordingRow).values(
            attempt_id=attempt_id,
            campaign_id=campaign.scalar_subquery(),
            file=file,
            sha256=sha256,
            seconds=seconds,
            state=state,
            saved_ms=at_ms,
        )
    )


def keep_late(
    store: Store, attempt_id: str, *, file: Path, sha256: str, seconds: float, state: str, at_ms: int
) -> None:
    """The row and the event of a recording that was sealed after its call, in one transaction."""
    with store.begin() as connection:
        keep_recording(
            connection,
            attempt_id,
            file=str(file),
            sha256=sha256,
            seconds=seconds,
            state=state,
            at_ms=at_ms,
        )
        about = {"sha256": sha256, "seconds": seconds}
        post(Bulk(connection), at_ms, [(SALVAGED, attempt_id, about)], {})


def _told(record: CallRecord, text: str) -> dict[str, Any]:
    """What the audit chain keeps of a call: digests, ids and times, none of its words."""
    recording, handoff = record.recording, record.handoff
    return {
        "record": record_digest(text),
        "track": record.digest,
        "recording": {"sha256": recording.sha256, "seconds": recording.seconds} if recording else None,
        "lines": [
            [turn.line_id, round(turn.start_s, 2), turn.played_to]
            for turn in record.turns
            if turn.line_id is not None
        ],
        "handoff": handoff and handoff.model_dump(mode="json", include=_OF_HANDOFF, exclude_none=True),
    }


def record_digest(text: str) -> str:
    """SHA-256 of a record's JSON: it stays the same when the keys are rotated."""
    return hashlib.sha256(text.encode()).hexdigest()


def load_record(store: Store, attempt_id: str) -> CallRecord:
    """With its recording as the store knows it now.  LookupError when the attempt has no record."""
    record = CallRecord.model_validate_json(record_text(store, attempt_id))
    return _located(record, recording_of(store, attempt_id))


def record_of(store: Store, attempt_id: str) -> CallRecord | None:
    """As `load_record`; None when the attempt has no record."""
    try:
        return load_record(store, attempt_id)
    except LookupError:
        return None


def recording_of_call(store: Store, attempt_id: str) -> KeptRecording | None:
    """As `recording_of`; of a call from before recordings had rows, as its record says."""
    if (kept := recording_of(store, attempt_id)) is not None:
        return kept
    record = record_of(store, attempt_id)
    if record is None or (said := record.recording) is None:
        return None
    saved_ms = moment_ms(record.ended_at)
    return KeptRecording(attempt_id, Path(said.path), said.sha256, said.seconds, "sealed", saved_ms)


def record_text(store: Store, attempt_id: str) -> str:
    """The record's JSON as it was kept.  LookupError when the attempt has none."""
    with store.reading() as connection:
        sealed = connection.execute(_sealed(attempt_id)).scalar()
    if sealed is None:
        raise LookupError(f"there is no record of attempt {attempt_id}")
    return store.keys.decrypt(sealed, record_binding(attempt_id))


def records(store: Store, campaign_id: str) -> Iterator[CallRecord]:
    """All records of a campaign, in the order in which the calls ended; recordings as `load_record`'s."""
    query = select(RecordRow.attempt_id, RecordRow.record_ct).where(RecordRow.campaign_id == campaign_id)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(RecordRow.saved_ms, RecordRow.attempt_id)).all()
    found = {one.attempt_id: one for one in recordings_of(store, campaign_id)}
    return (
        _located(
            CallRecord.model_validate_json(store.keys.decrypt(row.record_ct, record_binding(row.attempt_id))),
            found.get(row.attempt_id),
        )
        for row in rows
    )


def _located(record: CallRecord, kept: KeptRecording | None) -> CallRecord:
    """What waited for room on the disk was sealed since: the store knows where."""
    if kept is None or record.recording is None:
        return record
    now = {"path": str(kept.file), "sha256": kept.sha256, "sealed": kept.state != "unsealed"}
    return record.model_copy(update={"recording": record.recording.model_copy(update=now)})


def _sealed(attempt_id: str) -> Any:
    return select(RecordRow.record_ct).where(RecordRow.attempt_id == attempt_id)


def record_binding(attempt_id: str) -> str:
    """What a record's ciphertext is bound to."""
    return f"call_record.record:{attempt_id}"
