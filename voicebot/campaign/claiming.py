"""Before the dial: which planned attempts may be claimed, and the gate's last word before the INVITE."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select

from voicebot.campaign.attempts import Attempts, LostWorker, states
from voicebot.campaign.balances import Balance
from voicebot.campaign.closing import Closing
from voicebot.campaign.counters import Slot
from voicebot.campaign.enrolment import phone_binding, record_binding
from voicebot.campaign.facts import FactFinder, Point, Subject, subject_of, subject_query
from voicebot.campaign.running import RunningCampaign, RunningCampaigns
from voicebot.clock import Clock
from voicebot.policy.gate import Decision, Gate, Refusal
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.database import Store
from voicebot.store.masking import mask_phone
from voicebot.store.models import AttemptRow, CampaignRow, CaseRow, DebtorRow, PhoneRow
from voicebot.store.states import LIVE, AttemptState

log = structlog.get_logger()

BUSY_PERSON_WAIT_MS = 2000
"""A person or number that is on another call is looked at again after this."""
PAUSED = Refusal("campaign", "CAMPAIGN_PAUSED", "外呼任务已暂停", passes_by=True)
CLOSED_WINDOW = Refusal("campaign", "CAMPAIGN_WINDOW", "不在外呼任务的时段内", passes_by=True)


@dataclass(frozen=True)
class Claim:
    """A claimed attempt.  The number lives in memory only; `slots` are typed case slots."""

    attempt_id: str
    campaign: str
    case_id: str
    phone: str
    phone_masked: str
    caller: str
    trunk: str
    slots: dict[str, tuple[str, str | int]]
    flags: dict[str, bool]
    tail_mac: str | None
    party: str
    digest: str
    pack: str
    number: int


class Claiming:
    """Claim and permission; see Ledger."""

    def __init__(
        self,
        store: Store,
        gate: Gate,
        clock: Clock,
        recorder_ready: Callable[[], bool],
        attempts: Attempts,
        facts: FactFinder,
        closing: Closing,
        campaigns: RunningCampaigns,
    ) -> None:
        self._store, self._gate, self._clock, self._recorder_ready = store, gate, clock, recorder_ready
        self._attempts, self._facts, self._closing, self._campaigns = attempts, facts, closing, campaigns
        self._audit = AuditChain(store, clock)

    def claim(self, campaign_id: str, worker: str, n: int) -> list[Claim]:
        """Up to `n` attempts for a worker.  What the gate refuses becomes `refused` and is not claimed.

        Raises LostWorker when the worker was declared dead.
        """
        running = self._campaigns.get(campaign_id)
        claims: list[Claim] = []
        tried: set[str] = set()
        while len(claims) < n and running.hours.allows(self._clock.now()):
            candidates = self._due(campaign_id, n - len(claims), tried)
            if not candidates:
                break
            tried.update(candidates)
            balances = running.balances.lookup(candidates.values())
            with self._store.begin() as connection:
                self._attempts.fence(connection, worker, moment_ms(self._clock.now()))
                if not self._is_running(connection, campaign_id):
                    break
                claims += self._claim_some(connection, running, worker, list(candidates), balances)
        return claims

    def _due(self, campaign_id: str, n: int, tried: set[str]) -> dict[str, str]:
        """The next planned attempts that are due, with their cases."""
        now_ms = moment_ms(self._clock.now())
        query = (
            select(AttemptRow.id, CaseRow.case_id)
            .join(CaseRow, CaseRow.id == AttemptRow.case_pk)
            .where(
                AttemptRow.campaign_id == campaign_id,
                AttemptRow.state == AttemptState.PLANNED,
                AttemptRow.due_ms <= now_ms,
                AttemptRow.id.not_in(tried),
            )
            .order_by(AttemptRow.due_ms, AttemptRow.rank, AttemptRow.contact_id)
            .limit(n)
        )
        with self._store.reading() as connection:
            return {row.id: row.case_id for row in connection.execute(query)}

    def _claim_some(
        self,
        connection: Connection,
        running: RunningCampaign,
        worker: str,
        candidates: list[str],
        balances: dict[str, Balance],
    ) -> list[Claim]:
        query = subject_query().add_columns(AttemptRow.rank, AttemptRow.campaign_id, AttemptRow.state)
        query = query.where(AttemptRow.id.in_(candidates), AttemptRow.state == AttemptState.PLANNED)
        query = query.order_by(AttemptRow.due_ms, AttemptRow.rank, AttemptRow.contact_id)
        rows = connection.execute(self._attempts.locked(query, of=AttemptRow, skip_locked=True)).all()
        free = self._free_debtors(connection, [row.debtor_id for row in rows])
        claims: list[Claim] = []
        later: list[str] = []
        for row in rows:
            about = subject_of(row, running.digest)
            point = None
            if about.debtor_id in free:
                busy = self._busy_phones(connection, about.contact_id)
                point = self._facts.choose_point(connection, running.campaign, about, busy)
            if point is None:
                later.append(about.attempt_id)
                continue
            claim = self._ask(connection, running, worker, row, about, point, balances.get(about.case_id))
            if claim is not None:
                claims.append(claim)
                free.discard(about.debtor_id)
        self._attempts.push(connection, later, moment_ms(self._clock.now()) + BUSY_PERSON_WAIT_MS)
        return claims

    def _ask(
        self,
        connection: Connection,
        running: RunningCampaign,
        worker: str,
        row: Row[Any],
        about: Subject,
        point: Point,
        balance: Balance | None,
    ) -> Claim | None:
        """The gate's word on one attempt; a claim when it is allowed and its slots are reserved."""
        callers = running.campaign.callers_of(about.agency)
        caller = callers[about.contact_id % len(callers)] if callers else None
        decision = self._decide(connection, running, about, point, caller, balance)
        now_ms = moment_ms(decision.at)
        slots: list[Slot] = []
        if decision.allowed:
            agreed = bool(decision.facts.get("agreed_extra_call_evidence"))
            limits = self._gate.counted(decision.facts)
            subjects = self._facts.subjects(running.campaign, about, point)
            day = self._gate.day_of(decision.at)
            taken = self._facts.counters.reserve(connection, subjects, day, limits, agreed)
            assert isinstance(taken, list), (
                "the debtor and the number are locked: nobody else may take their slots"
            )
            slots = taken
        self._attempts.note_decision(connection, about.attempt_id, "claim", decision)
        if not decision.allowed:
            self._refuse(connection, running, row, decision, now_ms, bix=point.bix, caller=caller)
            return None
        assert caller is not None
        self._attempts.move(
            connection,
            row,
            AttemptState.CLAIMED,
            worker=worker,
            bix=point.bix,
            caller=caller,
            trunk=running.campaign.trunk,
            day=self._gate.day_of(decision.at),
            reserved=[slot.kept() for slot in slots],
            claimed_ms=now_ms,
        )
        return self._claim_of(connection, running, about, point, caller, balance)

    def permit(self, attempt_id: str, worker: str) -> Decision:
        """The gate again, right before the INVITE.  Allowed: the intent is written (dialling) and committed.

        Raises LostWorker, LookupError, or IllegalMove when the attempt is not this worker's claimed one.
        """
        with self._store.reading() as connection:
            query = subject_query().add_columns(AttemptRow.campaign_id).where(AttemptRow.id == attempt_id)
            found = connection.execute(query).first()
        if found is None:
            raise LookupError(f"there is no attempt {attempt_id}")
        running = self._campaigns.get(found.campaign_id)
        balance = running.balances.lookup([found.case_id]).get(found.case_id)
        with self._store.begin() as connection:
            now_ms = moment_ms(self._clock.now())
            self._attempts.fence(connection, worker, now_ms)
            row = self._attempts.find(connection, attempt_id)
            if row.worker != worker:
                raise LostWorker(worker)
            about = subject_of(found, running.digest)
            if (halted := self._halted(connection, running)) is not None:
                decision = Decision("pre_dial", False, (halted,), self._gate.label, {}, self._clock.now())
                self._attempts.note_decision(connection, attempt_id, "permit", decision)
                self._closing.not_dialled(connection, row, halted.reason, halted=True)
                return decision
            point = self._locked_point(connection, row, about)
            own = [Slot.of(kept) for kept in row.reserved]
            decision = self._decide(connection, running, about, point, row.caller, balance, own)
            self._attempts.note_decision(connection, attempt_id, "permit", decision)
            if decision.allowed:
                self._attempts.move(connection, row, AttemptState.DIALLING, dialled_ms=now_ms)
                self._audit.append_in(connection, "dial_permitted", attempt_id, {"pack": decision.pack})
            else:
                self._facts.counters.give_back(connection, own)
                self._refuse(connection, running, row, decision, now_ms, reserved=[])
            return decision

    def _decide(
        self,
        connection: Connection,
        running: RunningCampaign,
        about: Subject,
        point: Point,
        caller: str | None,
        balance: Balance | None,
        own: Sequence[Slot] = (),
    ) -> Decision:
        facts = self._facts.collect(
            connection,
            running.campaign,
            about,
            point,
            caller=caller,
            balance=balance,
            recorder_ready=self._recorder_ready(),
            own=own,
        )
        return self._gate.decide("pre_dial", facts)

    def _refuse(
        self,
        connection: Connection,
        running: RunningCampaign,
        row: Row[Any],
        decision: Decision,
        now_ms: int,
        **values: Any,
    ) -> None:
        """Refused for good, or planned again for the day on which time alone will have healed it."""
        first = decision.refusals[0]
        self._attempts.move(
            connection,
            row,
            AttemptState.REFUSED,
            rule=first.rule,
            reason=first.reason,
            closed_ms=now_ms,
            **values,
        )
        passes_by = all(one.passes_by for one in decision.refusals)
        again = running.hours.next_day(decision.at) if passes_by else None
        if again is not None:
            self._attempts.plan_next(connection, row, again, now_ms, same_try=True)
        else:
            self._attempts.finish_contact(connection, row.contact_id, "done", first.reason)
        log.info("attempt_refused", attempt=row.id, rule=first.rule, reason=first.reason)

    def _halted(self, connection: Connection, running: RunningCampaign) -> Refusal | None:
        if not self._is_running(connection, running.id):
            return PAUSED
        return None if running.hours.allows(self._clock.now()) else CLOSED_WINDOW

    def _is_running(self, connection: Connection, campaign_id: str) -> bool:
        """Holds the campaign's row, so that a pause waits for what was begun before it."""
        query = select(CampaignRow.state).where(CampaignRow.id == campaign_id)
        return connection.execute(self._attempts.locked(query, read=True)).scalar() == "running"

    def _free_debtors(self, connection: Connection, debtor_ids: list[int]) -> set[int]:
        """Locks the debtors and leaves out those who are on a call, in any campaign."""
        query = select(DebtorRow.id).where(DebtorRow.id.in_(debtor_ids)).order_by(DebtorRow.id)
        locked = self._attempts.locked(query, skip_locked=True, key_share=True)
        free = set(connection.execute(locked).scalars())
        busy = select(AttemptRow.debtor_id).where(
            AttemptRow.state.in_(states(LIVE)), AttemptRow.debtor_id.in_(list(free))
        )
        return free - set(connection.execute(busy).scalars())

    def _busy_phones(self, connection: Connection, contact_id: int) -> frozenset[bytes]:
        """Locks a contact's numbers; those that are on a call or held by another claim are busy."""
        query = self._facts.points_query(contact_id)
        wanted: set[bytes] = set(connection.execute(query).scalars())
        phones = select(PhoneRow.bix).where(PhoneRow.bix.in_(sorted(wanted))).order_by(PhoneRow.bix)
        locked = self._attempts.locked(phones, skip_locked=True, key_share=True)
        busy: set[bytes | None] = {*wanted - set(connection.execute(locked).scalars())}
        live = select(AttemptRow.bix).where(
            AttemptRow.state.in_(states(LIVE)), AttemptRow.bix.in_(sorted(wanted))
        )
        busy.update(connection.execute(live).scalars())
        return frozenset(bix for bix in busy if bix is not None)

    def _locked_point(self, connection: Connection, row: Row[Any], about: Subject) -> Point:
        """The number that was claimed; it and the debtor are held against a stop-list entry just coming."""
        for kind, bix in ((PhoneRow, row.bix), (DebtorRow, about.debtor_bix)):
            connection.execute(self._attempts.locked(select(kind.bix).where(kind.bix == bix), read=True))
        return self._facts.point(connection, row.contact_id, row.bix)

    def _claim_of(
        self,
        connection: Connection,
        running: RunningCampaign,
        about: Subject,
        point: Point,
        caller: str,
        balance: Balance | None,
    ) -> Claim:
        keys = self._store.keys
        sealed = connection.execute(select(PhoneRow.e164_ct).where(PhoneRow.bix == point.bix)).scalar_one()
        phone = keys.decrypt(sealed, phone_binding(point.bix))
        record = connection.execute(
            select(CaseRow.record_ct, CaseRow.flags, CaseRow.tail_mac).where(CaseRow.id == about.case_pk)
        ).one()
        own = json.loads(keys.decrypt(record.record_ct, record_binding(running.id, about.case_id)))
        slots: dict[str, tuple[str, str | int]] = {name: (kind, value) for name, (kind, value) in own.items()}
        slots |= running.campaign.shared_slots() | (dict(balance.slots) if balance else {})
        return Claim(
            attempt_id=about.attempt_id,
            campaign=running.id,
            case_id=about.case_id,
            phone=phone,
            phone_masked=mask_phone(phone),
            caller=caller,
            trunk=running.campaign.trunk,
            slots=slots,
            flags={**record.flags, "by_agency": about.agency is not None},
            tail_mac=record.tail_mac,
            party=about.party,
            digest=running.digest,
            pack=self._gate.label,
            number=about.number,
        )
