"""The facts about intended calls, read from the store at this moment.  What is not known is left out.

They are gathered for a whole group at once, within the transaction that decides; nothing is kept for the
next one, so whatever was forbidden before the transaction began is seen by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

    def approval(self, bulk: Bulk, digest: str) -> Callable[[], bool]:
        """Whether the talk track may be spoken now; asked for here, answered when that is called."""
        return self._approvals.approval(bulk, digest)

    def points(self, bulk: Bulk, contact_ids: Sequence[int]) -> Callable[[], dict[int, list[Point]]]:
        """The numbers of contacts, in their order; asked for here, answered when that is called."""
        asked = bulk.later(_POINTS, sorted(set(contact_ids)))

        def found() -> dict[int, list[Point]]:
            points: dict[int, list[Point]] = {}
            for contact_id, bix, source, evidence in asked.rows():
                points.setdefault(contact_id, []).append(Point(bytes(bix), source, evidence))
            return points

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
                "approved_hash_matches": self.approval(bulk, digest)() if approved is None else approved
            },
        }
        debtors = [ask.about.debtor_bix for ask in asks]
        subjects = [Subjects(institution, ask.about.debtor_bix, ask.point.bix) for ask in asks]
        day = gate.day_of(now, campaign.timezone)
        shared_asked = self._shared(bulk, campaign, asks, general, now)
        if stopped is None:
            numbers = [ask.point.bix for ask in asks]
            stopped_asked = self.stop_list.reasons(bulk, [*debtors, *numbers], institution)
        marks_asked = self.marks.facts(bulk, institution, {ask.about.case_id for ask in asks})
        agreed_asked = self._agreements.facts(bulk, debtors, now)
        uses_asked = self.counters_of(institution).uses(bulk, subjects, day)
        shared, marks, agreed, uses = shared_asked(), marks_asked(), agreed_asked(), uses_asked()
        if stopped is None:
            stopped = stopped_asked()
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
        bulk: Bulk,
        campaign: Campaign,
        asks: Sequence[Ask],
        general: Mapping[str, Any],
        now: datetime,
    ) -> Callable[[], dict[tuple[str | None, str | None], SharedFacts]]:
        """What is the same for all calls of an agency (None: the institution itself) from one number."""
        day, institution = now.astimezone(campaign.zone).date(), campaign.institution
        callers: dict[str | None, set[str]] = {}
        for ask in asks:
            callers.setdefault(ask.about.agency, set()).update([ask.caller] if ask.caller else [])
        names = sorted(agency for agency in callers if agency is not None)
        agencies = self._agencies.facts_of(bulk.connection, names, institution, day) if names else {}
        tools_asked = {
            agency: self._tools.facts(bulk, numbers, institution, agency, day)
            for agency, numbers in callers.items()
        }

        def found() -> dict[tuple[str | None, str | None], SharedFacts]:
            shared: dict[tuple[str | None, str | None], SharedFacts] = {}
            for agency, numbers in callers.items():
                facts: dict[str, Any] = {**general, "by_agency": agency is not None}
                if agency in agencies:
                    facts["agency"] = agencies[agency]
                shared[agency, None] = SharedFacts(facts)
                tools = tools_asked[agency]()
                for number in numbers:
                    known = {"tool": tools[number]} if number in tools else {}
                    shared[agency, number] = SharedFacts(facts | known)
            return shared

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
