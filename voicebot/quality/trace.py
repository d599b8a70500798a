"""From a complaint, "you called me yesterday afternoon", to the calls: by whom, with what, recorded where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from sqlalchemy import or_, select

from voicebot.quality.when import Span
from voicebot.store.audit import moment_ms
from voicebot.store.database import Store
from voicebot.store.models import (
    AttemptRow,
    CampaignRow,
    CaseRow,
    ContactPointRow,
    ReviewRow,
    ToolRow,
    TrackVersionRow,
)
from voicebot.store.recordings import KeptRecording, recording_of
from voicebot.store.records import record_of

_COLUMNS = (
    AttemptRow.id,
    AttemptRow.dialled_ms,
    AttemptRow.disposition,
    AttemptRow.state,
    AttemptRow.caller,
    CampaignRow.name,
    CampaignRow.institution,
    CampaignRow.digest,
    CaseRow.case_id,
)


@dataclass(frozen=True)
class Traced:
    """One call to a number.  `tool` is the caller number as it is registered, `bot` the approved version."""

    attempt_id: str
    dialled_at: datetime
    campaign: str
    institution: str
    case_id: str
    disposition: str
    caller: str
    tool: str
    bot: str
    approved_by: tuple[str, ...]
    agent: str
    recording: str


def trace(store: Store, e164: str, span: Span | None, zone: tzinfo) -> list[Traced]:
    """Calls to a number within a span (all of them without one), the newest first."""
    bix = store.keys.blind_index(e164)
    contacts = select(ContactPointRow.contact_id).where(ContactPointRow.bix == bix)
    query = (
        select(*_COLUMNS)
        .join(CampaignRow, CampaignRow.id == AttemptRow.campaign_id)
        .join(CaseRow, CaseRow.id == AttemptRow.case_pk)
        .where(AttemptRow.contact_id.in_(contacts), AttemptRow.bix == bix, AttemptRow.dialled_ms.isnot(None))
        .order_by(AttemptRow.dialled_ms.desc())
    )
    if span is not None:
        begin, end = moment_ms(span.begin), moment_ms(span.end)
        # A call that began before and lasted into it is meant too.
        later = or_(AttemptRow.closed_ms >= begin, AttemptRow.dialled_ms >= begin)
        query = query.where(AttemptRow.dialled_ms < end, later)
    with store.reading() as connection:
        rows = connection.execute(query).all()
    return [_traced(store, row, zone) for row in rows]


def _traced(store: Store, row: Any, zone: tzinfo) -> Traced:
    ident, dialled_ms, disposition, state, caller, name, institution, digest, case_id = row
    record = record_of(store, ident)
    if record is not None:
        digest = record.digest
    dialled_at = datetime.fromtimestamp(dialled_ms / 1000, zone)
    handoff = record.handoff if record else None
    agent = handoff.agent if handoff and handoff.bridged_s is not None else None
    bot, approved_by = _bot(store, digest)
    return Traced(
        attempt_id=ident,
        dialled_at=dialled_at,
        campaign=name,
        institution=institution,
        case_id=case_id,
        disposition=disposition or state,
        caller=caller or "",
        tool=_tool(store, caller, dialled_at.date()),
        bot=bot,
        approved_by=approved_by,
        agent=agent or "",
        recording=_recording(recording_of(store, ident)),
    )


def _bot(store: Store, digest: str) -> tuple[str, tuple[str, ...]]:
    """id@version and digest of the talk track, and who approved it."""
    with store.reading() as connection:
        query = select(TrackVersionRow.track, TrackVersionRow.version).where(TrackVersionRow.digest == digest)
        known = connection.execute(query).one_or_none()
        approvals = select(ReviewRow.person).where(ReviewRow.digest == digest, ReviewRow.action == "approve")
        people = tuple(connection.execute(approvals.order_by(ReviewRow.seq)).scalars())
    name = f"{known.track}@{known.version}" if known else "unknown version"
    return f"{name} ({digest[:12]})", people


def _tool(store: Store, caller: str | None, day: date) -> str:
    """How the caller number is registered now."""
    query = select(ToolRow.agency, ToolRow.registered_by, ToolRow.valid_from, ToolRow.valid_to)
    with store.reading() as connection:
        row = connection.execute(query.where(ToolRow.number == caller)).one_or_none()
    if row is None:
        return "not registered"
    owner = f"of {row.agency}" if row.agency else "the institution's own"
    valid = row.valid_from <= day.toordinal() <= row.valid_to
    return f"{owner}, registered by {row.registered_by}{'' if valid else ', not valid on that day'}"


def _recording(kept: KeptRecording | None) -> str:
    return "" if kept is None else f"{kept.file} ({kept.state}, {kept.seconds:.0f} s)"
