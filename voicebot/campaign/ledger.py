"""The ledger: which attempt is dialled next, by whom, and what became of it.  One truth in one transaction.

Claim: planned → claimed, with a slot of every counter reserved.  Permit: the gate again, then the intent is
written (dialling) before the INVITE.  Close: exactly once.  What a dead worker had dialled becomes unknown,
keeps its slots, and nobody dials it again by himself; what it had only claimed is planned again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import select, update

from voicebot.campaign.attempts import Attempts, LostWorker
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.claiming import Claim, Claiming
from voicebot.campaign.closing import Closing
from voicebot.campaign.contact_list import ListRow
from voicebot.campaign.enrolment import Enrolment
from voicebot.campaign.facts import FactFinder
from voicebot.campaign.progress import Progress, RefusedRow, progress, refusals
from voicebot.campaign.running import RunningCampaigns
from voicebot.clock import Clock
from voicebot.policy.gate import Decision, Gate
from voicebot.store.audit import AuditChain, moment_ms
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow, CampaignRow
from voicebot.store.states import AttemptState, Disposition

__all__ = ["Claim", "Ledger", "LostWorker", "Progress", "RefusedRow"]

SIMULATED_PATIENCE_MS = 60_000
"""A simulated clock runs at real speed: such a run does not wait for what is planned later than this."""


class Ledger:
    """`recorder_ready` is asked at every decision: no recorder, no call.

    Workers are named within one ledger: each ledger has a node id of its own, so that a name used again after
    a restart is another worker.
    """

    def __init__(self, store: Store, gate: Gate, clock: Clock, *, recorder_ready: Callable[[], bool]) -> None:
        self._store, self._clock = store, clock
        self._node = secrets.token_hex(4)
        self._audit = AuditChain(store, clock)
        self._campaigns = RunningCampaigns(store, gate)
        attempts, facts = Attempts(store), FactFinder(store, gate, clock)
        self._closing = Closing(store, clock, attempts, facts, self._campaigns)
        self._claiming = Claiming(
            store, gate, clock, recorder_ready, attempts, facts, self._closing, self._campaigns
        )

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

    def progress(self, campaign_id: str) -> Progress:
        """Numbers for the live table and the summary."""
        now_ms = moment_ms(self._clock.now())
        horizon_ms = now_ms + SIMULATED_PATIENCE_MS if self._clock.simulated else None
        return progress(self._store, campaign_id, horizon_ms)

    def refusals(self, campaign_id: str) -> list[RefusedRow]:
        """Every attempt that the gate refused, with its first reason."""
        return refusals(self._store, campaign_id)

    def next_ready(self, campaign_id: str) -> datetime | None:
        """When the next planned attempt may be claimed; None when nothing is planned within the dates."""
        query = (
            select(AttemptRow.due_ms)
            .where(AttemptRow.campaign_id == campaign_id, AttemptRow.state == AttemptState.PLANNED)
            .order_by(AttemptRow.due_ms)
            .limit(1)
        )
        with self._store.reading() as connection:
            due_ms = connection.execute(query).scalar()
        if due_ms is None:
            return None
        now = self._clock.now()
        due = datetime.fromtimestamp(due_ms / 1000, now.tzinfo)
        return self._campaigns.get(campaign_id).hours.next_open(max(due, now))

    # ---------- before the call ----------

    def claim(self, campaign_id: str, worker: str, n: int) -> list[Claim]:
        """Up to `n` attempts for a worker.  What the gate refuses becomes `refused` and is not claimed.

        Raises LostWorker when the worker was declared dead.
        """
        return self._claiming.claim(campaign_id, self._named(worker), n)

    def permit(self, attempt_id: str, worker: str) -> Decision:
        """The gate again, right before the INVITE.  Allowed: the intent is written (dialling) and committed.

        Raises LostWorker, LookupError, or IllegalMove when the attempt is not this worker's claimed one.
        """
        return self._claiming.permit(attempt_id, self._named(worker))

    def not_dialled(self, attempt_id: str, why: str) -> bool:
        """A claimed or permitted attempt that certainly was not dialled: slots go back, it is planned again.

        After three times its contact is given up; "stopped" (by a person) is no fault and does not count.
        False when the attempt was closed already.
        """
        return self._closing.close(attempt_id, Disposition.NOT_DIALLED, False, 0, None, why=why)

    # ---------- during and after the call ----------

    def mark(self, attempt_id: str, state: AttemptState) -> None:
        """ringing or answered.  IllegalMove when the attempt is not where that leads from."""
        self._closing.mark(attempt_id, state)

    def close(
        self,
        attempt_id: str,
        disposition: Disposition,
        *,
        answered: bool,
        sip_code: int = 0,
        next_try: datetime | None = None,
    ) -> bool:
        """Closes an attempt once.  False when it was closed already (a late report: kept in the audit chain).

        `answered=False` only when it is certain that nobody answered: then its slots are given back.
        """
        return self._closing.close(attempt_id, disposition, answered, sip_code, next_try)

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
        self._closing.apply_outcome(attempt_id, stop_list, hold, promise_date, callback_at)

    def lose_worker(self, worker: str) -> list[str]:
        """A worker died: what it dialled becomes unknown, keeps its slots and is never redialled.

        What it had only claimed was certainly not dialled and is planned again.  Returns the unknown ones.
        """
        return self._closing.lose_worker(self._named(worker))

    def settle_left_over(self) -> list[str]:
        """Live attempts of other ledgers end as after `lose_worker`; returns the ids of the unknown ones.

        For the start of a store's only owner: whoever claimed them is dead.
        """
        return self._closing.lose_others(self._named(""))

    def reload(self, campaign_id: str) -> None:
        """Its file was edited: from now on it is used as it stands in the store."""
        self._campaigns.forget(campaign_id)

    @property
    def node(self) -> str:
        """The prefix of this ledger's workers in the store: one for each process."""
        return self._node

    def _named(self, worker: str) -> str:
        return f"{self._node}/{worker}"
