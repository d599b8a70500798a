"""After the dial: ringing, answered, closed exactly once; and what a dead worker leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from voicebot.campaign import attempts, workers
from voicebot.campaign.attempts import Ending, Found, Plan
from voicebot.campaign.counters import Slot
from voicebot.campaign.events import Events
from voicebot.campaign.facts import FactFinder
from voicebot.campaign.running import RunningCampaigns
from voicebot.clock import Clock
from voicebot.store import tally
from voicebot.store.audit import moment_ms
from voicebot.store.bulk import Bulk, Insert, json_text
from voicebot.store.database import Store
from voicebot.store.states import AttemptState, Disposition

log = structlog.get_logger()

NOT_DIALLED_TRIES = 3
"""A contact whose attempts could not be dialled so often is given up: waiting does not mend it."""
NOT_DIALLED_WAIT = timedelta(seconds=5)
"""An attempt that was claimed and not dialled is tried again after this: its line or trunk was not ready."""
STOPPED = "stopped"
"""Why a claimed attempt was not dialled when a person stopped the run: no fault of its line or trunk."""
WORKER_LOST = "worker lost"

_LATE = Insert("late_report", "attempt_id text, disposition text, answered boolean, at_ms bigint")


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt.  `answered=False` only when it is certain that nobody answered."""

    attempt_id: str
    disposition: Disposition
    answered: bool
    sip_code: int = 0
    next_try: datetime | None = None
    why: str = ""


