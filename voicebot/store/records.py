"""Call records, encrypted: the whole record of a call as JSON, bound to its attempt."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import delete, insert, select

from voicebot.call.record import CallRecord
from voicebot.store.audit import moment_ms
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow, RecordRow


def save_record(store: Store, record: CallRecord) -> None:
    """Keeps or replaces the record of an attempt.  LookupError when there is no such attempt."""
    with store.begin() as connection:
        query = select(AttemptRow.campaign_id).where(AttemptRow.id == record.attempt_id)
        campaign_id = connection.execute(query).scalar()
        if campaign_id is None:
            raise LookupError(f"there is no attempt {record.attempt_id}")
        connection.execute(delete(RecordRow).where(RecordRow.attempt_id == record.attempt_id))
        connection.execute(
            insert(RecordRow).values(
                attempt_id=record.attempt_id,
                campaign_id=campaign_id,
                disposition=record.disposition,
                saved_ms=moment_ms(record.ended_at),
                record_ct=store.keys.encrypt(record.model_dump_json(), _bound(record.attempt_id)),
            )
        )


def load_record(store: Store, attempt_id: str) -> CallRecord:
    """LookupError when the attempt has no record."""
    with store.reading() as connection:
        sealed = connection.execute(
            select(RecordRow.record_ct).where(RecordRow.attempt_id == attempt_id)
        ).scalar()
    if sealed is None:
        raise LookupError(f"there is no record of attempt {attempt_id}")
    return _opened(store, attempt_id, sealed)


def records(store: Store, campaign_id: str) -> Iterator[CallRecord]:
    """All records of a campaign, in the order in which the calls ended."""
    query = select(RecordRow.attempt_id, RecordRow.record_ct).where(RecordRow.campaign_id == campaign_id)
    with store.reading() as connection:
        rows = connection.execute(query.order_by(RecordRow.saved_ms, RecordRow.attempt_id)).all()
    return (_opened(store, row.attempt_id, row.record_ct) for row in rows)


def _opened(store: Store, attempt_id: str, sealed: bytes) -> CallRecord:
    return CallRecord.model_validate_json(store.keys.decrypt(sealed, _bound(attempt_id)))


def _bound(attempt_id: str) -> str:
    return f"call_record.record:{attempt_id}"
