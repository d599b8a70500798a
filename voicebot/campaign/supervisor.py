"""One run of one campaign on one machine: claims, permits, records, hands over, and never dials twice.

The supervisor owns the store.  It asks the ledger for attempts and gives them to the workers; what these
ask and report is in `reports`.  A worker's death closes its calls as `unknown`; the supervisor's own death
leaves attempts claimed, and the next start on that store closes them as `unknown`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from handoff.queue import AgentQueue
from sip.trunk import Trunk
from voicebot.call.order import CaseSlot, DialOrder, Services
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.ledger import Claim, Ledger, LostWorker
from voicebot.campaign.prompts_ahead import PromptsAhead
from voicebot.campaign.reports import Reports, RunFacts, Watcher
from voicebot.campaign.worker_pool import HEALTH_EVERY_S, WORKER, WorkerPool
from voicebot.clock import Clock
from voicebot.store.database import Store

T = TypeVar("T")

IDLE_S = 0.1
"""How often the ledger is asked when there was nothing to claim a moment ago."""
QUEUE_SWEEP_S = 1.0


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
    ) -> None:
        self._ledger, self._campaign, self._campaign_id = ledger, campaign, campaign_id
        self._voice, self._trunk, self._clock, self._queue = voice, trunk, clock, queue
        self._prompts, self._watcher, self._run_slots = prompts, watcher, run_slots
        self._reports = Reports(
            store=store,
            ledger=ledger,
            queue=queue,
            watcher=watcher,
            zone=campaign.zone,
            pool=self._workers,
        )
        self._pool: WorkerPool | None = None
        self._paused: set[str] = set()
        self._next_dial_at = 0.0

    @property
    def facts(self) -> RunFacts:
        """What this run counted so far."""
        return self._reports.facts

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

    async def run(self) -> None:
        """Places every call that the gate allows; returns when none is open any more."""
        sweep = asyncio.get_running_loop().create_task(self._sweep_queue())
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
            if not stopping.is_set() and not self._paused and await self._dial_next():
                continue
            if workers.calls == 0 and (stopping.is_set() or await self._nothing_left()):
                return
            await self._something_happens()

    async def _calls_end(self) -> None:
        workers = self._workers()
        while workers.calls and workers.alive:
            await self._something_happens()

    async def _something_happens(self) -> None:
        self._reports.nudge.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._reports.nudge.wait(), IDLE_S)

    async def _in_store(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._reports.in_store(work, *arguments)

    async def _nothing_left(self) -> bool:
        """Nothing more today.  What is planned for another day is another run's; a simulated run does not sit
        through the hours until a call-back either."""
        progress = await self._in_store(self._ledger.progress, self._campaign_id)
        if self._clock.simulated:
            return progress.open == 0
        due = await self._in_store(self._ledger.next_ready, self._campaign_id)
        return due is None or due.date() > self._clock.now().date()

    async def _sweep_queue(self) -> None:
        while True:
            await asyncio.sleep(QUEUE_SWEEP_S)
            self._queue.sweep()

    # ---- dialling ----

    async def _dial_next(self) -> bool:
        """True when a call was given to a worker, or one could not be."""
        workers = self._workers()
        if not workers.free() or workers.calls >= self._campaign.lines:
            return False
        await self._pace()
        free = workers.free()  # not the one of before the pause: it may be dead
        if not free or self._reports.stopping.is_set():
            return False
        try:
            claims = await self._in_store(self._ledger.claim, self._campaign_id, free[0], 1)
        except LostWorker:
            return False
        if claims:
            await self._give(claims[0], free[0])
        await self._count()
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
                if not self._workers().dial(worker, self._order(claim)):
                    fault = "worker lost"
        except Exception as broken:
            fault = type(broken).__name__
        if fault is not None:
            await self._reports.not_dialled(claim.attempt_id, fault)
            self._watcher.update(claim.attempt_id, state="not dialled", disposition=fault)

    async def _pace(self) -> None:
        now = time.monotonic()
        self._next_dial_at = max(self._next_dial_at, now) + 1 / self._campaign.calls_per_second
        wait = self._next_dial_at - 1 / self._campaign.calls_per_second - now
        if wait > 0:
            await asyncio.sleep(wait)

    def _order(self, claim: Claim) -> DialOrder:
        return DialOrder(
            attempt_id=claim.attempt_id,
            campaign=self._campaign.name,
            case_id=claim.case_id,
            phone_masked=claim.phone_masked,
            request_uri=self._trunk.request_uri(claim.phone),
            caller_uri=self._trunk.caller_uri(claim.caller),
            caller=claim.caller,
            headers=self._trunk.invite_headers(claim.caller),
            digest=claim.digest,
            pack=claim.pack,
            voice=self._voice,
            slots={
                name: CaseSlot(type=kind, value=str(value)) for name, (kind, value) in claim.slots.items()
            },
            run_slots=dict(self._run_slots()),
            flags=track_flags(claim, self._campaign),
            tail_mac=claim.tail_mac,
            queue=self._campaign.queue,
            ring_s=self._campaign.ring_s,
            voicemail=self._campaign.voicemail,
            simulated_now=self._clock.now() if self._clock.simulated else None,
            today=self._clock.now().date(),
        )

    async def _count(self) -> None:
        progress = await self._in_store(self._ledger.progress, self._campaign_id)
        self._watcher.counters(
            lines=self._workers().calls,
            planned=progress.planned,
            done=progress.done,
            refused=progress.refused,
            waiting=self._queue.stats().waiting,
        )

    def close(self) -> None:
        """Waits for what the store still writes."""
        self._reports.close()


def track_flags(claim: Claim, campaign: Campaign) -> dict[str, bool]:
    """What the talk track may ask about a case; never inferred from speech."""
    return {
        **claim.flags,
        "agency": claim.flags.get("by_agency", False),
        "to_contact": claim.party == "contact",
        "leave_message": campaign.voicemail == "leave_line",
    }
