"""The ledger: which attempt is dialled next, by whom, and what became of it.  One truth in one transaction.

Claim: planned → claimed, with a slot of every counter reserved.  Permit: the gate again, then the intent is
written (dialling) before the INVITE.  Close: exactly once.  What a dead worker had dialled becomes unknown,
keeps its slots, and nobody dials it again by himself; what it had only claimed is planned again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from sqlalchemy import select, update

from voicebot.campaign import workers
from voicebot.campaign.attempts import LostWorker
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.claim import CasesClaimed, Claim
from voicebot.campaign.claiming import ChooseCaller, Claiming
from voicebot.campaign.closing import Closing, Outcome
from voicebot.campaign.contact_list import ListRow
from voicebot.campaign.effects import Effects
from voicebot.campaign.enrolment import Enrolment
from voicebot.campaign.facts import FactFinder
from voicebot.campaign.fencing import Fencing
from voicebot.campaign.halts import halted
from voicebot.campaign.permitting import Permitting
from voicebot.campaign.progress import Progress, RefusedRow, progress, refusals
from voicebot.campaign.running import RunningCampaigns
from voicebot.campaign.trunks import Trunks
from voicebot.campaign.unresolved import UnknownCalls, Unresolved
from voicebot.campaign.unsettled import Unsettled
from voicebot.campaign.workers import LEASE_S, LONGEST_CALL_S, LeaseClock
from voicebot.clock import Clock
from voicebot.policy.gate import Decision, Gate, Refusal
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.bulk import Bulk
from voicebot.store.database import CommitUnknown, Store
from voicebot.store.models import AttemptRow, CampaignRow
from voicebot.store.states import AttemptState, Disposition

__all__ = ["Claim", "Ledger", "LostWorker", "Outcome", "Progress", "RefusedRow", "Unresolved"]

SIMULATED_PATIENCE_MS = 60_000
"""A simulated clock runs at real speed: such a run does not wait for what is planned later than this."""


class Ledger:
    """`recorder_ready` is asked at every decision: no recorder, no call.

    Workers are named within one ledger: each ledger has a node id of its own, so that a name used again after
    a restart is another worker.  `lease_clock` gives real milliseconds for leases, whatever `clock` says.

    Everything may raise StoreDown when the store is away: nothing of what was asked for has happened then, or
    what has happened unseen is taken back before the next claim.  Ask again when it is back.
    """

    def __init__(
        self,
        store: Store,
        gate: Gate,
        clock: Clock,
        *,
        recorder_ready: Callable[[], bool],
        lease_clock: LeaseClock | None = None,
    ) -> None:
        self._store, self._clock, self._recorder_ready = store, clock, recorder_ready
        self._node = secrets.token_hex(4)
        self._audit = AuditChain(store, clock)
        self._campaigns = RunningCampaigns(store, gate)
        leases = lease_clock or (workers.server_ms if store.is_postgresql else workers.machine_ms)
        self._facts = facts = FactFinder(store, gate, clock)
        self._trunks, bases, cases = Trunks(store), set[bytes](), CasesClaimed()
        self._closing = Closing(store, clock, facts, self._campaigns)
        self._claiming = Claiming(
            store, clock, recorder_ready, facts, self._campaigns, self._trunks, leases, bases, cases
        )
        self._permitting = Permitting(
            store, clock, recorder_ready, facts, self._closing, self._campaigns, leases, bases, cases
        )
        self._effects = Effects(store, clock, facts, self._campaigns)
        self._fencing = Fencing(store, clock, self._closing, leases)
        self._unknown = UnknownCalls(store, clock, self._closing)
        self._unsettled = Unsettled(store, clock, self._closing)

    @property
    def node(self) -> str:
        """The name of this ledger among all that work on the store: its workers' names begin with it."""
        return self._node

    # ---------- campaigns ----------

    def enrol(
        self,
        campaign: Campaign,
        digest: str,
        rows: CampaignLists | Iterable[ListRow],
        told: Callable[[int, int], None] = lambda written, wanted: None,
    ) -> str:
        """Brings a campaign and its lists into the store; returns its id.

        Lists go on with the campaign of this name that is not done yet, whole or broken off: nothing is
        written twice.  InputError when that one has other lists or another talk track.  `told` hears how many
        cases are written, and how many there are.
        """
        now = self._clock.now()
        fresh_id = f"{campaign.name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        enrolled = Enrolment(self._store, campaign, digest, moment_ms(now)).run(fresh_id, rows, told)
        if enrolled.new:
            about = {"digest": digest, "cases": enrolled.cases}
            self._audit.append("campaign_enrolled", enrolled.campaign_id, about)
        return enrolled.campaign_id

    def set_state(self, campaign_id: str, state: str) -> None:
        """running, paused, stopped or done.  After this returns, no claim or permission follows a pause."""
        with self._store.begin() as connection:
            connection.execute(update(CampaignRow).where(CampaignRow.id == campaign_id).values(state=state))
            self._audit.append_in(connection, "campaign_state", campaign_id, {"state": state})
            self._store.barrier(connection)

    def progress(self, campaign_id: str) -> Progress:
        """Numbers for the live table and the summary."""
        now_ms = moment_ms(self._clock.now())
        horizon_ms = now_ms + SIMULATED_PATIENCE_MS if self._clock.simulated else None
        return progress(self._store, campaign_id, horizon_ms)

    def halt(self, campaign_id: str) -> Refusal | None:
        """What keeps the whole campaign from dialling just now; None when nothing does."""
        running = self._campaigns.get(campaign_id)
        running.balances.refresh()
        with self._store.reading() as connection:
            now, ready = self._clock.now(), self._recorder_ready()
            return halted(Bulk(connection), running, self._facts, now, ready)()

    def refusals(self, campaign_id: str) -> list[RefusedRow]:
        """Every attempt that the gate refused, with its first reason."""
        return refusals(self._store, campaign_id)

    def next_ready(self, campaign_id: str) -> datetime | None:
        """When the next planned attempt may be claimed; None when nothing is planned within the dates."""
        query = (
            select(AttemptRow.due_ms)
            .where(AttemptRow.campaign_id == campaign_id, AttemptRow.phase == 0)
            .order_by(AttemptRow.due_ms)
            .limit(1)
        )
        running, now = self._campaigns.get(campaign_id), self._clock.now()
        with self._store.reading() as connection:
            due_ms = connection.execute(query).scalar()
            if due_ms is None:
                return None
            wanted = max(datetime.fromtimestamp(due_ms / 1000, now.tzinfo), now)
            opening = running.hours.next_open(wanted)
            if opening == wanted:
                return wanted
            agreed = self._facts.agreed_hours.next_opening(connection, running, now)
        return min((one for one in (opening, agreed) if one is not None), default=None)

    def limit_trunk(self, trunk: str, *, lines: int, cps: float, burst: int = 1) -> None:
        """What all machines together may use of a trunk: lines, calls per second, and how many at once after
        a pause.  In force for the next claim, on every machine."""
        self._trunks.limit(trunk, lines=lines, cps=cps, burst=burst)

    def seal(self) -> int:
        """Chains what attempts have done since the last time into the audit; returns how many rows waited.

        The store's owner calls it every second or so, and until it returns 0 at the end of a run.
        """
        return self._audit.seal()

    def reload(self, campaign_id: str) -> None:
        """Its file was edited: from now on it is used as it stands in the store."""
        self._campaigns.forget(campaign_id)

    # ---------- before the call ----------

    def claim(
        self, campaign_id: str, worker: str, n: int, choose_caller: ChooseCaller | None = None
    ) -> list[Claim]:
        """Up to `n` attempts for a worker, in one group.  What the gate refuses becomes `refused`.

        Empty when nothing is due, when no line or call per second is free (of the campaign, or of its trunk
        on all machines), and when the campaign is halted as a whole: paused, outside its hours, its talk
        track not approved (any more), no recorder.  Nobody is refused for these.  `choose_caller(callers,
        contact_id)` may say that no number is fit now: then the attempt stays planned.

        Raises LostWorker when the worker was declared dead or did not renew its lease.
        """
        self._unsettled.settle()
        with self._unsettled.claims() as unsure:
            return self._claiming.claim(
                campaign_id, self._named(worker), n, choose_caller, unsure, self.not_dialled
            )

    def permit(self, attempt_id: str, worker: str) -> Decision:
        """The gate again, right before the INVITE.  Allowed: the intent is written (dialling) and committed.

        Raises LostWorker, LookupError, or IllegalMove when the attempt is not this worker's claimed one.
        """
        return self.permit_many([attempt_id], worker)[attempt_id]

    def permit_many(self, attempt_ids: Sequence[str], worker: str) -> dict[str, Decision]:
        """The same for a group: all decisions are committed together, or none.

        When the campaign is halted, its attempts are planned again without fault; otherwise a refused one
        ends.  A permission of which the commit's answer was lost is taken back: StoreDown, and nobody dials.
        """
        self._unsettled.settle()
        if not attempt_ids:
            return {}
        with self._unsettled.permissions() as unsure:
            return self._permitting.permit_many(attempt_ids, self._named(worker), unsure)

    def not_dialled(self, attempt_id: str, why: str) -> bool:
        """A claimed or permitted attempt that certainly was not dialled: slots go back, it is planned again.

        After three times its contact is given up; "stopped" (by a person) is no fault and does not count.
        False when the attempt was closed already.
        """
        return bool(self.close_many([Outcome(attempt_id, Disposition.NOT_DIALLED, False, why=why)]))

    # ---------- during and after the call ----------

    def mark(self, attempt_id: str, state: AttemptState) -> None:
        """ringing or answered.  IllegalMove when the attempt is not where that leads from."""
        self.mark_many([attempt_id], state)

    def mark_many(self, attempt_ids: Sequence[str], state: AttemptState) -> None:
        """The same for a group: all of them, or none."""
        self._closing.mark_many(attempt_ids, state)

    def close(
        self,
        attempt_id: str,
        disposition: Disposition,
        *,
        answered: bool,
        sip_code: int = 0,
        next_try: datetime | None = None,
    ) -> bool:
        """Closes an attempt once.  False when it was closed already (a late report: kept beside it).

        `answered=False` only when it is certain that nobody answered: then its slots are given back.
        `next_try` is within the contact's one budget of tries.
        """
        return bool(self.close_many([Outcome(attempt_id, disposition, answered, sip_code, next_try)]))

    def close_many(self, outcomes: Sequence[Outcome]) -> set[str]:
        """The same for a group, all in one transaction; returns the ids that this closed.

        LookupError or ValueError (one was never dialled, and is not reported NOT_DIALLED) close none of them.
        """
        try:
            return self._closing.close_many(outcomes)
        except CommitUnknown:
            closed = self._unsettled.closed(outcomes)
            left = [one for one in outcomes if one.attempt_id not in closed]
            return closed | (self._closing.close_many(left) if left else set())

    def apply_outcome(
        self,
        attempt_id: str,
        *,
        stop_list: str | None = None,
        hold: str | None = None,
        promise_date: str | None = None,
        callback_at: datetime | str | None = None,
    ) -> None:
        """What was agreed or asked for in the call, written at once: stop list, hold, promise, call-back.

        `callback_at` may be an ISO time, or HH:MM: the next time that the clock shows it.
        """
        self._effects.apply(attempt_id, stop_list, hold, promise_date, callback_at)

    # ---------- workers ----------

    def renew(self, names: Sequence[str], ttl_s: float = LEASE_S) -> None:
        """Leases for workers of this ledger, from now on: unless renewed, they may not dial after 70 % of it.

        LostWorker when one of them was declared dead in the meantime: it starts again under another name.
        Workers that never had a lease are watched by whoever started them (see `lose_worker`).
        """
        self._fencing.renew([self._named(name) for name in names], ttl_s)

    def reap(self, longest_call_s: float = LONGEST_CALL_S) -> list[str]:
        """Fences workers of any ledger whose lease ran out: what they had only claimed is planned again.

        What they dialled may still be heard of; when no call can last any longer it becomes unknown and is
        never redialled.  Transactions of clients that froze are ended.  Returns the ids of the unknown ones.
        """
        return self._fencing.reap(longest_call_s)

    def lose_worker(self, worker: str) -> list[str]:
        """A worker died: what it dialled becomes unknown, keeps its slots and is never redialled.

        What it had only claimed was certainly not dialled and is planned again.  Returns the unknown ones.
        """
        return self._fencing.lose(self._named(worker))

    def lose_node(self, node: str) -> list[str]:
        """The same for all workers of a ledger (its `node`) that is known to be dead with its processes."""
        return self._fencing.lose_node(f"{node}/")

    def settle_left_over(self) -> list[str]:
        """Live attempts of other ledgers end as after `lose_worker`; returns the ids of the unknown ones.

        For the start of a store's only owner: whoever claimed them is dead.
        """
        return self._fencing.lose_others(self._named(""))

    # ---------- what nobody knows ----------

    def unresolved(self, campaign_id: str | None = None) -> list[Unresolved]:
        """Attempts of which nobody knows what became of them, oldest first; of all campaigns by default."""
        return self._unknown.all(campaign_id)

    def resolve(
        self,
        attempt_id: str,
        person: str,
        disposition: Disposition,
        reason: str,
        *,
        dial_again: bool = False,
    ) -> None:
        """A person closes an unknown attempt; it goes into the audit.  `reason` holds nothing personal.

        Only when nobody answered does its connected slot come back; only with `dial_again` does its contact.
        InputError when the attempt is not unknown, or person or reason is missing.
        """
        self._unknown.resolve(attempt_id, person, disposition, reason, dial_again)

    def _named(self, worker: str) -> str:
        return f"{self._node}/{worker}"
