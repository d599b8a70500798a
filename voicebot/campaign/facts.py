"""The facts about one intended call, read from the store at this moment.  What is not known is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from voicebot.campaign.balances import Balance
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.counters import Counters, Slot, Subjects
from voicebot.clock import Clock
from voicebot.policy.gate import Gate
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow, CaseRow, ContactPointRow, ContactRow, DebtorRow
from voicebot.store.registers import Agencies, Agreements, CaseMarks, Tools
from voicebot.store.states import AttemptState, Disposition
from voicebot.store.stop_list import StopList

FAILED_DIALS = frozenset(
    {
        Disposition.BUSY,
        Disposition.NO_ANSWER,
        Disposition.REJECTED,
        Disposition.EMPTY_NUMBER,
        Disposition.POWERED_OFF,
        Disposition.SUSPENDED,
        Disposition.UNREACHABLE,
    }
)
"""Dials that did not reach the debtor: the condition for asking a contact counts them."""
INVALID_NUMBER = frozenset({Disposition.EMPTY_NUMBER, Disposition.SUSPENDED})


@dataclass(frozen=True)
class Point:
    """The number an attempt is about to dial."""

    bix: bytes
    source: str
    evidence: str | None


@dataclass(frozen=True)
class Subject:
    """One attempt with what stands around it in the store."""

    attempt_id: str
    number: int
    case_pk: int
    case_id: str
    contact_id: int
    debtor_id: int
    debtor_bix: bytes
    party: str
    agency: str | None
    digest: str


class FactFinder:
    """Collects facts.  One instance serves all campaigns of a store."""

    def __init__(self, store: Store, gate: Gate, clock: Clock) -> None:
        self._clock, self._gate = clock, gate
        self.counters = Counters(store, gate.packs)
        self.stop_list = StopList(store, clock)
        self.marks = CaseMarks(store, clock)
        self._tools, self._agencies = Tools(store), Agencies(store)
        self._agreements, self._approvals = Agreements(store), Approvals(store)

    def subjects(self, campaign: Campaign, about: Subject, point: Point) -> Subjects:
        """Whom the call counts against."""
        return Subjects(campaign.institution, about.debtor_bix, point.bix)

    def points_query(self, contact_id: int) -> Select[Any]:
        """The numbers of a contact."""
        return (
            select(ContactPointRow.bix)
            .where(ContactPointRow.contact_id == contact_id)
            .order_by(ContactPointRow.ord)
        )

    def point(self, connection: Connection, contact_id: int, bix: bytes) -> Point:
        """One number of a contact."""
        query = select(ContactPointRow.bix, ContactPointRow.source, ContactPointRow.evidence).where(
            ContactPointRow.contact_id == contact_id, ContactPointRow.bix == bix
        )
        return Point(*connection.execute(query.limit(1)).one())

    def party_of(self, connection: Connection, contact_id: int) -> str:
        """Who a contact is: debtor, guarantor, contact, heir."""
        return connection.execute(select(ContactRow.party).where(ContactRow.id == contact_id)).scalar_one()

    def choose_point(
        self, connection: Connection, campaign: Campaign, about: Subject, busy: frozenset[bytes]
    ) -> Point | None:
        """The next number of the contact, in turn; one on the stop list only when there is no other.

        None when every usable number is on another call just now.
        """
        query = select(ContactPointRow.bix, ContactPointRow.source, ContactPointRow.evidence).where(
            ContactPointRow.contact_id == about.contact_id
        )
        points = [Point(*row) for row in connection.execute(query.order_by(ContactPointRow.ord))]
        turn = (about.number - 1) % len(points)
        rotated = points[turn:] + points[:turn]
        stopped = [self.stop_list.reason_in(connection, [one.bix], campaign.institution) for one in rotated]
        usable = [one for one, reason in zip(rotated, stopped, strict=True) if reason is None]
        free = [one for one in usable or rotated if one.bix not in busy]
        return free[0] if free else None

    def collect(
        self,
        connection: Connection,
        campaign: Campaign,
        about: Subject,
        point: Point,
        *,
        caller: str | None,
        balance: Balance | None,
        recorder_ready: bool,
        own: Sequence[Slot] = (),
    ) -> dict[str, Any]:
        """All pre_dial facts.  `own` are the slots that this attempt holds already."""
        now = self._clock.now()
        day = now.astimezone(campaign.zone).date()
        facts: dict[str, Any] = {
            "party": about.party,
            "channel": "voice",
            "actor": "bot",
            "by_agency": about.agency is not None,
            "dial_at": now,
            "party_timezone": campaign.timezone,
            "number_source": point.source,
            "recorder_ready": recorder_ready,
            "talktrack": {"approved_hash_matches": self._approvals.is_approved_in(connection, about.digest)},
        }
        stopped = self.stop_list.reason_in(connection, [point.bix, about.debtor_bix], campaign.institution)
        facts["stop_listed"] = stopped or False
        if point.evidence:
            facts["number_evidence_id"] = point.evidence
        tool = self._tools.facts_in(connection, caller, campaign.institution, about.agency, day)
        if tool is not None:
            facts["tool"] = tool
        if about.agency is not None:
            agency = self._agencies.facts_in(connection, about.agency, campaign.institution, day)
            if agency is not None:
                facts["agency"] = agency
        subjects = self.subjects(campaign, about, point)
        facts["counters"] = self.counters.facts(connection, subjects, self._gate.day_of(now), own)
        facts |= self.marks.facts_in(connection, campaign.institution, about.case_id)
        facts |= self._agreements.facts_in(connection, about.debtor_bix, now)
        if about.party == "contact":
            facts |= self._reachability(connection, about, now)
        facts |= _balance_facts(balance, now)
        return facts

    def _reachability(self, connection: Connection, about: Subject, now: datetime) -> dict[str, Any]:
        """How the last dials to the debtor himself went: the condition for asking a contact."""
        query = (
            select(AttemptRow.disposition, AttemptRow.closed_ms, AttemptRow.bix)
            .join(ContactRow, ContactRow.id == AttemptRow.contact_id)
            .where(AttemptRow.debtor_id == about.debtor_id, ContactRow.party == "debtor")
            .where(AttemptRow.state.in_([AttemptState.CLOSED, AttemptState.UNKNOWN]))
            .order_by(AttemptRow.closed_ms.desc())
        )
        rows = connection.execute(query).all()
        failed = []
        for row in rows:
            if row.disposition not in FAILED_DIALS:
                break
            failed.append(self._gate.day_of(datetime.fromtimestamp(row.closed_ms / 1000, now.tzinfo)))
        facts: dict[str, Any] = {"debtor_failed_dials_in_row": len(failed)}
        days = sorted(set(failed), reverse=True)
        facts["debtor_failed_days_in_row"] = sum(1 for n, day in enumerate(days) if day == days[0] - n)
        if failed:
            facts["days_since_last_failed_dial"] = self._gate.day_of(now) - failed[0]
        latest: dict[bytes, str] = {}
        for row in rows:
            latest.setdefault(row.bix, row.disposition)
        points = connection.execute(
            select(ContactPointRow.bix)
            .join(ContactRow, ContactRow.id == ContactPointRow.contact_id)
            .where(ContactRow.case_pk == about.case_pk, ContactRow.party == "debtor")
        ).scalars()
        found = [latest.get(bix) in INVALID_NUMBER for bix in points]
        facts["debtor_number_invalid"] = bool(found) and all(found)
        return facts


def _balance_facts(balance: Balance | None, now: datetime) -> Mapping[str, Any]:
    if balance is None:
        return {}
    facts: dict[str, Any] = {"amount_due_fen": balance.amount_due}
    age = balance.age_min(now)
    if age is not None:
        facts["ledger_age_min"] = round(age, 2)
    return facts


def subject_query() -> Any:
    """The query of `Subject` columns, to be narrowed by the caller; the column `campaign_id` comes last."""
    return (
        select(
            AttemptRow.id,
            AttemptRow.number,
            CaseRow.id.label("case_pk"),
            CaseRow.case_id,
            ContactRow.id.label("contact_id"),
            DebtorRow.id.label("debtor_id"),
            DebtorRow.bix.label("debtor_bix"),
            ContactRow.party,
            CaseRow.agency,
        )
        .join(CaseRow, CaseRow.id == AttemptRow.case_pk)
        .join(ContactRow, ContactRow.id == AttemptRow.contact_id)
        .join(DebtorRow, DebtorRow.id == AttemptRow.debtor_id)
    )


def subject_of(row: Any, digest: str) -> Subject:
    """A row of `subject_query` as a Subject."""
    return Subject(
        row.id,
        row.number,
        row.case_pk,
        row.case_id,
        row.contact_id,
        row.debtor_id,
        row.debtor_bix,
        row.party,
        row.agency,
        digest,
    )
