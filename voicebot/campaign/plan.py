"""The plan of a campaign before it runs: who would be called, who is refused and why, and how it would look.

The same facts and the same gate as in the run; nothing is written to the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from sip.trunk import Trunk
from voicebot.campaign.balances import balance_source
from voicebot.campaign.calling_hours import CallingHours
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.contact_list import ListRow, cases
from voicebot.campaign.facts import FactFinder, Point, Subject
from voicebot.clock import Clock, ManualClock
from voicebot.policy.gate import Decision, Gate
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.masking import mask_phone
from voicebot.store.models import DebtorRow
from voicebot.store.stop_list import debtor_index

NOT_ENROLLED = -1
"""Key of rows that a case has only once it is enrolled."""
NAMED_ROWS = 3
"""How many cases are named for each reason."""
USUAL_CALL_S = 60
"""A call's usual length with ringing, for the expected duration."""
WORLD_GATEWAY = "127.0.0.1:5060"
"""Stands for the simulated world's gateway, whose port is known when it runs."""


@dataclass(frozen=True)
class Verdict:
    """What would happen to one person of a case."""

    row: ListRow
    decision: Decision
    facts: Mapping[str, Any] = field(repr=False)

    @property
    def phone_masked(self) -> str:
        return mask_phone(self.row.phone)


@dataclass(frozen=True)
class Reason:
    """Why people are refused: the code, the rule, the words, how many, and the first of them."""

    reason: str
    rule: str
    zh: str
    count: int
    cases: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """`at` is the time that the plan holds for: now, or the next opening."""

    at: datetime | None
    to_call: int
    refused: tuple[Reason, ...]
    hours_left: timedelta
    expected: timedelta
    request_uri: str = ""
    caller_uri: str = ""
    verdicts: tuple[Verdict, ...] = field(default=(), repr=False)


class Planner:
    """Asks the gate about every person of a list."""

    def __init__(self, store: Store, gate: Gate, clock: Clock, campaign: Campaign) -> None:
        self._store, self._clock, self._campaign = store, clock, campaign
        self._gate = gate = gate.of(campaign.institution)
        self._hours = CallingHours(campaign, gate)
        self._balances = balance_source(campaign)

    def plan(self, rows: Sequence[ListRow], trunk: Trunk) -> Plan:
        """The whole plan.  Balances are read as they are now."""
        now = self._clock.now()
        at = self._hours.next_open(now)
        verdicts = tuple(self.verdicts(rows, at or now))
        allowed = [one for one in verdicts if one.decision.allowed]
        request_uri, caller_uri = self._sample(allowed, trunk)
        return Plan(
            at=at,
            to_call=len(allowed),
            refused=tuple(_reasons(verdicts)),
            hours_left=self._hours.left_today(now),
            expected=self._expected(len(allowed)),
            request_uri=request_uri,
            caller_uri=caller_uri,
            verdicts=verdicts,
        )

    def verdicts(self, rows: Sequence[ListRow], at: datetime) -> Iterator[Verdict]:
        """What the gate would say about each person at `at`, with the recorder taken to be ready."""
        finder = FactFinder(self._store, self._gate, ManualClock(at))
        gate = Gate(self._gate.packs, ManualClock(at))
        balances = self._balances.lookup({row.case_id for row in rows})
        digest = self._digest()
        with self._store.reading() as connection:
            for points in cases(rows).values():
                for people in _people(points):
                    about = self._subject(connection, people[0], digest)
                    row = self._choose(connection, finder, people)
                    point = Point(
                        self._store.keys.blind_index(row.phone), row.phone_source, row.phone_evidence
                    )
                    callers = self._campaign.callers_of(about.agency)
                    facts = finder.collect(
                        connection,
                        self._campaign,
                        about,
                        point,
                        caller=callers[0] if callers else None,
                        balance=balances.get(row.case_id),
                        recorder_ready=True,
                    )
                    yield Verdict(row, gate.decide("pre_dial", facts), facts)

    def _digest(self) -> str:
        newest = Approvals(self._store).newest(self._campaign.track_id)
        named = newest is not None and f"{newest.track}@{newest.version}" == self._campaign.talk_track
        return newest.digest if newest and named else ""

    def _subject(self, connection: Connection, row: ListRow, digest: str) -> Subject:
        bix = debtor_index(self._store, self._campaign.institution, row.debtor_id)
        debtor_id = connection.execute(select(DebtorRow.id).where(DebtorRow.bix == bix)).scalar()
        return Subject(
            attempt_id="",
            number=1,
            case_pk=NOT_ENROLLED,
            case_id=row.case_id,
            contact_id=NOT_ENROLLED,
            debtor_id=debtor_id if debtor_id is not None else NOT_ENROLLED,
            debtor_bix=bix,
            party=row.party,
            agency=row.agency or self._campaign.agency or None,
            digest=digest,
        )

    def _choose(self, connection: Connection, finder: FactFinder, people: list[ListRow]) -> ListRow:
        """The first number that is not on the stop list, as in the run."""
        for row in people:
            subjects = [self._store.keys.blind_index(row.phone)]
            if finder.stop_list.reason_in(connection, subjects, self._campaign.institution) is None:
                return row
        return people[0]

    def _sample(self, allowed: Sequence[Verdict], trunk: Trunk) -> tuple[str, str]:
        """Request-URI and From of the first call."""
        if not allowed:
            return "", ""
        row = allowed[0].row
        ready = trunk if trunk.gateways else trunk.with_gateways([WORLD_GATEWAY])
        caller = self._campaign.callers_of(row.agency or self._campaign.agency or None)[0]
        return ready.request_uri(row.phone), ready.caller_uri(caller)

    def _expected(self, calls: int) -> timedelta:
        by_lines = calls * USUAL_CALL_S / self._campaign.lines
        return timedelta(seconds=round(max(by_lines, calls / self._campaign.calls_per_second)))


def _people(points: list[ListRow]) -> Iterator[list[ListRow]]:
    """The rows of each person of a case."""
    found: dict[tuple[str, str], list[ListRow]] = {}
    for row in points:
        found.setdefault((row.party, "" if row.party == "debtor" else row.name), []).append(row)
    yield from found.values()


def _reasons(verdicts: Sequence[Verdict]) -> Iterator[Reason]:
    """Counted by the first reason of each refusal, the most frequent first."""
    firsts = [(one.decision.refusals[0], one.row.case_id) for one in verdicts if not one.decision.allowed]
    for refusal, count in Counter(refusal for refusal, _ in firsts).most_common():
        named = tuple(case for one, case in firsts if one == refusal)[:NAMED_ROWS]
        yield Reason(refusal.reason, refusal.rule, refusal.zh, count, named)
