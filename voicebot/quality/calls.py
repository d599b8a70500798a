"""Calls as the store keeps them, found by what a person has in hand: the start of an id, or a case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import ColumnElement, func, or_, select

from voicebot.call.record import CallRecord
from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow, CampaignRow, CaseRow, ContactRow, RecordingRow, RecordRow
from voicebot.store.recordings import KeptRecording
from voicebot.store.records import load_record, recording_of_call, records

SHOWN_CHOICES = 5


def list_calls(store: Store, campaign: str | None = None) -> Iterator[CallRecord]:
    """All calls, campaign by campaign (oldest first), or those of the campaigns of one name."""
    query = select(CampaignRow.id).order_by(CampaignRow.created_ms)
    if campaign is not None:
        query = query.where(CampaignRow.name == campaign)
    with store.reading() as connection:
        ids = list(connection.execute(query).scalars())
    if campaign is not None and not ids:
        raise InputError("there is no campaign of this name in the store.", key=campaign)
    for campaign_id in ids:
        yield from records(store, campaign_id)


def find_call(store: Store, word: str) -> CallRecord:
    """The call whose attempt id begins with `word`, or the only call of the case `word`; else InputError."""
    return load_record(store, _find(store, word, RecordRow.attempt_id.is_not(None)))


def find_recording(store: Store, word: str) -> KeptRecording:
    """That of a call, found as `find_call` does; of one that broke off, too.  InputError when it has none."""
    there = RecordRow.attempt_id.is_not(None) | RecordingRow.attempt_id.is_not(None)
    recording = recording_of_call(store, _find(store, word, there))
    if recording is None:
        raise InputError("this call has no recording", "Nobody answered.", key=word)
    return recording


def _find(store: Store, word: str, there: ColumnElement[bool]) -> str:
    query = (
        select(AttemptRow.id)
        .outerjoin(RecordRow, RecordRow.attempt_id == AttemptRow.id)
        .outerjoin(RecordingRow, RecordingRow.attempt_id == AttemptRow.id)
        .join(CaseRow, CaseRow.id == AttemptRow.case_pk)
        .where(there, or_(AttemptRow.id.startswith(word, autoescape=True), CaseRow.case_id == word))
        .order_by(func.coalesce(RecordRow.saved_ms, RecordingRow.saved_ms))
    )
    with store.reading() as connection:
        found = list(connection.execute(query).scalars())
    if word in found:
        return word
    if not found:
        raise InputError("no call has this id.", "`voicebot call list` shows them all.", key=word)
    if len(found) > 1:
        some = ", ".join(found[:SHOWN_CHOICES]) + (" …" if len(found) > SHOWN_CHOICES else "")
        raise InputError(f"{len(found)} calls fit: {some}.", "Give more of the id.", key=word)
    return found[0]


def names_by_case(store: Store, campaign_id: str) -> dict[str, tuple[str, ...]]:
    """The people of each case id of a campaign, for a report to mask them; never written anywhere."""
    query = (
        select(CaseRow.case_id, CaseRow.id, ContactRow.name_ct)
        .join(ContactRow, ContactRow.case_pk == CaseRow.id)
        .where(CaseRow.campaign_id == campaign_id)
    )
    names: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    with store.reading() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        names[row.case_id] += (store.keys.decrypt(row.name_ct, f"contact.name:{row.id}"),)
    return dict(names)


def names_of_call(store: Store, attempt_id: str) -> tuple[str, ...]:
    """The people of the case of one call."""
    query = (
        select(CaseRow.campaign_id, CaseRow.case_id)
        .join(AttemptRow, AttemptRow.case_pk == CaseRow.id)
        .where(AttemptRow.id == attempt_id)
    )
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    return names_by_case(store, row.campaign_id).get(row.case_id, ()) if row else ()
