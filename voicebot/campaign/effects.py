"""What was agreed or asked for in a call, written at once: stop list, hold, promise, call-back."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy import Connection, delete, select, update

from voicebot.campaign import attempts
from voicebot.campaign.attempts import Found, Plan
from voicebot.campaign.events import Events
from voicebot.campaign.facts import FactFinder
from voicebot.campaign.running import RunningCampaign, RunningCampaigns
from voicebot.clock import Clock
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.bindings import phone_binding
from voicebot.store.bulk import Bulk
from voicebot.store.database import Store
from voicebot.store.masking import MASK, mask_phone
from voicebot.store.models import AttemptRow, CampaignRow, CaseRow, ContactRow, DebtorRow, PhoneRow
from voicebot.store.states import AttemptState
from voicebot.store.stop_list import REASONS, check_reason

BY_THE_CALL = "call"
"""Author of entries that a debtor or contact asked for in a call."""


class Effects:
    """Applies them; see Ledger.apply_outcome."""

    def __init__(self, store: Store, clock: Clock, facts: FactFinder, campaigns: RunningCampaigns) -> None:
        self._store, self._clock, self._facts, self._campaigns = store, clock, facts, campaigns
        self._audit = AuditChain(store, clock)

    def apply(
        self,
        attempt_id: str,
        stop_list: str | None,
        hold: str | None,
        promise_date: str | None,
        callback_at: datetime | str | None,
    ) -> None:
        """See Ledger.apply_outcome."""
        if stop_list is not None:
            check_reason(stop_list)
        with self._store.begin() as connection:
            row = attempts.find(Bulk(connection), [attempt_id])[attempt_id]
            institution, case_id, debtor_bix = connection.execute(
                select(CampaignRow.institution, CaseRow.case_id, DebtorRow.bix)
                .join(CaseRow, CaseRow.campaign_id == CampaignRow.id)
                .join(DebtorRow, DebtorRow.id == CaseRow.debtor_id)
                .where(CaseRow.id == row.case_pk)
            ).one()
            if callback_at is not None:
                self._call_back(connection, row, callback_at)
            if promise_date is not None:
                self._audit.append_in(connection, "promise", attempt_id, {"date": promise_date})
            if hold is not None:
                self._facts.marks.set_in(connection, institution, case_id, hold, BY_THE_CALL, attempt_id)
            if stop_list is not None:
                self._stop(connection, row, stop_list, institution, debtor_bix)
            if stop_list is not None or hold is not None:
                self._store.barrier(connection)

    def _stop(
        self, connection: Connection, row: Found, reason: str, institution: str, debtor_bix: bytes
    ) -> None:
        """The number that was called; for reasons that concern the person, the person on every number.

        A contact who refuses is stopped on all his numbers.
        """
        party = connection.execute(
            select(ContactRow.party).where(ContactRow.id == row.contact_id)
        ).scalar_one()
        if REASONS[reason] == "debtor" and party == "debtor":
            self._facts.stop_list.add_in(
                connection, "debtor", debtor_bix, MASK, institution, reason, BY_THE_CALL, attempt_id=row.id
            )
            return
        numbers = [row.bix]
        if reason == "CONTACT_REFUSED":
            points = self._facts.points(Bulk(connection), [row.contact_id])()[row.contact_id]
            numbers = [point.bix for point in points]
        for bix in numbers:
            assert bix is not None, "who speaks was dialled"
            sealed = connection.execute(select(PhoneRow.e164_ct).where(PhoneRow.bix == bix)).scalar_one()
            masked = mask_phone(self._store.keys.decrypt(sealed, phone_binding(bix)))
            self._facts.stop_list.add_in(
                connection, "phone", bix, masked, institution, reason, BY_THE_CALL, attempt_id=row.id
            )

    def _call_back(self, connection: Connection, row: Found, at: datetime | str) -> None:
        """Kept with a live attempt until it closes; planned at once when it is closed already."""
        running, now = self._campaigns.get(row.campaign_id), self._clock.now()
        moment = _moment(at, running, now) if isinstance(at, str) else at
        if row.live:
            statement = update(AttemptRow).where(AttemptRow.id == row.id)
            connection.execute(statement.values(callback_ms=moment_ms(moment)))
            return
        wanted = {row.debtor_id: max(moment, now)}
        due = self._facts.agreed_hours.next_calls(connection, running, wanted)[row.debtor_id]
        if due is None or row.state != AttemptState.CLOSED:
            return
        bulk, events = Bulk(connection), Events()
        planned = delete(AttemptRow).where(
            AttemptRow.contact_id == row.contact_id, AttemptRow.state == AttemptState.PLANNED
        )
        dropped = connection.execute(planned).rowcount
        attempts.finish(bulk, [("open", "call-back agreed", row.contact_id)])
        new = Plan(
            row.campaign_id,
            row.case_pk,
            row.contact_id,
            row.debtor_id,
            row.number + 1,
            moment_ms(due),
            row.rank,
        )
        attempts.plan(bulk, [new], moment_ms(now))
        events.moved(row.campaign_id, None, "planned", 1 - dropped)
        events.write(bulk, moment_ms(now))


def _moment(text: str, running: RunningCampaign, now: datetime) -> datetime:
    """An ISO time, or HH:MM: the next time that the campaign's clock shows it."""
    zone = running.campaign.zone
    if len(text) != len("HH:MM"):
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=zone)
    local = now.astimezone(zone)
    at = datetime.combine(local.date(), time.fromisoformat(text), zone)
    return at if at > local else at + timedelta(days=1)
