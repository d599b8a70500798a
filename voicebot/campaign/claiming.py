"""Before the dial: which planned attempts may be claimed, in groups, each with the gate's word on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from voicebot.campaign import attempts, workers
from voicebot.campaign.attempts import Due
from voicebot.campaign.balances import Balance
from voicebot.campaign.claim import CasesClaimed, Claim, opened
from voicebot.campaign.counters import CounterFull, Slot
from voicebot.campaign.decisions import Decisions
from voicebot.campaign.events import Events
from voicebot.campaign.facts import Answer, Ask, FactFinder, Point
from voicebot.campaign.halts import halted
from voicebot.campaign.refused import Refused
from voicebot.campaign.running import RunningCampaign, RunningCampaigns
from voicebot.campaign.trunks import Trunks
from voicebot.campaign.workers import LeaseClock
from voicebot.clock import Clock
from voicebot.policy.gate import Decision
from voicebot.store.audit import moment_ms
from voicebot.store.bulk import Bulk, json_text
from voicebot.store.database import Store
from voicebot.store.encryption import Unreadable

log = structlog.get_logger()

BUSY_PERSON_WAIT_MS = 2000
"""A person or number that is on another call is looked at again after this."""
RESTING_NUMBERS_WAIT_MS = 60_000
"""When every caller number of a contact rests, it is looked at again after this."""
MOST_AT_ONCE = 500
"""Attempts of one transaction: a pause or a stop-list entry waits for it to end."""
MOST_LOOKED_AT = 2000
"""One claim looks at no more attempts than this: when so many are refused, its caller asks again."""

ChooseCaller = Callable[[Sequence[str], int], str | None]
"""Of the numbers that may be shown to a contact (its id), one that is fit now; None when none is."""


@dataclass(frozen=True)
class _Asked:
    """An attempt of the group with the number it would dial, and what the gate says to that."""

    due: Due
    ask: Ask
    sealed: bytes
    answer: Answer
    decision: Decision


@dataclass(frozen=True)
class _Free:
    """Locked for this group, and on no call."""

    debtors: set[int]
    numbers: dict[bytes, bytes]
    "With their ciphertext."


@dataclass(frozen=True)
class _Taken:
    """A group as it was claimed; what is sealed is opened after the commit."""

    running: RunningCampaign
    asked: Sequence[_Asked]
    seen: int


class Claiming:
    """Claims; see Ledger."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        recorder_ready: Callable[[], bool],
        facts: FactFinder,
        campaigns: RunningCampaigns,
        trunks: Trunks,
        lease_clock: LeaseClock,
        bases: set[bytes],
        cases: CasesClaimed,
    ) -> None:
        self._store, self._clock, self._recorder_ready = store, clock, recorder_ready
        self._facts, self._campaigns, self._trunks, self._lease_clock = facts, campaigns, trunks, lease_clock
        self._bases, self._cases = bases, cases

    def claim(
        self,
        campaign_id: str,
        worker: str,
        n: int,
        choose_caller: ChooseCaller | None,
        unsure: set[str],
        spoilt: Callable[[str, str], object],
    ) -> list[Claim]:
        """See Ledger.claim.  `unsure` holds the ids of a group while it commits; `spoilt(id, why)` hears of a
        claim whose case cannot be read."""
        running = self._campaigns.get(campaign_id)
        claims: list[Claim] = []
        looked_at, alone = 0, False
        size = n
        while len(claims) < n and looked_at < MOST_LOOKED_AT:
            take = 1 if alone else min(max(size, n - len(claims)), MOST_AT_ONCE)
            try:
                taken = self._group(running, worker, take, n - len(claims), choose_caller, unsure)
            except CounterFull:  # two of the group count against one thing: one by one, each sees the other
                alone = True
                continue
            claims += self._opened(taken, spoilt)
            looked_at += taken.seen
            size = size * 2 if not taken.asked else n  # after a fruitless look, a longer one
            if taken.seen < take:
                break
        return claims

    def _group(
        self,
        running: RunningCampaign,
        worker: str,
        take: int,
        wanted: int,
        choose_caller: ChooseCaller | None,
        unsure: set[str],
    ) -> _Taken:
        """One transaction: up to `take` attempts are looked at, up to `wanted` of them claimed."""
        running.balances.refresh()  # a file that changed is read before the store is locked
        known = None if running.balances.local else self._balances_ahead(running, take)
        with self._store.begin() as connection:
            bulk = Bulk(connection)
            self._store.hold_barrier(bulk)
            now, ready = self._clock.now(), self._recorder_ready()
            now_ms, campaign = moment_ms(now), running.campaign
            fenced = workers.fence(bulk, worker, now_ms, self._lease_clock)
            halt = halted(bulk, running, self._facts, now, ready)
            granted = self._trunks.grant(bulk, campaign.trunk, running.id, campaign.lines, wanted, now_ms)
            fenced()
            if halt() is not None or (grant := granted()).calls == 0:
                return _Taken(running, (), 0)
            look_at = min(take, grant.calls) if take == wanted else take
            found = attempts.due(bulk, running.id, now_ms, look_at, self._only(connection, running, now))
            points_asked = self._facts.points(bulk, [one.about.contact_id for one in found])
            debtors_asked = attempts.free_debtors(bulk, (one.about.debtor_id for one in found))
            points = points_asked()
            stopped_asked = self._stopped(bulk, running, found, points)
            numbers_asked = attempts.free_phones(
                bulk, (one.bix for several in points.values() for one in several)
            )
            stopped, free = stopped_asked(), _Free(debtors_asked(), numbers_asked())
            asks, later = self._asks(
                running, found, points, stopped, free, known, choose_caller, grant.calls, now_ms
            )
            asked = self._ask(connection, running, asks, stopped, ready, now)
            allowed = [one for one in asked if one.decision.allowed]
            decisions = Decisions(self._bases)
            with bulk.together():
                self._keep(bulk, running, worker, asked, now, decisions)
                attempts.push(bulk, later)
                grant.take(bulk, len(allowed))
            unsure.update(one.due.about.attempt_id for one in allowed)
        unsure.difference_update(one.due.about.attempt_id for one in allowed)
        decisions.committed()
        return _Taken(running, allowed, len(found))

    def _balances_ahead(self, running: RunningCampaign, take: int) -> Mapping[str, Balance | None]:
        """Balances that are asked for over the network, before the store is locked for the group."""
        now = self._clock.now()
        with self._store.reading() as connection:
            only = self._only(connection, running, now)
            cases = attempts.due_cases(Bulk(connection), running.id, moment_ms(now), take, only)
        return dict.fromkeys(cases) | running.balances.lookup(cases)

    def _only(self, connection: Connection, running: RunningCampaign, now: datetime) -> list[bytes] | None:
        """The debtors who may be asked about now: those who agreed to the hour; None for all of them."""
        if running.hours.allows(now):
            return None
        return self._facts.agreed_hours.debtors(connection, now)

    def _stopped(
        self,
        bulk: Bulk,
        running: RunningCampaign,
        found: Sequence[Due],
        points: Mapping[int, Sequence[Point]],
    ) -> Callable[[], dict[bytes, str]]:
        """Whom and which of their numbers the stop list forbids, and why."""
        subjects = [one.about.debtor_bix for one in found]
        subjects += [one.bix for several in points.values() for one in several]
        return self._facts.stop_list.reasons(bulk, subjects, running.campaign.institution)

    def _asks(
        self,
        running: RunningCampaign,
        found: Sequence[Due],
        points: Mapping[int, Sequence[Point]],
        stopped: Mapping[bytes, str],
        free: _Free,
        known: Mapping[str, Balance | None] | None,
        choose_caller: ChooseCaller | None,
        granted: int,
        now_ms: int,
    ) -> tuple[list[tuple[Due, Ask, bytes]], list[tuple[int, str]]]:
        """The calls to ask about, one a person and a number at a time; and those to push back."""
        campaign = running.campaign
        balances: Mapping[str, Balance | None]
        if known is None:
            balances = running.balances.lookup({one.about.case_id for one in found})
        else:  # another claim may have taken what was asked for: the others wait for the next look
            balances, found = known, [one for one in found if one.about.case_id in known]
        asks: list[tuple[Due, Ask, bytes]] = []
        later: list[tuple[int, str]] = []
        for one in found:
            about = one.about
            point = choose_point(points.get(about.contact_id, ()), about.number, stopped, free.numbers)
            if about.debtor_id not in free.debtors or point is None:
                later.append((now_ms + BUSY_PERSON_WAIT_MS, about.attempt_id))
                continue
            if len(asks) >= granted:
                break
            callers = campaign.callers_of(about.agency)
            caller = _caller(callers, about.contact_id, choose_caller)
            if caller is None and callers:
                later.append((now_ms + RESTING_NUMBERS_WAIT_MS, about.attempt_id))
                continue
            free.debtors.discard(about.debtor_id)
            ask = Ask(about, point, caller, balances.get(about.case_id))
            asks.append((one, ask, free.numbers.pop(point.bix)))
        return asks, later

    def _ask(
        self,
        connection: Connection,
        running: RunningCampaign,
        asks: Sequence[tuple[Due, Ask, bytes]],
        stopped: Mapping[bytes, str],
        ready: bool,
        now: datetime,
    ) -> list[_Asked]:
        answers = self._facts.collect_many(
            connection,
            running.campaign,
            [ask for _due, ask, _sealed in asks],
            digest=running.digest,
            recorder_ready=ready,
            stopped=stopped,
            approved=True,
        )
        return [
            _Asked(due, ask, sealed, answer, answer.facts.decided(running.gate, now))
            for (due, ask, sealed), answer in zip(asks, answers, strict=True)
        ]

    def _keep(
        self,
        bulk: Bulk,
        running: RunningCampaign,
        worker: str,
        asked: Sequence[_Asked],
        now: datetime,
        decisions: Decisions,
    ) -> None:
        """Writes the group: decisions, slots, claims, refusals, and what is planned instead of these."""
        now_ms, day = moment_ms(now), running.day(now)
        events = Events()
        claimed: list[tuple[Any, ...]] = []
        taken: list[tuple[Slot, int]] = []
        refused = Refused(running, now)
        for one in asked:
            about, facts = one.due.about, one.answer.facts
            decisions.note(about.attempt_id, "claim", one.decision, facts)
            if not one.decision.allowed:
                refused.add(one.due, one.decision, one.ask.point.bix, one.ask.caller)
                continue
            limits = running.gate.counted(facts.whole)
            agreed = bool(facts.whole.get("agreed_extra_call_evidence"))
            slots = self._facts.counters_of(running.campaign.institution).slots(
                one.answer.uses, day, limits, agreed
            )
            if slots is None:
                raise CounterFull("the gate allowed what a counter does not")
            taken += slots
            kept = json_text([slot.kept() for slot, _cap in slots])
            claimed.append(
                (
                    worker,
                    one.ask.point.bix,
                    one.ask.caller,
                    running.campaign.trunk,
                    day,
                    kept,
                    now_ms,
                    about.attempt_id,
                )
            )
        self._facts.counters_of(running.campaign.institution).reserve(bulk, taken)
        attempts.claim(bulk, claimed)
        events.moved(running.id, "planned", "claimed", len(claimed))
        refused.write(bulk, events, "planned")
        decisions.write(bulk, events)
        events.write(bulk, now_ms)

    def _opened(self, taken: _Taken, spoilt: Callable[[str, str], object]) -> list[Claim]:
        """Decrypts numbers and records, outside of the transaction."""
        claims = []
        for one in taken.asked:
            self._cases.note(one.due.about.attempt_id, taken.running.id, one.due.about.case_id)
            try:
                claims.append(
                    opened(self._store.keys, taken.running, one.due, one.ask, one.sealed, one.decision)
                )
            except (Unreadable, ValueError) as fault:
                log.error("claim_unreadable", attempt=one.due.about.attempt_id, fault=type(fault).__name__)
                spoilt(one.due.about.attempt_id, "its case cannot be read")
        return claims


def _caller(callers: Sequence[str], contact_id: int, choose: ChooseCaller | None) -> str | None:
    """The same number for every try of a contact, unless the number pool chooses."""
    if not callers:
        return None
    return choose(callers, contact_id) if choose is not None else callers[contact_id % len(callers)]


def choose_point(
    points: Sequence[Point], number: int, stopped: Mapping[bytes, str], free: Mapping[bytes, bytes]
) -> Point | None:
    """The contact's next number in turn; one on the stop list only when there is no other.

    None when every usable number is on another call just now.
    """
    if not points:
        return None
    turn = (number - 1) % len(points)
    rotated = [*points[turn:], *points[:turn]]
    usable = [one for one in rotated if one.bix not in stopped] or rotated
    return next((one for one in usable if one.bix in free), None)
