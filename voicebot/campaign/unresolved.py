"""Attempts of which nobody knows what became of them: listed for a person, closed by one, with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import select

from voicebot.campaign import attempts
from voicebot.campaign.attempts import Ending, Plan
from voicebot.campaign.closing import Closing
from voicebot.campaign.counters import Slot
from voicebot.campaign.events import Events
from voicebot.campaign.halts import STATE
from voicebot.campaign.reachability import FAILED_DIALS
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.bindings import phone_binding
from voicebot.store.bulk import Bulk, json_text
from voicebot.store.database import Store
from voicebot.store.masking import mask_phone
from voicebot.store.models import AttemptRow, CaseRow, ContactRow, LateReportRow, PhoneRow
from voicebot.store.states import AttemptState, Disposition

NOBODY_ANSWERED = FAILED_DIALS | {Disposition.CARRIER_FAILED, Disposition.NOT_DIALLED}
"""What a person may find out that gives the day's slot of a connected call back."""


@dataclass(frozen=True)
class Unresolved:
    """An attempt whose outcome is unknown, as a person sees it."""

    attempt_id: str
    campaign: str
    case_id: str
    phone_masked: str
    worker: str
    why: str
    dialled_at: datetime | None
    answered_at: datetime | None
    closed_at: datetime
    reported: Disposition | None
    "What its worker still reported after it had been given up."


class UnknownCalls:
    """Lists and resolves; see Ledger."""

    def __init__(self, store: Store, clock: Clock, closing: Closing) -> None:
        self._store, self._clock, self._closing = store, clock, closing
        self._audit = AuditChain(store, clock)

    def all(self, campaign_id: str | None) -> list[Unresolved]:
        """See Ledger.unresolved."""
        query = (
            select(
                AttemptRow.id,
                AttemptRow.campaign_id,
                CaseRow.case_id,
                PhoneRow.bix,
                PhoneRow.e164_ct,
                AttemptRow.worker,
                ContactRow.why,
                AttemptRow.dialled_ms,
                AttemptRow.answered_ms,
                AttemptRow.closed_ms,
            )
            .join(CaseRow, CaseRow.id == AttemptRow.case_pk)
            .join(ContactRow, ContactRow.id == AttemptRow.contact_id)
            .join(PhoneRow, PhoneRow.bix == AttemptRow.bix)
            .where(AttemptRow.state == AttemptState.UNKNOWN)
            .order_by(AttemptRow.closed_ms, AttemptRow.id)
        )
        if campaign_id is not None:
            query = query.where(AttemptRow.campaign_id == campaign_id)
        late = select(LateReportRow.attempt_id, LateReportRow.disposition).join(
            AttemptRow, AttemptRow.id == LateReportRow.attempt_id
        )
        late = late.where(AttemptRow.state == AttemptState.UNKNOWN).order_by(LateReportRow.id)
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
            reported = {row.attempt_id: Disposition(row.disposition) for row in connection.execute(late)}
        zone = self._clock.now().tzinfo
        return [
            Unresolved(
                row.id,
                row.campaign_id,
                row.case_id,
                mask_phone(self._store.keys.decrypt(row.e164_ct, phone_binding(row.bix))),
                row.worker or "",
                row.why or "",
                _moment(row.dialled_ms, zone),
                _moment(row.answered_ms, zone),
                datetime.fromtimestamp(row.closed_ms / 1000, zone),
                reported.get(row.id),
            )
            for row in rows
        ]

    def resolve(
        self, attempt_id: str, person: str, disposition: Disposition, reason: str, dial_again: bool
    ) -> None:
        """See Ledger.resolve."""
        if not person.strip() or not reason.strip():
            raise InputError("an unknown call is closed by a person with a reason", key="reason")
        if disposition is Disposition.UNKNOWN:
            raise InputError(
                "UNKNOWN is what it is already", "Name what the call came to.", key="disposition"
            )
        with self._store.begin() as connection:
            bulk, now = Bulk(connection), self._clock.now()
            row = attempts.find(bulk, [attempt_id])[attempt_id]
            if row.state != AttemptState.UNKNOWN:
                raise InputError(f"the attempt is {row.state}, not unknown", key=attempt_id)
            if dial_again and bulk.one(STATE, row.campaign_id) == ("done",):
                raise InputError(
                    f"{row.campaign_id} is finished, nobody is called in it any more",
                    "Close it without --dial-again; a new campaign calls again.",
                    key="--dial-again",
                )
            slots = [Slot.of(kept) for kept in row.reserved]
            kept = slots
            if disposition in NOBODY_ANSWERED and row.answered_ms is None:
                kept = [slot for slot in slots if not slot.needs_answer]
            self._closing.give_back(bulk, [(row.campaign_id, [one for one in slots if one not in kept])])
            now_ms, events = moment_ms(now), Events()
            left = json_text([slot.kept() for slot in kept])
            attempts.end(
                bulk, [Ending(AttemptState.CLOSED, disposition, 0, None, left, now_ms, row.id, row.state)]
            )
            due = self._closing.due(bulk, row, now) if dial_again else None
            if due is None:
                attempts.finish(bulk, [("done", disposition, row.contact_id)])
            else:
                attempts.finish(bulk, [("open", "resolved", row.contact_id)])
                where = (row.campaign_id, row.case_pk, row.contact_id, row.debtor_id)
                attempts.plan(bulk, [Plan(*where, row.number + 1, moment_ms(due), row.rank)], now_ms)
                events.moved(row.campaign_id, None, "planned")
            events.moved(row.campaign_id, "unknown", "closed")
            events.count(row.campaign_id, f"disposition {Disposition.UNKNOWN}", -1)
            events.count(row.campaign_id, f"disposition {disposition}")
            events.write(bulk, now_ms)
            about = {"person": person, "disposition": disposition, "reason": reason, "again": due is not None}
            self._audit.append_in(connection, "attempt_resolved", attempt_id, about)


def _moment(ms: int | None, zone: tzinfo | None) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, zone) if ms is not None else None