class Closing:
    """What happens to an attempt once it may have been dialled; see Ledger."""

    def __init__(self, store: Store, clock: Clock, facts: FactFinder, campaigns: RunningCampaigns) -> None:
        self._store, self._clock, self._facts, self._campaigns = store, clock, facts, campaigns

    def mark_many(self, attempt_ids: Sequence[str], state: AttemptState) -> None:
        """See Ledger.mark_many."""
        with self._store.begin() as connection:
            bulk, now_ms = Bulk(connection), moment_ms(self._clock.now())
            found = attempts.find(bulk, attempt_ids)
            attempts.mark(bulk, list(found), state, now_ms)
            events = Events()
            for one in found.values():
                events.moved(one.campaign_id, one.state, state)
                if state is AttemptState.ANSWERED:
                    events.count(one.campaign_id, tally.WAS_ANSWERED)
            events.write(bulk, now_ms)

    def close_many(self, outcomes: Sequence[Outcome]) -> set[str]:
        """See Ledger.close_many."""
        with self._store.begin() as connection:
            bulk, now, events = Bulk(connection), self._clock.now(), Events()
            found = attempts.find(bulk, [one.attempt_id for one in outcomes])
            closed: set[str] = set()
            ended: list[tuple[Found, Outcome]] = []
            unknown: list[tuple[Found, Outcome]] = []
            unsent: dict[str, list[Found]] = {}
            late: list[Outcome] = []
            for outcome in outcomes:
                row = found[outcome.attempt_id]
                if not row.live or row.id in closed:
                    late.append(outcome)
                    continue
                closed.add(row.id)
                if outcome.disposition is Disposition.NOT_DIALLED:
                    unsent.setdefault(outcome.why or outcome.disposition, []).append(row)
                elif row.state == AttemptState.CLAIMED:
                    raise ValueError(
                        f"attempt {row.id} was never dialled: it cannot be {outcome.disposition}"
                    )
                elif outcome.disposition is Disposition.UNKNOWN:
                    unknown.append((row, outcome))
                else:
                    ended.append((row, outcome))
            for why, rows in unsent.items():
                self.not_dialled(bulk, rows, why, now, events, halted=why == STOPPED)
            dues = self._dues(bulk, [(row, self._wanted(row, outcome, now)) for row, outcome in ended], now)
            with bulk.together():
                self._close(bulk, ended, dues, now, events)
                self.unknown(bulk, unknown, now, events)
                self._keep_late(bulk, found, late, now, events)
                events.write(bulk, moment_ms(now))
        return closed

    def _close(
        self,
        bulk: Bulk,
        ended: Sequence[tuple[Found, Outcome]],
        dues: Mapping[str, datetime | None],
        now: datetime,
        events: Events,
    ) -> None:
        now_ms = moment_ms(now)
        endings: list[Ending] = []
        back: list[tuple[str, list[Slot]]] = []
        plans: list[Plan] = []
        finished: list[tuple[str, str, int]] = []
        for row, outcome in ended:
            slots = [Slot.of(kept) for kept in row.reserved]
            answered = outcome.answered or row.answered_ms is not None
            kept = slots if answered else [slot for slot in slots if not slot.needs_answer]
            back.append((row.campaign_id, [slot for slot in slots if slot not in kept]))
            endings.append(
                Ending(
                    AttemptState.CLOSED,
                    outcome.disposition,
                    outcome.sip_code,
                    None,
                    json_text([slot.kept() for slot in kept]),
                    now_ms,
                    row.id,
                    row.state,
                )
            )
            due = dues[row.id]
            if due is None:
                finished.append(("done", outcome.disposition, row.contact_id))
            else:
                plans.append(_plan(row, due, same_try=False))
                events.moved(row.campaign_id, None, "planned")
            events.note("attempt_closed", row.id, {"disposition": outcome.disposition})
            events.moved(row.campaign_id, row.state, "closed")
            events.count(row.campaign_id, f"disposition {outcome.disposition}")
        self.give_back(bulk, back)
        attempts.end(bulk, endings)
        attempts.plan(bulk, plans, now_ms)
        attempts.finish(bulk, finished)

    def _wanted(self, row: Found, outcome: Outcome, now: datetime) -> datetime | None:
        """When the contact should be tried again, or None.  One budget of tries, whatever they came to; only
        a call-back that was agreed with the person goes beyond it."""
        retry = self._campaigns.get(row.campaign_id).campaign.retry
        wanted = datetime.fromtimestamp(row.callback_ms / 1000, now.tzinfo) if row.callback_ms else None
        if wanted is None and row.number < retry.attempts:
            wanted = outcome.next_try
            if wanted is None and (wait := retry.after.get(outcome.disposition)) is not None:
                wanted = now + wait
        return wanted

    def due(self, bulk: Bulk, row: Found, at: datetime) -> datetime | None:
        """When the contact of an attempt may be dialled, from `at` on; None: not any more."""
        return self._dues(bulk, [(row, at)], at)[row.id]

    def _dues(
        self, bulk: Bulk, wanted: Iterable[tuple[Found, datetime | None]], now: datetime
    ) -> dict[str, datetime | None]:
        """By attempt, when its contact may be dialled again; None: not any more."""
        dues: dict[str, datetime | None] = {}
        by_campaign: dict[str, dict[int, tuple[str, datetime]]] = {}
        for row, at in wanted:
            dues[row.id] = None
            if at is not None:  # a debtor has one live attempt, so there is one row of him
                by_campaign.setdefault(row.campaign_id, {})[row.debtor_id] = row.id, max(at, now)
        for campaign_id, rows in by_campaign.items():
            running = self._campaigns.get(campaign_id)
            at_once = {debtor: at for debtor, (_id, at) in rows.items()}
            found = self._facts.agreed_hours.next_calls(bulk.connection, running, at_once)
            dues |= {attempt_id: found[debtor] for debtor, (attempt_id, _at) in rows.items()}
        return dues

    def give_back(self, bulk: Bulk, back: Iterable[tuple[str, Sequence[Slot]]]) -> None:
        """Returns slots, by campaign."""
        by_institution: dict[str, list[Slot]] = {}
        for campaign_id, slots in back:
            institution = self._campaigns.get(campaign_id).campaign.institution
            by_institution.setdefault(institution, []).extend(slots)
        for institution, slots in sorted(by_institution.items()):
            self._facts.counters_of(institution).give_back(bulk, slots)

    def unknown(
        self, bulk: Bulk, rows: Sequence[tuple[Found, Outcome]], now: datetime, events: Events
    ) -> None:
        """Nobody knows whether they were answered: their slots stay taken; a person decides what follows."""
        endings, finished = [], []
        for row, outcome in rows:
            why = outcome.why or "reported unknown"
            endings.append(
                Ending(
                    AttemptState.UNKNOWN,
                    Disposition.UNKNOWN,
                    outcome.sip_code,
                    None,
                    json_text(row.reserved),
                    moment_ms(now),
                    row.id,
                    row.state,
                )
            )
            finished.append(("unresolved", why, row.contact_id))
            events.note("attempt_unknown", row.id, {"worker": row.worker, "why": why})
            events.moved(row.campaign_id, row.state, "unknown")
            events.count(row.campaign_id, f"disposition {Disposition.UNKNOWN}")
        attempts.end(bulk, endings)
        attempts.finish(bulk, finished)

    def not_dialled(
        self,
        bulk: Bulk,
        rows: Sequence[Found],
        why: str,
        now: datetime,
        events: Events,
        *,
        halted: bool = False,
    ) -> None:
        """Certainly not dialled: every slot goes back, and the same try is planned again.

        `halted`: the campaign was paused, its window had closed or a person stopped the run; that is no fault
        and does not add up.
        """
        now_ms = moment_ms(now)
        self.give_back(bulk, [(row.campaign_id, [Slot.of(kept) for kept in row.reserved]) for row in rows])
        faults = {} if halted else attempts.faults(bulk, [row.contact_id for row in rows])
        endings = []
        for row in rows:
            new = AttemptState.NOT_DIALLED if row.state == AttemptState.CLAIMED else AttemptState.CLOSED
            rule = "campaign" if halted else None
            endings.append(Ending(new, Disposition.NOT_DIALLED, 0, rule, "[]", now_ms, row.id, row.state))
            events.note("attempt_not_dialled", row.id, {"why": why})
            events.moved(row.campaign_id, row.state, new)
            events.count(row.campaign_id, f"disposition {Disposition.NOT_DIALLED}")
        attempts.end(bulk, endings)
        plans, finished = [], []
        dues = self._dues(bulk, [(row, now + NOT_DIALLED_WAIT) for row in rows], now)
        for row in rows:
            due = dues[row.id]
            if due is None or (not halted and faults.get(row.contact_id, 0) + 1 >= NOT_DIALLED_TRIES):
                finished.append(("done", why, row.contact_id))
            else:
                plans.append(_plan(row, due, same_try=True))
                events.moved(row.campaign_id, None, "planned")
        attempts.plan(bulk, plans, now_ms)
        attempts.finish(bulk, finished)

    def _keep_late(
        self, bulk: Bulk, found: dict[str, Found], late: Sequence[Outcome], now: datetime, events: Events
    ) -> None:
        """Reports on what is closed change nothing; a person who resolves an unknown one sees them."""
        rows = []
        for one in late:
            rows.append((one.attempt_id, one.disposition, one.answered, moment_ms(now)))
            about = {"disposition": one.disposition, "answered": one.answered}
            events.note("late_report", one.attempt_id, about | {"state": found[one.attempt_id].state})
        bulk.write(_LATE, rows)

    def lose(self, bulk: Bulk, worker: str, now: datetime, *, dialled_too: bool) -> list[str]:
        """Fences a worker.  What it only claimed is planned again: the intent is written before the INVITE,
        so none was sent.  What it dialled becomes unknown, if `dialled_too`.  Returns the unknown ones."""
        workers.kill(bulk, worker, moment_ms(now))
        events = Events()
        rows = attempts.of_worker(bulk, worker)
        claimed = [row for row in rows if row.state == AttemptState.CLAIMED]
        dialled = [row for row in rows if row.state != AttemptState.CLAIMED] if dialled_too else []
        lost = [Outcome(row.id, Disposition.UNKNOWN, True, why=WORKER_LOST) for row in dialled]
        self.unknown(bulk, list(zip(dialled, lost, strict=True)), now, events)
        self.not_dialled(bulk, claimed, WORKER_LOST, now, events)
        events.write(bulk, moment_ms(now))
        log.warning("worker_lost", worker=worker, unknown=len(dialled), not_dialled=len(claimed))
        return [row.id for row in dialled]


def _plan(row: Found, due: datetime, *, same_try: bool) -> Plan:
    """The contact's next attempt.  `same_try`: this one did not use up its budget."""
    number = row.number if same_try else row.number + 1
    return Plan(row.campaign_id, row.case_pk, row.contact_id, row.debtor_id, number, moment_ms(due), row.rank)
