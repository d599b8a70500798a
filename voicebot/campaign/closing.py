"""After the dial: ringing, answered, closed exactly once; what was asked for; what a dead worker leaves."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, func, select, update

from voicebot.campaign.attempts import Attempts, states
from voicebot.campaign.counters import Slot
from voicebot.campaign.enrolment import phone_binding
from voicebot.campaign.facts import FactFinder
from voicebot.campaign.running import RunningCampaign, RunningCampaigns
from voicebot.clock import Clock
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.database import Store
from voicebot.store.masking import mask_phone
from voicebot.store.models import AttemptRow, CampaignRow, CaseRow, DebtorRow, PhoneRow, WorkerRow
from voicebot.store.states import LIVE, AttemptState, Disposition
from voicebot.store.stop_list import REASONS, check_reason

log = structlog.get_logger()

NOT_DIALLED_TRIES = 3
"""A contact whose attempts could not be dialled so often is given up: waiting does not mend it."""
NOT_DIALLED_WAIT = timedelta(seconds=5)
"""An attempt that was claimed and not dialled is tried again after this: its line or trunk was not ready."""
STOPPED = "stopped"
"""Why a claimed attempt was not dialled when a person stopped the run: no fault of its line or trunk."""
WORKER_LOST = "worker lost"
BY_THE_CALL = "call"
"""Author of entries that a debtor or contact asked for in a call."""


class Closing:
    """What happens to an attempt once it may have been dialled; see Ledger."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        attempts: Attempts,
        facts: FactFinder,
        campaigns: RunningCampaigns,
    ) -> None:
        self._store, self._clock, self._attempts, self._facts = store, clock, attempts, facts
        self._campaigns = campaigns
        self._audit = AuditChain(store, clock)

    def mark(self, attempt_id: str, state: AttemptState) -> None:
        """ringing or answered."""
        if state not in (AttemptState.RINGING, AttemptState.ANSWERED):
            raise ValueError(f"an attempt is not marked {state}: claim, permit and close do that")
        with self._store.begin() as connection:
            row = self._attempts.find(connection, attempt_id)
            answered = {"answered_ms": self._now_ms()} if state is AttemptState.ANSWERED else {}
            self._attempts.move(connection, row, state, **answered)

    def close(
        self,
        attempt_id: str,
        disposition: Disposition,
        answered: bool,
        sip_code: int,
        next_try: datetime | None,
        why: str = "",
    ) -> bool:
        """See Ledger.close."""
        with self._store.begin() as connection:
            row = self._attempts.find(connection, attempt_id)
            if row.state not in states(LIVE):
                about = {"disposition": disposition, "answered": answered, "state": row.state}
                self._audit.append_in(connection, "late_report", attempt_id, about)
                return False
            if disposition is Disposition.NOT_DIALLED:
                self.not_dialled(connection, row, why or disposition, halted=why == STOPPED)
            elif row.state == AttemptState.CLAIMED:
                raise ValueError(f"attempt {attempt_id} was never dialled: it cannot be {disposition}")
            elif disposition is Disposition.UNKNOWN:
                self._unknown(connection, row, why or "reported unknown", sip_code)
            else:
                self._close(connection, row, disposition, answered or row.answered_ms is not None, sip_code)
                self._plan_or_finish(connection, row, disposition, next_try)
        return True

    def _close(
        self, connection: Connection, row: Any, disposition: Disposition, answered: bool, sip_code: int
    ) -> None:
        slots = [Slot.of(kept) for kept in row.reserved]
        back = [] if answered else [slot for slot in slots if slot.needs_answer]
        self._facts.counters.give_back(connection, back)
        self._attempts.move(
            connection,
            row,
            AttemptState.CLOSED,
            disposition=disposition,
            sip_code=sip_code,
            closed_ms=self._now_ms(),
            reserved=[slot.kept() for slot in slots if slot not in back],
        )
        self._audit.append_in(connection, "attempt_closed", row.id, {"disposition": disposition})

    def _unknown(self, connection: Connection, row: Any, why: str, sip_code: int = 0) -> None:
        """Nobody knows whether it was answered: its slots stay taken, and a person decides what follows."""
        self._attempts.move(
            connection,
            row,
            AttemptState.UNKNOWN,
            disposition=Disposition.UNKNOWN,
            sip_code=sip_code,
            closed_ms=self._now_ms(),
        )
        self._attempts.finish_contact(connection, row.contact_id, "unresolved", why)
        self._audit.append_in(connection, "attempt_unknown", row.id, {"worker": row.worker, "why": why})

    def _plan_or_finish(
        self, connection: Connection, row: Any, disposition: Disposition, next_try: datetime | None
    ) -> None:
        running, now = self._campaigns.get(row.campaign_id), self._clock.now()
        callback = datetime.fromtimestamp(row.callback_ms / 1000, now.tzinfo) if row.callback_ms else None
        wanted = callback or next_try
        retry = running.campaign.retry
        if wanted is None and row.number < retry.attempts:
            wait = retry.after.get(disposition)
            wanted = now + wait if wait is not None else None
        due = running.hours.next_open(max(wanted, now)) if wanted is not None else None
        if due is None:
            self._attempts.finish_contact(connection, row.contact_id, "done", disposition)
        else:
            self._attempts.plan_next(connection, row, due, moment_ms(now), same_try=False)

    def not_dialled(self, connection: Connection, row: Any, why: str, *, halted: bool = False) -> None:
        """Certainly not dialled: every slot goes back, and the same try is planned again.

        `halted`: the campaign was paused, its window had closed or a person stopped the run; that is no fault
        and does not add up.
        """
        now = self._clock.now()
        self._facts.counters.give_back(connection, [Slot.of(kept) for kept in row.reserved])
        new = AttemptState.NOT_DIALLED if row.state == AttemptState.CLAIMED else AttemptState.CLOSED
        self._attempts.move(
            connection,
            row,
            new,
            disposition=Disposition.NOT_DIALLED,
            rule="campaign" if halted else None,
            closed_ms=moment_ms(now),
            reserved=[],
        )
        due = self._campaigns.get(row.campaign_id).hours.next_open(now + NOT_DIALLED_WAIT)
        if due is None or (not halted and self._faults(connection, row.contact_id) >= NOT_DIALLED_TRIES):
            self._attempts.finish_contact(connection, row.contact_id, "done", why)
        else:
            self._attempts.plan_next(connection, row, due, moment_ms(now), same_try=True)

    def _faults(self, connection: Connection, contact_id: int) -> int:
        """How often a contact's attempts could not be dialled by a fault of ours or the trunk's."""
        query = select(func.count()).where(
            AttemptRow.contact_id == contact_id,
            AttemptRow.disposition == Disposition.NOT_DIALLED,
            AttemptRow.rule.is_(None),
        )
        return connection.execute(query).scalar_one()

    def apply_outcome(
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
            row = self._attempts.find(connection, attempt_id)
            institution, case_id, debtor_bix = connection.execute(
                select(CampaignRow.institution, CaseRow.case_id, DebtorRow.bix)
                .join(CaseRow, CaseRow.campaign_id == CampaignRow.id)
                .join(DebtorRow, DebtorRow.id == CaseRow.debtor_id)
                .where(CaseRow.id == row.case_pk)
            ).one()
            if stop_list is not None:
                self._stop(connection, row, stop_list, institution, debtor_bix)
            if hold is not None:
                self._facts.marks.set_in(connection, institution, case_id, hold, BY_THE_CALL, attempt_id)
            if promise_date is not None:
                self._audit.append_in(connection, "promise", attempt_id, {"date": promise_date})
            if callback_at is not None:
                self._call_back(connection, row, callback_at)

    def _stop(
        self, connection: Connection, row: Any, reason: str, institution: str, debtor_bix: bytes
    ) -> None:
        """The number that was called; for reasons that concern the person, the person on every number.

        A contact who refuses is stopped on all his numbers.
        """
        numbers = [row.bix]
        if reason == "CONTACT_REFUSED":
            numbers = list(connection.execute(self._facts.points_query(row.contact_id)).scalars())
        party = self._facts.party_of(connection, row.contact_id)
        if REASONS[reason] == "debtor" and party == "debtor":
            self._facts.stop_list.add_in(
                connection, "debtor", debtor_bix, "****", institution, reason, BY_THE_CALL, attempt_id=row.id
            )
            return
        for bix in numbers:
            sealed = connection.execute(select(PhoneRow.e164_ct).where(PhoneRow.bix == bix)).scalar_one()
            masked = mask_phone(self._store.keys.decrypt(sealed, phone_binding(bix)))
            self._facts.stop_list.add_in(
                connection, "phone", bix, masked, institution, reason, BY_THE_CALL, attempt_id=row.id
            )

    def _call_back(self, connection: Connection, row: Any, at: datetime | str) -> None:
        """Kept with a live attempt until it closes; planned at once when it is closed already."""
        running, now = self._campaigns.get(row.campaign_id), self._clock.now()
        moment = _moment(at, running, now) if isinstance(at, str) else at
        if row.state in states(LIVE):
            statement = update(AttemptRow).where(AttemptRow.id == row.id)
            connection.execute(statement.values(callback_ms=moment_ms(moment)))
            return
        due = running.hours.next_open(max(moment, now))
        if due is not None and row.state == AttemptState.CLOSED:
            self._attempts.drop_planned(connection, row.contact_id)
            self._attempts.finish_contact(connection, row.contact_id, "open", "call-back agreed")
            self._attempts.plan_next(connection, row, due, moment_ms(now), same_try=False)

    def lose_others(self, own: str) -> list[str]:
        """See Ledger.settle_left_over; `own` is the prefix of this ledger's workers."""
        query = select(AttemptRow.worker).where(AttemptRow.state.in_(states(LIVE))).distinct()
        with self._store.reading() as connection:
            owners = [worker for worker in connection.execute(query).scalars() if worker is not None]
        return [
            lost
            for worker in sorted(owners)
            if not worker.startswith(own)
            for lost in self.lose_worker(worker)
        ]

    def lose_worker(self, worker: str) -> list[str]:
        """See Ledger.lose_worker."""
        with self._store.begin() as connection:
            now_ms = self._now_ms()
            dead = update(WorkerRow).where(WorkerRow.id == worker).values(dead=True, seen_ms=now_ms)
            connection.execute(dead)
            query = select(AttemptRow.__table__).where(
                AttemptRow.worker == worker, AttemptRow.state.in_(states(LIVE))
            )
            rows = connection.execute(self._attempts.locked(query.order_by(AttemptRow.id))).all()
            unknown = [row for row in rows if row.state != AttemptState.CLAIMED]
            for row in unknown:
                self._unknown(connection, row, WORKER_LOST)
            for row in rows:
                if (
                    row.state == AttemptState.CLAIMED
                ):  # the intent is written before the INVITE: none was sent
                    self.not_dialled(connection, row, WORKER_LOST)
        log.warning("worker_lost", worker=worker, unknown=len(unknown), not_dialled=len(rows) - len(unknown))
        return [row.id for row in unknown]

    def _now_ms(self) -> int:
        return moment_ms(self._clock.now())


def _moment(text: str, running: RunningCampaign, now: datetime) -> datetime:
    """An ISO time, or HH:MM: the next time that the campaign's clock shows it."""
    zone = running.campaign.zone
    if len(text) != len("HH:MM"):
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=zone)
    local = now.astimezone(zone)
    at = datetime.combine(local.date(), time.fromisoformat(text), zone)
    return at if at > local else at + timedelta(days=1)
