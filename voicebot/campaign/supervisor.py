"""One campaign on one machine: claims, permits, records, hands over, and never dials twice.

The supervisor asks the ledger for attempts and gives them to the workers; what these ask and report is in
`reports`, what becomes of it in `outcomes`; what people ask of it comes through `steering`.  A worker's death
closes its calls as `unknown`; the supervisor's own death leaves attempts claimed, and whoever works on that
store next closes them as `unknown`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from handoff.queue import AgentQueue
from handoff.seats_now import SeatsNow
from sip.trunk import Trunk
from voicebot.call.order import DialOrder, Services
from voicebot.campaign.at_desk import RunAtDesk
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.halts import BALANCES, HELD_UP_BY
from voicebot.campaign.journal import Journal, is_away
from voicebot.campaign.ledger import Claim, Ledger, LostWorker
from voicebot.campaign.orders import dial_order, track_flags
from voicebot.campaign.outcomes import STORE, Outcomes
from voicebot.campaign.pacing.alarms import AlarmKind, Alarms
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing
from voicebot.campaign.prompts_ahead import PromptsAhead
from voicebot.campaign.reports import Reports, RunFacts, Watcher
from voicebot.campaign.worker_pool import HEALTH_EVERY_S, WORKER, WorkerPool
from voicebot.clock import Clock
from voicebot.policy.gate import Refusal
from voicebot.store.database import Store

log = structlog.get_logger()
T = TypeVar("T")

IDLE_S = 0.1
"""How often the ledger is asked when there was nothing to claim a moment ago."""
SWEEP_S = 1.0
"""How often the agent queue is swept and the numbers for a person are counted."""


class Supervisor:
    """Runs until every attempt is closed or `stop` was asked for."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        campaign: Campaign,
        campaign_id: str,
        voice: str,
        trunk: Trunk,
        clock: Clock,
        queue: AgentQueue,
        prompts: PromptsAhead,
        watcher: Watcher,
        run_slots: Callable[[], Mapping[str, str]],
        journal: Journal,
        pacing: CampaignPacing,
        alarms: Alarms,
    ) -> None:
        self._ledger, self._campaign, self._campaign_id = ledger, campaign, campaign_id
        self._voice, self._trunk, self._clock, self._queue = voice, trunk, clock, queue
        self._prompts, self._watcher, self._run_slots = prompts, watcher, run_slots
        self._pacing, self._alarms = pacing, alarms
        self.outcomes = Outcomes(store, ledger, campaign.zone, journal, lambda: self.pause(STORE))
        self.at_desk = RunAtDesk(campaign.name, campaign_id, queue, clock)
        self._reports = Reports(
            ledger=ledger,
            outcomes=self.outcomes,
            queue=queue,
            watcher=watcher,
            pool=self._workers,
            pacing=pacing,
            at_desk=self.at_desk,
        )
        self._pool: WorkerPool | None = None
        self._paused: set[str] = set()
        self._halt: str | None = None
        self._again_s = IDLE_S

    @property
    def facts(self) -> RunFacts:
        """What this run counted so far."""
        return self._reports.facts

    @property
    def campaign(self) -> Campaign:
        """As it is in force now."""
        return self._campaign

    def pool(
        self,
        workers: int,
        services: Services,
        sockets: Path,
        logs: Path,
        program: Sequence[str] = WORKER,
        health_every_s: float = HEALTH_EVERY_S,
    ) -> WorkerPool:
        """The workers that report here."""
        self._pool = WorkerPool(
            workers,
            services,
            sockets,
            logs,
            on_message=self._reports.hear,
            on_death=self._reports.on_death,
            program=program,
            health_every_s=health_every_s,
        )
        return self._pool

    def _workers(self) -> WorkerPool:
        assert self._pool is not None, "there are no workers yet"
        return self._pool

    def stop(self, fault: str = "") -> None:
        """No further dial from now on; calls in progress go on to their end."""
        self._reports.stop(fault)

    def pause(self, part: str) -> None:
        """Claims nothing while `part` of the site is down."""
        self._paused.add(part)

    def resume(self, part: str) -> None:
        """It is there again."""
        self._paused.discard(part)
        self._reports.nudge.set()

    def end_calls(self, reason: str, attempt_ids: Collection[str] | None = None) -> int:
        """Ringing calls are cancelled, answered ones end politely: all of them, or those named.

        Returns how many calls were told.
        """
        workers = self._workers()
        ids = workers.attempts if attempt_ids is None else attempt_ids
        return sum(workers.tell(attempt_id, "end", reason=reason) for attempt_id in ids)

    def cancel_ringing(self, attempt_ids: Collection[str], reason: str) -> int:
        """Cancels those of them that were dialled and not answered yet; returns how many."""
        return self.end_calls(reason, self._reports.ringing.intersection(attempt_ids))

    async def settled(self, within_s: float) -> bool:
        """Waits until every INVITE that was permitted has left; False when not within the time."""
        return await self._reports.settled(within_s)

    def change(self, campaign: Campaign) -> None:
        """Its file was edited: from now on this is in force (what may not change is the same in it)."""
        self._campaign = campaign
        self._pacing.changed(campaign.pacing, campaign.lines, calls_per_second(campaign, self._trunk))
        self._reports.nudge.set()

    async def ask_worker(
        self, attempt_id: str, kind: str, body: dict[str, Any], *, within_s: float
    ) -> dict[str, Any]:
        """Asks the worker that holds an attempt.  LookupError when none does; else as Link.ask."""
        return await self._workers().ask(attempt_id, kind, body, within_s=within_s)

    @property
    def workers(self) -> list[str]:
        """Names of the call workers that are at work."""
        return self._workers().names

    def numbers(self) -> dict[str, Any]:
        """This node's live numbers, for others to see; nothing personal."""
        pool, facts = self._pool, self.facts
        return {
            "workers": pool.alive if pool else 0,
            "calls": pool.calls if pool else 0,
            "ringing": len(self._reports.ringing),
            "waiting_for_agent": self._queue.stats().waiting,
            "held_up_by": sorted(
                self._paused | self._not_registered() | ({self._halt} if self._halt else set())
            ),
            "registration": pool.registration() if pool else {},
            "pacing": self._pacing.status().as_dict(),
            "alarms": [alarm.as_dict() for alarm in self._alarms.active()],
            "ending": self._reports.stopping.is_set(),
            "lost": facts.lost,
            "outcomes_kept": self.outcomes.kept,
            "outcomes_waiting": self.outcomes.waiting,
            "fault": facts.fault,
        }

    def _not_registered(self) -> set[str]:
        """The trunk's name when no worker is registered with it: nothing can be dialled."""
        state = self._pool.registration() if self._pool else {}
        held_up = state and state["missing"] and not state["registered"]
        return {f"registration with {self._trunk.name}"} if held_up else set()

    def _watch_registration(self) -> None:
        state, subject = self._workers().registration(), self._trunk.name
        if state["missing"]:
            workers = state["missing"] + state["registered"]
            reason = f"{state['missing']} of {workers} workers: {state['text']}"
            self._alarms.raised(AlarmKind.NOT_REGISTERED, subject, reason)
        else:
            self._alarms.cleared(AlarmKind.NOT_REGISTERED, subject)

    async def run(self) -> None:
        """Places every call that the gate allows; returns when none is open any more."""
        sweep = asyncio.get_running_loop().create_task(self._sweep())
        try:
            await self._place_calls()
        except Exception as fault:
            self.stop(f"the supervisor failed ({type(fault).__name__})")
            await self._calls_end()
        finally:
            sweep.cancel()

    async def _place_calls(self) -> None:
        workers, stopping = self._workers(), self._reports.stopping
        while True:
            if workers.alive == 0:
                self.stop("no call worker left")
                return
            try:
                if not stopping.is_set() and not self._paused and await self._dial_next():
                    continue
                if workers.calls == 0 and (stopping.is_set() or await self._nothing_left()):
                    return
            except Exception as fault:
                if not is_away(fault):
                    raise
            await self._something_happens()

    async def _calls_end(self) -> None:
        workers = self._workers()
        while workers.calls and workers.alive:
            await self._something_happens()

    async def _something_happens(self) -> None:
        self._reports.nudge.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(IDLE_S, self._again_s)):
                await self._reports.nudge.wait()

    async def _in_store(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self.outcomes.in_store(work, *arguments)

    async def _nothing_left(self) -> bool:
        """Nothing more today.  What is planned for another day is another run's; a simulated run does not sit
        through the hours until a call-back either."""
        if self.outcomes.away:
            return False
        progress = await self._in_store(self._ledger.progress, self._campaign_id)
        if self._clock.simulated:
            return progress.open == 0
        due = await self._in_store(self._ledger.next_ready, self._campaign_id)
        return due is None or due.date() > self._clock.now().date()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._queue.sweep()
            self._pacing.sweep(self._seats())
            self._watch_registration()
            try:
                await self._count()
            except Exception as fault:  # numbers for a person: the calls go on without them
                log.warning("not_counted", fault=type(fault).__name__)

    # ---- dialling ----

    def _seats(self) -> SeatsNow:
        return self._queue.seats(self._campaign.queue)

    async def _dial_next(self) -> bool:
        """True when calls were given to a worker, or one could not be."""
        workers = self._workers()
        free, allowed = workers.free(), self._pacing.allowance(self._seats())
        self._again_s = allowed.again_s or IDLE_S
        if not free or not allowed.calls:
            return False
        calls = min(allowed.calls, workers.room(free[0]))
        try:
            claims = await self._in_store(
                self._ledger.claim, self._campaign_id, free[0], calls, self._pacing.choose_caller
            )
        except LostWorker:
            return False
        for claim in claims:
            await self._give(claim, free[0])
        return bool(claims)

    async def _give(self, claim: Claim, worker: str) -> None:
        """Has the claim's prompts rendered and sends it to its worker.  A fault is this attempt's alone."""
        try:
            flags = track_flags(claim, self._campaign)
            fault = await self._prompts.render_for(claim.slots, flags)
            if fault is None:
                self._watcher.update(
                    claim.attempt_id,
                    phone=claim.phone_masked,
                    case=claim.case_id,
                    state="claimed",
                    worker=worker,
                )
                self._pacing.given(claim.attempt_id, claim.caller)
                if not self._workers().dial(worker, self._order(claim)):
                    fault = "worker lost"
        except Exception as broken:
            fault = type(broken).__name__
        if fault is not None:
            self._pacing.dropped(claim.attempt_id)
            await self._reports.not_dialled(claim.attempt_id, fault)
            self._watcher.update(claim.attempt_id, state="not dialled", disposition=fault)

    def _order(self, claim: Claim) -> DialOrder:
        return dial_order(claim, self._campaign, self._trunk, self._voice, self._run_slots(), self._clock)

    async def _count(self) -> None:
        if self.outcomes.away:
            return
        self._note_halt(await self._in_store(self._ledger.halt, self._campaign_id))
        progress = await self._in_store(self._ledger.progress, self._campaign_id)
        self._watcher.counters(
            lines=self._workers().calls,
            planned=progress.planned,
            done=progress.done,
            refused=progress.refused,
            waiting=self._queue.stats().waiting,
        )

    def _note_halt(self, refusal: Refusal | None) -> None:
        halt = None if refusal is None else HELD_UP_BY.get(refusal)  # of a pause `steering` tells
        if halt != self._halt:
            log.info("dials_again" if halt is None else "dials_nothing", halt=halt or self._halt)
            if refusal is BALANCES and self._clock.simulated:  # nobody mends them while it runs
                self.stop(f"held up by {halt}")
        self._halt = halt

    def close(self) -> None:
        """Waits for what the store still writes."""
        self.outcomes.close()


def calls_per_second(campaign: Campaign, trunk: Trunk) -> float:
    """The campaign's limit and the carrier's, whichever is less."""
    return min(campaign.calls_per_second, trunk.cps)
