"""One run of one campaign on one machine: claims, permits, records, hands over, and never dials twice.

The supervisor owns the store.  It asks the ledger for attempts, gives them to the workers, answers
their questions (may I dial? is an agent free?) and writes down what they report.  A worker's death
closes its calls as `unknown`; the supervisor's own death leaves attempts claimed, and a later start
asks a person about them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from handoff.queue import AgentQueue
from handoff.seat_line import KINDS, answer_desk
from sip.trunk import Trunk
from voicebot.call.order import CaseSlot, DialOrder, Services
from voicebot.call.record import CallRecord
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.ledger import Claim, Ledger
from voicebot.campaign.prompts_ahead import PromptsAhead
from voicebot.campaign.worker_pool import WorkerPool
from voicebot.clock import Clock
from voicebot.store.database import Store
from voicebot.store.records import save_record
from voicebot.store.states import AttemptState, Disposition

log = structlog.get_logger()
T = TypeVar("T")

IDLE_S = 0.1
"""How often the ledger is asked when there was nothing to claim a moment ago."""
QUEUE_SWEEP_S = 1.0
MOST_NOT_DIALLED = 20
"""So many in a row mean that a part of the site is down: the run stops instead of spinning."""


class Watcher(Protocol):
    """Whoever shows the run to a person (the live table)."""

    def update(self, attempt_id: str, **fields: Any) -> None: ...

    def counters(self, **numbers: int) -> None: ...


@dataclass
class RunFacts:
    """What one run counts beside the store."""

    lost: int = 0
    not_dialled: int = 0
    "Attempts in a row that could not be dialled; a dialled one sets it back."
    last_fault: str = ""
    started: float = field(default_factory=time.monotonic)


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
        self._store, self._ledger, self._campaign = store, ledger, campaign
        self._campaign_id, self._voice = campaign_id, voice
        self._trunk, self._clock, self._queue = trunk, clock, queue
        self._prompts, self._watcher, self._run_slots = prompts, watcher, run_slots
        # SQLite has one writer: every access goes through this one thread, never the event loop.
        self._database = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._pool: WorkerPool | None = None
        self._stopping = asyncio.Event()
        self._nudge = asyncio.Event()
        self._next_dial_at = 0.0
        self.facts = RunFacts()

    async def in_store(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Runs `work` on the store's thread."""
        return await asyncio.get_running_loop().run_in_executor(
            self._database, lambda: work(*arguments, **named)
        )

    def pool(self, workers: int, services: Services, sockets: Path, logs: Path) -> WorkerPool:
        """The workers that report here."""
        self._pool = WorkerPool(
            workers, services, sockets, logs, on_message=self._hear, on_death=self._on_death
        )
        return self._pool

    def stop(self) -> None:
        """No further dial from now on; calls in progress go on to their end."""
        self._stopping.set()
        self._nudge.set()

    async def run(self) -> None:
        """Places every call that the gate allows; returns when none is open any more."""
        assert self._pool is not None
        sweep = asyncio.get_running_loop().create_task(self._sweep_queue())
        try:
            while True:
                dialled = False if self._stopping.is_set() else await self._dial_next()
                if dialled:
                    continue
                if self._pool.calls == 0 and (self._stopping.is_set() or await self._nothing_left()):
                    return
                if self._pool.size == 0:
                    log.error("no_workers_left")
                    return
                self._nudge.clear()
                try:
                    await asyncio.wait_for(self._nudge.wait(), IDLE_S)
                except TimeoutError:
                    continue
        finally:
            sweep.cancel()

    async def _nothing_left(self) -> bool:
        """Nothing more today.  What is planned for another day is another run's; a simulated run does not sit
        through the hours until a call-back either."""
        progress = await self.in_store(self._ledger.progress, self._campaign_id)
        if self._clock.simulated:
            return progress.open == 0
        due = await self.in_store(self._ledger.next_ready, self._campaign_id)
        return due is None or due.date() > self._clock.now().date()

    async def _sweep_queue(self) -> None:
        while True:
            await asyncio.sleep(QUEUE_SWEEP_S)
            self._queue.sweep()

    # ---- dialling ----

    async def _dial_next(self) -> bool:
        """True when a call was given to a worker."""
        assert self._pool is not None
        free = self._pool.free()
        if not free or self._pool.calls >= self._campaign.lines:
            return False
        await self._pace()
        worker = free[0]
        claims = await self.in_store(self._ledger.claim, self._campaign_id, worker, 1)
        await self._count()
        if not claims:
            return False
        claim = claims[0]
        if fault := await self._prompts.render_for(claim.slots, track_flags(claim, self._campaign)):
            await self._not_dialled(claim.attempt_id, fault)
            self._watcher.update(claim.attempt_id, state="not dialled", disposition=fault)
            return True
        self._watcher.update(
            claim.attempt_id, phone=claim.phone_masked, case=claim.case_id, state="claimed", worker=worker
        )
        if not self._pool.dial(worker, self._order(claim)):
            await self._not_dialled(claim.attempt_id, "worker lost")
        return True

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

    # ---- what the workers say ----

    async def _hear(self, worker: str, kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if kind in KINDS:
            return answer_desk(self._queue, worker, kind, body)
        match kind:
            case "permit":
                return await self._permit(body["attempt_id"], worker)
            case "progress":
                await self._progress(body)
            case "effects":
                await self.in_store(
                    self._ledger.apply_outcome,
                    body["attempt_id"],
                    stop_list=body["stop_list"],
                    hold=body["hold"],
                )
            case "closed":
                await self._closed(worker, CallRecord.model_validate(body["record"]))
            case "not_dialled" | "failed":
                await self._without_record(worker, kind, body)
            case _:
                raise ValueError(f"unknown message {kind}")
        return None

    async def _permit(self, attempt_id: str, worker: str) -> dict[str, Any]:
        if self._stopping.is_set():
            return {"allowed": False, "reason": "stopped"}
        decision = await self.in_store(self._ledger.permit, attempt_id, worker)
        if not decision.allowed:
            first = decision.refusals[0]
            self._watcher.update(attempt_id, state="refused", disposition=first.reason)
            return {"allowed": False, "reason": first.reason}
        self.facts.not_dialled = 0
        self._watcher.update(attempt_id, state="dialling")
        return {"allowed": True}

    async def _progress(self, body: dict[str, Any]) -> None:
        attempt_id = body.pop("attempt_id")
        if (state := body.get("state")) in (AttemptState.RINGING, AttemptState.ANSWERED):
            await self.in_store(self._ledger.mark, attempt_id, AttemptState(state))
        self._watcher.update(attempt_id, **body)

    async def _closed(self, worker: str, record: CallRecord) -> None:
        def write() -> None:
            save_record(self._store, record)
            self._ledger.apply_outcome(
                record.attempt_id,
                promise_date=record.promise_date,
                callback_at=self._moment(record.callback_at),
            )
            self._ledger.close(
                record.attempt_id,
                record.disposition,
                answered=record.answered_at is not None,
                sip_code=record.sip_code,
            )

        await self.in_store(write)
        self._finish(worker, record.attempt_id, state="closed", disposition=record.disposition.value)

    async def _without_record(self, worker: str, kind: str, body: dict[str, Any]) -> None:
        attempt_id, reason = body["attempt_id"], body["reason"]
        if kind == "failed":
            # The call broke inside the worker: whether it was answered is not certain, so it counts.
            await self.in_store(self._ledger.close, attempt_id, Disposition.UNKNOWN, answered=True)
            self.facts.lost += 1
            self._finish(worker, attempt_id, state="unknown", disposition=reason)
        elif body.get("refused") and reason != "stopped":
            self._finish(worker, attempt_id, state="refused", disposition=reason)
        else:
            await self._not_dialled(attempt_id, reason)
            self._finish(worker, attempt_id, state="not dialled", disposition=reason)

    async def _not_dialled(self, attempt_id: str, reason: str) -> None:
        self.facts.not_dialled += 1
        self.facts.last_fault = reason
        log.warning("not_dialled", attempt_id=attempt_id, reason=reason)
        if self.facts.not_dialled >= MOST_NOT_DIALLED:
            log.error("run_stopped", reason=reason)
            self.stop()
        await self.in_store(self._ledger.not_dialled, attempt_id, reason)

    def _moment(self, local: str | None) -> datetime | None:
        """A call-back is agreed in the campaign's local time."""
        return None if local is None else datetime.fromisoformat(local).replace(tzinfo=self._campaign.zone)

    def _finish(self, worker: str, attempt_id: str, **shown: str) -> None:
        assert self._pool is not None
        self._pool.finished(worker, attempt_id)
        self._watcher.update(attempt_id, line="", **shown)
        self._nudge.set()

    async def _on_death(self, worker: str, attempts: set[str]) -> None:
        lost = await self.in_store(self._ledger.lose_worker, worker)
        self._queue.lose_worker(worker)
        self.facts.lost += len(lost)
        for attempt_id in lost:
            self._watcher.update(attempt_id, state="unknown", disposition=Disposition.UNKNOWN.value, line="")
        self._nudge.set()

    async def _count(self) -> None:
        assert self._pool is not None
        progress = await self.in_store(self._ledger.progress, self._campaign_id)
        self._watcher.counters(
            lines=self._pool.calls,
            planned=progress.planned,
            done=progress.done,
            refused=progress.refused,
            waiting=self._queue.stats().waiting,
        )

    def close(self) -> None:
        self._database.shutdown(wait=True)


def track_flags(claim: Claim, campaign: Campaign) -> dict[str, bool]:
    """What the talk track may ask about a case; never inferred from speech."""
    return {
        **claim.flags,
        "agency": claim.flags.get("by_agency", False),
        "to_contact": claim.party == "contact",
        "leave_message": campaign.voicemail == "leave_line",
    }
