"""The facts about intended calls, read from the store at this moment.  What is not known is left out.

They are gathered for a whole group at once, within the transaction that decides; nothing is kept for the
next one, so whatever was forbidden before the transaction began is seen by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from voicebot.campaign.agreed_hours import AgreedHours
from voicebot.campaign.attempts import Subject
from voicebot.campaign.balances import Balance
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.counters import Counters, Slot, Subjects, Use
from voicebot.campaign.decisions import Facts, SharedFacts
from voicebot.campaign.history import SINCE_CONVERSATION, days_since_conversation
from voicebot.campaign.reachability import reachability
from voicebot.clock import Clock
from voicebot.policy.gate import Gate
from voicebot.store.approvals import Approvals
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.registers import Agencies, Agreements, CaseMarks, Tools, without_used_up
from voicebot.store.stop_list import StopList

_POINTS = Query(
    """SELECT contact_id, bix, source, evidence FROM contact_point
        WHERE contact_id IN ?bigint[] ORDER BY contact_id, ord"""
)


class Point(NamedTuple):
    """The number an attempt is about to dial."""

    bix: bytes
    source: str
    evidence: str | None


@dataclass(frozen=True)
class Ask:
    """One call that the gate is asked about.  `own` are the slots that its attempt holds already."""

    about: Subject
    point: Point
    caller: str | None
    balance: Balance | None
    own: Sequence[Slot] = ()


@dataclass(frozen=True)
class Answer:
    """The facts about one call, and the counters' use behind them (without the attempt's own slots)."""

    facts: Facts
    uses: Mapping[str, Use]


class FactFinder:
    """Collects facts.  One instance serves all campaigns of a store."""

    def __init__(self, store: Store, gate: Gate, clock: Clock) -> None:
        self._clock = clock
        self._counters: dict[str, Counters] = {}
        self.stop_list = StopList(store, clock)
        self.marks = CaseMarks(store, clock)
        self._gate = gate
        self._tools, self._agencies = Tools(store), Agencies(store)
        self._agreements, self._approvals = Agreements(store), Approvals(store)
        self.agreed_hours = AgreedHours(self._agreements)

    def counters_of(self, institution: str) -> Counters:
        """The counters of an institution's packs."""
        if institution not in self._counters:
            self._counters[institution] = Counters(self._gate.of(institution).packs)
        return self._counters[institution]

    def is_approved(self, connection: Connection, digest: str) -> bool:
        """Whether the talk track may be spoken now."""
        return self._approvals.is_approved_in(connection, digest)

    def points(self, bulk: Bulk, contact_ids: Sequence[int]) -> dict[int, list[Point]]:
        """The numbers of contacts, in their order."""
        found: dict[int, list[Point]] = {}
        for contact_id, bix, source, evidence in bulk.rows(_POINTS, sorted(set(contact_ids))):
            found.setdefault(contact_id, []).append(Point(bytes(bix), source, evidence))
        return found

    def collect(
        self,
        connection: Connection,
        campaign: Campaign,
        about: Subject,
        point: Point,
        *,
        digest: str,
        caller: str | None,
        balance: Balance | None,
        recorder_ready: bool,
        own: Sequence[Slot] = (),
    ) -> dict[str, Any]:
        """All pre_dial facts about one call."""
        ask = Ask(about, point, caller, balance, own)
        (answer,) = self.collect_many(
            connection, campaign, [ask], digest=digest, recorder_ready=recorder_ready
        )
        return answer.facts.whole

    def collect_many(
        self,
        connection: Connection,
        campaign: Campaign,
        asks: Sequence[Ask],
        *,
        digest: str,
        recorder_ready: bool,
        stopped: Mapping[bytes, str] | None = None,
        approved: bool | None = None,
    ) -> list[Answer]:
        """All pre_dial facts about each of the calls, in their order, with one look-up a register.

        `stopped` (the stop list's word on these debtors and numbers) and `approved` (whether the talk track
        may be spoken) are given when this transaction has asked already.
        """
        bulk, now = Bulk(connection), self._clock.now()
        institution = campaign.institution
        gate = self._gate.of(institution)
        general = {
            "channel": "voice",
            "actor": "bot",
            "dial_at": now,
            "party_timezone": campaign.timezone,
            "recorder_ready": recorder_ready,
            "talktrack": {
                "approved_hash_matches": self.is_approved(connection, digest)
                if approved is None
                else approved
            },
        }
        shared = self._shared(connection, campaign, asks, general, now)
        debtors = [ask.about.debtor_bix for ask in asks]
        if stopped is None:
            numbers = [ask.point.bix for ask in asks]
            stopped = self.stop_list.reasons_in(connection, [*debtors, *numbers], institution)
        marks = self.marks.facts_of(connection, institution, sorted({ask.about.case_id for ask in asks}))
        agreed = self._agreements.facts_of(connection, sorted(set(debtors)), now)
        subjects = [Subjects(institution, ask.about.debtor_bix, ask.point.bix) for ask in asks]
        day = gate.day_of(now, campaign.timezone)
        uses = self.counters_of(institution).uses(bulk, subjects, day)
        talked: Mapping[int, int] = {}
        if pause_asked := gate.reads(SINCE_CONVERSATION):
            subjects_of = [ask.about for ask in asks]
            talked = days_since_conversation(bulk, gate, subjects_of, now, campaign.timezone)
        answers = []
        for ask, use in zip(asks, uses, strict=True):
            about, point = ask.about, ask.point
            free = _without(use, ask.own)
            own: dict[str, Any] = {
                "party": about.party,
                "number_source": point.source,
                "stop_listed": stopped.get(point.bix) or stopped.get(about.debtor_bix) or False,
                "counters": {name: one.window for name, one in free.items()},
            }
            if point.evidence:
                own["number_evidence_id"] = point.evidence
            own |= marks.get(about.case_id, {})
            own |= agreed.get(about.debtor_bix, {})
            without_used_up(own)
            if pause_asked:
                own[SINCE_CONVERSATION] = talked.get(about.debtor_id)
            if about.party == "contact":
                own |= reachability(bulk, gate, about, now)
            own |= _balance_facts(ask.balance, now)
            answers.append(Answer(Facts(shared[about.agency, ask.caller], own), free))
        return answers

    def _shared(
        self,
        connection: Connection,
        campaign: Campaign,
        asks: Sequence[Ask],
        general: Mapping[str, Any],
        now: datetime,
    ) -> dict[tuple[str | None, str | None], SharedFacts]:
        """What is the same for all calls of an agency (None: the institution itself) from one number."""
        day, institution = now.astimezone(campaign.zone).date(), campaign.institution
        callers: dict[str | None, set[str]] = {}
        for ask in asks:
            callers.setdefault(ask.about.agency, set()).update([ask.caller] if ask.caller else [])
        names = sorted(agency for agency in callers if agency is not None)
        agencies = self._agencies.facts_of(connection, names, institution, day) if names else {}
        found: dict[tuple[str | None, str | None], SharedFacts] = {}
        for agency, numbers in callers.items():
            facts: dict[str, Any] = {**general, "by_agency": agency is not None}
            if agency in agencies:
                facts["agency"] = agencies[agency]
            found[agency, None] = SharedFacts(facts)
            tools = (
                self._tools.facts_of(connection, sorted(numbers), institution, agency, day) if numbers else {}
            )
            for number in numbers:
                known = {"tool": tools[number]} if number in tools else {}
                found[agency, number] = SharedFacts(facts | known)
        return found


def _without(uses: Mapping[str, Use], own: Sequence[Slot]) -> dict[str, Use]:
    """The use of each counter without the attempt's own slots."""
    found = dict(uses)
    for slot in own:
        use = found.get(slot.counter)
        if use is not None and use.subject == slot.subject:
            found[slot.counter] = Use(use.subject, use.window - 1, use.today)
    return found


def _balance_facts(balance: Balance | None, now: datetime) -> Mapping[str, Any]:
    if balance is None:
        return {}
    facts: dict[str, Any] = {"amount_due_fen": balance.amount_due}
    age = balance.age_min(now)
    if age is not None:
        facts["ledger_age_min"] = round(age, 2)
    return facts
