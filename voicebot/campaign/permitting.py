"""Right before the INVITE: the gate's last word, and the intent, committed before anything rings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from voicebot.campaign import attempts, workers
from voicebot.campaign.attempts import Held, LostWorker
from voicebot.campaign.balances import Balance
from voicebot.campaign.claim import CasesClaimed
from voicebot.campaign.closing import Closing
from voicebot.campaign.counters import Slot
from voicebot.campaign.decisions import Decisions, Facts, SharedFacts
from voicebot.campaign.events import Events
from voicebot.campaign.facts import Ask, FactFinder, Point
from voicebot.campaign.halts import CLOSED_WINDOW, DAY_IS_OVER, halted
from voicebot.campaign.refused import Refused
from voicebot.campaign.running import RunningCampaign, RunningCampaigns
from voicebot.campaign.workers import LeaseClock
from voicebot.clock import Clock
from voicebot.policy.gate import Decision, Refusal
from voicebot.store.audit import moment_ms
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.states import AttemptState, IllegalMove, check_move

_CASES = Query(
    """SELECT a.campaign_id, c.case_id FROM attempt AS a JOIN case_file AS c ON c.id = a.case_pk
        WHERE a.id IN ?text[]"""
)


class Permitting:
    """Permissions; see Ledger."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        recorder_ready: Callable[[], bool],
        facts: FactFinder,
        closing: Closing,
        campaigns: RunningCampaigns,
        lease_clock: LeaseClock,
        bases: set[bytes],
        cases: CasesClaimed,
    ) -> None:
        self._store, self._clock, self._recorder_ready = store, clock, recorder_ready
        self._facts, self._closing, self._campaigns = facts, closing, campaigns
        self._lease_clock, self._bases, self._cases = lease_clock, bases, cases

    def permit_many(self, attempt_ids: Sequence[str], worker: str, unsure: set[str]) -> dict[str, Decision]:
        """See Ledger.permit_many.  `unsure` holds the ids while they commit."""
        balances = self._balances(attempt_ids)
        with self._store.begin() as connection:
            bulk = Bulk(connection)
            self._store.hold_barrier(bulk)
            now, ready = self._clock.now(), self._recorder_ready()
            fenced = workers.fence(bulk, worker, moment_ms(now), self._lease_clock)
            halts = {
                campaign_id: halted(bulk, self._campaigns.get(campaign_id), self._facts, now, ready)
                for campaign_id in balances
            }
            held = attempts.held(bulk, attempt_ids)
            fenced()
            self._check(held, attempt_ids, worker)
            decided: dict[str, Decision] = {}
            decisions = Decisions(self._bases)
            for campaign_id in sorted({one.campaign_id for one in held}):
                running = self._campaigns.get(campaign_id)
                group = [one for one in held if one.campaign_id == campaign_id]
                halt = halts[campaign_id]()
                decided |= self._decide(
                    bulk, running, group, balances[campaign_id], halt, ready, now, decisions
                )
            unsure.update(attempt_ids)
        unsure.difference_update(attempt_ids)
        decisions.committed()
        return decided

    def _balances(self, attempt_ids: Sequence[str]) -> dict[str, Mapping[str, Balance]]:
        """Balances by campaign and case, asked for before the store is locked."""
        known = [self._cases.take(attempt_id) for attempt_id in attempt_ids]
        if None in known:  # claimed by another process
            with self._store.reading() as connection:
                known = [(one[0], one[1]) for one in Bulk(connection).rows(_CASES, list(attempt_ids))]
        cases: dict[str, set[str]] = {}
        for campaign_id, case_id in filter(None, known):
            cases.setdefault(campaign_id, set()).add(case_id)
        return {one: self._campaigns.get(one).balances.lookup(wanted) for one, wanted in cases.items()}

    @staticmethod
    def _check(held: Sequence[Held], attempt_ids: Sequence[str], worker: str) -> None:
        if len(held) != len(set(attempt_ids)):
            missing = set(attempt_ids).difference(one.about.attempt_id for one in held)
            raise LookupError(f"there is no attempt {min(missing)}")
        for one in held:
            if one.worker != worker:
                raise LostWorker(worker)
            if one.state != AttemptState.CLAIMED:
                check_move(AttemptState(one.state), AttemptState.DIALLING)
                raise IllegalMove(f"attempt {one.about.attempt_id} has its permission already")

    def _decide(
        self,
        bulk: Bulk,
        running: RunningCampaign,
        group: Sequence[Held],
        balances: Mapping[str, Balance],
        halt: Refusal | None,
        ready: bool,
        now: datetime,
        decisions: Decisions,
    ) -> dict[str, Decision]:
        """The decisions on one campaign's attempts, written."""
        now_ms = moment_ms(now)
        events = Events()
        decided: dict[str, Decision] = {}
        for why, late in self._halts(bulk.connection, running, group, halt, now):
            decided |= self._halt(bulk, running, late, why, now, decisions, events)
        group = [one for one in group if one.about.attempt_id not in decided]
        if group:
            asks = self._asks(bulk, group, balances)
            answers = self._facts.collect_many(
                bulk.connection,
                running.campaign,
                asks,
                digest=running.digest,
                recorder_ready=ready,
                approved=True,
            )
            permitted: list[tuple[int, str]] = []
            refused, back = Refused(running, now), list[Slot]()
            for one, ask, answer in zip(group, asks, answers, strict=True):
                attempt_id = one.about.attempt_id
                decision = decided[attempt_id] = answer.facts.decided(running.gate, now)
                decisions.note(attempt_id, "permit", decision, answer.facts)
                if decision.allowed:
                    permitted.append((now_ms, attempt_id))
                    about = {"pack": decision.pack, "caller": one.caller}
                    events.note("dial_permitted", attempt_id, about)
                else:
                    refused.add(one, decision, one.bix, one.caller)
                    back += ask.own
            events.moved(running.id, "claimed", "dialling", len(permitted))
            with bulk.together():
                self._facts.counters_of(running.campaign.institution).give_back(bulk, back)
                attempts.dial(bulk, permitted)
                refused.write(bulk, events, "claimed")
                decisions.write(bulk, events)
                events.write(bulk, now_ms)
        else:
            decisions.write(bulk, events)
            events.write(bulk, now_ms)
        return decided

    def _halts(
        self,
        connection: Connection,
        running: RunningCampaign,
        group: Sequence[Held],
        halt: Refusal | None,
        now: datetime,
    ) -> Iterator[tuple[Refusal, Sequence[Held]]]:
        """What keeps attempts of the group from being dialled now, though nothing stands against them."""
        if halt is not None:
            yield halt, group
            return
        today = running.day(now)
        if late := [one for one in group if one.day != today]:
            yield DAY_IS_OVER, late
        if not running.hours.allows(now):
            rest = [one for one in group if one.day == today]
            agreed = self._facts.agreed_hours.covering(
                connection, {one.about.debtor_bix for one in rest}, now
            )
            if outside := [one for one in rest if one.about.debtor_bix not in agreed]:
                yield CLOSED_WINDOW, outside

    def _halt(
        self,
        bulk: Bulk,
        running: RunningCampaign,
        group: Sequence[Held],
        halt: Refusal,
        now: datetime,
        decisions: Decisions,
        events: Events,
    ) -> dict[str, Decision]:
        """Nothing of this campaign is dialled now: it is planned again, and no fault of the attempts."""
        decision = Decision("pre_dial", False, (halt,), running.gate.label, {}, now)
        nothing = Facts(SharedFacts({}), {})
        ids = [one.about.attempt_id for one in group]
        for attempt_id in ids:
            decisions.note(attempt_id, "permit", decision, nothing)
        found = attempts.find(bulk, ids)
        self._closing.not_dialled(bulk, list(found.values()), halt.reason, now, events, halted=True)
        return dict.fromkeys(ids, decision)

    def _asks(self, bulk: Bulk, group: Sequence[Held], balances: Mapping[str, Balance]) -> list[Ask]:
        """The calls as they were claimed: the same number, the same caller, the slots that they hold."""
        points = self._facts.points(bulk, [one.about.contact_id for one in group])()
        asks = []
        for one in group:
            known = points.get(one.about.contact_id, [])
            point = next((each for each in known if each.bix == one.bix), Point(one.bix, "", None))
            own = [Slot.of(kept) for kept in one.reserved]
            asks.append(Ask(one.about, point, one.caller, balances.get(one.about.case_id), own))
        return asks
