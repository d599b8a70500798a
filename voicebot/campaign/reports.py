"""What the workers say: may I dial, this is how far the call is, this is what became of it.

Whatever happens to the store meanwhile, a report gives the call's line free again: a line that is never
given back is a run that never ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

import structlog

from handoff.queue import AgentQueue
from handoff.seat_line import KINDS, answer_desk
from voicebot.call.record import CallRecord
from voicebot.campaign.closing import STOPPED
from voicebot.campaign.ledger import Ledger
from voicebot.campaign.worker_pool import WorkerPool
from voicebot.store.database import Store
from voicebot.store.records import save_record
from voicebot.store.states import AttemptState, Disposition

log = structlog.get_logger()
T = TypeVar("T")

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
    why_not_dialled: str = ""
    last_fault: str = ""
    "A fault of the run itself: a dead part, a store that does not write."

    @property
    def fault(self) -> str:
        """What a person must be told; empty when all went well."""
        if self.last_fault or not self.not_dialled:
            return self.last_fault
        return f"the last {self.not_dialled} attempts were not dialled: {self.why_not_dialled}"


class Reports:
    """Answers the workers and writes down what they report.  `nudge` is set whenever a line is free again."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        queue: AgentQueue,
        watcher: Watcher,
        zone: ZoneInfo,
        pool: Callable[[], WorkerPool],
    ) -> None:
        self._store, self._ledger, self._queue = store, ledger, queue
        self._watcher, self._zone, self._pool = watcher, zone, pool
        # SQLite has one writer: every access goes through this one thread, never the event loop.
        self._database = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.facts = RunFacts()
        self.stopping = asyncio.Event()
        self.nudge = asyncio.Event()

    async def in_store(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Runs `work` on the store's thread."""
        return await asyncio.get_running_loop().run_in_executor(
            self._database, lambda: work(*arguments, **named)
        )

    def stop(self, fault: str = "") -> None:
        """No further dial from now on; calls in progress go on to their end."""
        if fault:
            log.error("run_stopped", reason=fault)
            self.facts.last_fault = fault
        self.stopping.set()
        self.nudge.set()

    async def hear(self, worker: str, kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """One message of a worker; returns the answer, if it is a question."""
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
                await self._closed(worker, body["record"])
            case "not_dialled" | "failed":
                await self._without_record(worker, kind, body)
            case _:
                raise ValueError(f"unknown message {kind}")
        return None

    async def _permit(self, attempt_id: str, worker: str) -> dict[str, Any]:
        if self.stopping.is_set():
            return {"allowed": False, "reason": STOPPED}
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

    async def _closed(self, worker: str, body: dict[str, Any]) -> None:
        attempt_id = str(body["attempt_id"])
        shown = {"state": "unknown", "disposition": Disposition.UNKNOWN.value}
        try:
            record = CallRecord.model_validate(body)
            await self._twice(self._write, record)
            shown = {"state": "closed", "disposition": record.disposition.value}
        except Exception as fault:  # the record is lost; the attempt must not stay open, nor the line taken
            name = type(fault).__name__
            log.error("record_not_written", attempt_id=attempt_id, fault=name)
            self.facts.last_fault = f"a call's record could not be written ({name})"
            shown["state"] = await self._unknown(attempt_id, name)
        finally:
            self._finish(worker, attempt_id, **shown)

    def _write(self, record: CallRecord) -> None:
        save_record(self._store, record)
        # A stop-list wish that could not be written during the call: it is in the record, and written now.
        late = any(event.kind == "effects_late" for event in record.events)
        self._ledger.apply_outcome(
            record.attempt_id,
            stop_list=record.stop_list if late else None,
            hold=record.hold if late else None,
            promise_date=record.promise_date,
            callback_at=self._moment(record.callback_at),
        )
        self._ledger.close(
            record.attempt_id,
            record.disposition,
            answered=record.answered_at is not None,
            sip_code=record.sip_code,
        )

    async def _twice(self, work: Callable[..., object], *arguments: Any) -> None:
        """A store may be busy for a moment: one more try, whose fault counts.  A ValueError is no such."""
        try:
            await self.in_store(work, *arguments)
        except ValueError:
            raise
        except Exception as fault:
            log.warning("store_write_repeated", fault=type(fault).__name__)
            await self.in_store(work, *arguments)

    async def _without_record(self, worker: str, kind: str, body: dict[str, Any]) -> None:
        attempt_id, reason = body["attempt_id"], body["reason"]
        shown = "not dialled"
        try:
            if kind == "failed":
                shown = await self._unknown(attempt_id, reason)
            elif body.get("refused") and reason != STOPPED:
                shown = "refused"
            else:
                await self.not_dialled(attempt_id, reason)
        finally:
            self._finish(worker, attempt_id, state=shown, disposition=reason)

    async def _unknown(self, attempt_id: str, reason: str) -> str:
        """The call broke on the way.  Whether it was answered is not certain, so it counts; without a permit
        it certainly was not dialled.  Returns what to show."""
        try:
            await self._twice(self._close_unknown, attempt_id)
        except ValueError:  # the ledger: it was never dialled
            await self.not_dialled(attempt_id, reason)
            return "not dialled"
        except Exception as fault:
            self.stop(f"the store does not write ({type(fault).__name__})")
            return "unknown"
        self.facts.lost += 1
        return "unknown"

    def _close_unknown(self, attempt_id: str) -> None:
        self._ledger.close(attempt_id, Disposition.UNKNOWN, answered=True)

    async def not_dialled(self, attempt_id: str, reason: str) -> None:
        """An order that led to no INVITE; its contact is planned again.  A run that only fails is stopped."""
        if reason != STOPPED:
            self.facts.not_dialled += 1
            self.facts.why_not_dialled = reason
            log.warning("not_dialled", attempt_id=attempt_id, reason=reason)
            if self.facts.not_dialled >= MOST_NOT_DIALLED:
                self.stop(f"{self.facts.not_dialled} attempts in a row were not dialled: {reason}")
        try:
            await self._twice(self._ledger.not_dialled, attempt_id, reason)
        except Exception as fault:
            self.stop(f"the store does not write ({type(fault).__name__})")

    def _moment(self, local: str | None) -> datetime | None:
        """A call-back is agreed in the campaign's local time."""
        return None if local is None else datetime.fromisoformat(local).replace(tzinfo=self._zone)

    def _finish(self, worker: str, attempt_id: str, **shown: str) -> None:
        self._pool().finished(worker, attempt_id)
        self._watcher.update(attempt_id, line="", **shown)
        self.nudge.set()

    async def on_death(self, worker: str, attempts: set[str]) -> None:
        """A worker ended with `attempts` on its lines: they are unknown, and its agents are free."""
        self._queue.lose_worker(worker)
        try:
            lost = await self.in_store(self._ledger.lose_worker, worker)
        except Exception as fault:
            self.stop(f"the store does not write ({type(fault).__name__})")
            lost = sorted(attempts)
        self.facts.lost += len(lost)
        for attempt_id in lost:
            self._watcher.update(attempt_id, state="unknown", disposition=Disposition.UNKNOWN.value, line="")
        for attempt_id in attempts.difference(lost):  # claimed only: back in the plan
            self._watcher.update(attempt_id, state="not dialled", disposition="", line="")
        self.nudge.set()

    def close(self) -> None:
        """Waits for what the store still writes."""
        self._database.shutdown(wait=True)
