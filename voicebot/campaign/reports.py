"""What the workers say: may I dial, this is how far the call is, this is what became of it.

Whatever happens to the store meanwhile, a report gives the call's line free again: a line that is never
given back is a run that never ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from handoff import card
from handoff.queue import AgentQueue
from handoff.seat_line import KINDS, answer_desk
from voicebot.call.preparation import TRUNK_DOWN
from voicebot.call.record import CallRecord
from voicebot.campaign.at_desk import RunAtDesk
from voicebot.campaign.closing import STOPPED
from voicebot.campaign.journal import is_away
from voicebot.campaign.ledger import Ledger
from voicebot.campaign.outcomes import Outcomes
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing
from voicebot.campaign.worker_pool import WorkerPool
from voicebot.store.states import AttemptState, Disposition

log = structlog.get_logger()

MOST_NOT_DIALLED = 20
"""So many in a row mean that a part of the site is down: the run stops instead of spinning."""
SETTLING_LOOK_S = 0.01
STORE_AWAY = "the store does not answer"
"""Why an order led to no INVITE while the store was away."""
NO_FAULT = frozenset({STOPPED, STORE_AWAY, TRUNK_DOWN})
"""Reasons that are no fault of a line or trunk, and do not add up."""


class Watcher(Protocol):
    """Whoever shows the run to a person (the live table)."""

    def update(self, attempt_id: str, **fields: Any) -> None: ...

    def counters(self, **numbers: int) -> None: ...

    def enrolling(self, done: int, wanted: int) -> None: ...


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
        ledger: Ledger,
        outcomes: Outcomes,
        queue: AgentQueue,
        watcher: Watcher,
        pool: Callable[[], WorkerPool],
        pacing: CampaignPacing,
        at_desk: RunAtDesk,
    ) -> None:
        self._at_desk = at_desk
        self._ledger, self._outcomes, self._queue = ledger, outcomes, queue
        self._watcher, self._pool, self._pacing = watcher, pool, pacing
        self._permitted: set[str] = set()
        "Permits whose INVITE has not left yet, as far as the workers have told."
        self.ringing: set[str] = set()
        "Dialled and not answered yet."
        self.facts = RunFacts()
        self.stopping = asyncio.Event()
        self.nudge = asyncio.Event()

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
            answer = answer_desk(self._queue, worker, kind, body)
            self._pacing.desk(kind, body, answer)
            self._at_desk.seat(kind, body, answer)
            return answer
        if kind in card.KINDS:
            self._at_desk.hear(kind, body)
            return None
        match kind:
            case "permit":
                return await self._permit(body["attempt_id"], worker)
            case "progress":
                await self._progress(body)
            case "trunk":
                self._pool().hear_of_trunk(worker, body)
                self.nudge.set()
            case "invited":
                self._permitted.discard(body["attempt_id"])
            case "effects":
                await self._outcomes.in_store(
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
        self._permitted.add(attempt_id)
        try:
            decision = await self._outcomes.in_store(self._ledger.permit, attempt_id, worker)
        except BaseException as fault:
            self._permitted.discard(attempt_id)
            if is_away(fault):  # it may have been written all the same; then the outcome corrects it
                return {"allowed": False, "reason": STORE_AWAY}
            raise
        if not decision.allowed:
            self._permitted.discard(attempt_id)
            first = decision.refusals[0]
            self._watcher.update(attempt_id, state="refused", disposition=first.reason)
            return {"allowed": False, "reason": first.reason}
        self.ringing.add(attempt_id)
        self._pacing.dialled(attempt_id)
        self.facts.not_dialled = 0
        self._watcher.update(attempt_id, state="dialling")
        return {"allowed": True}

    async def settled(self, within_s: float) -> bool:
        """Waits until every INVITE that was permitted has left; False when one did not within the time."""
        for _ in range(int(within_s / SETTLING_LOOK_S)):
            if not self._permitted:
                return True
            await asyncio.sleep(SETTLING_LOOK_S)
        return not self._permitted

    async def _progress(self, body: dict[str, Any]) -> None:
        attempt_id = body.pop("attempt_id")
        state = body.get("state")
        self._watcher.update(attempt_id, **body)
        if state == AttemptState.RINGING:
            self._pacing.ringing(attempt_id)
        if state == AttemptState.ANSWERED:
            self.ringing.discard(attempt_id)
            self._pacing.answered(attempt_id)
        if state in (AttemptState.RINGING, AttemptState.ANSWERED) and not self._outcomes.away:
            await self._mark(attempt_id, AttemptState(state))

    async def _mark(self, attempt_id: str, state: AttemptState) -> None:
        try:
            await self._outcomes.in_store(self._ledger.mark, attempt_id, state)
        except Exception as fault:
            if not is_away(fault):  # away: the record will tell it again
                raise

    async def _closed(self, worker: str, body: dict[str, Any]) -> None:
        attempt_id = str(body["attempt_id"])
        shown = {"state": "unknown", "disposition": Disposition.UNKNOWN.value}
        try:
            record = CallRecord.model_validate(body)
            self._pacing.ended(
                attempt_id, sip_code=record.sip_code, disposition=record.disposition, rtp=_sound(record)
            )
            await self._outcomes.closed(record)
            shown = {"state": "closed", "disposition": record.disposition.value}
        except Exception as fault:  # the record is lost; the attempt must not stay open, nor the line taken
            name = type(fault).__name__
            log.error("record_not_written", attempt_id=attempt_id, fault=name)
            self.facts.last_fault = f"a call's record could not be written ({name})"
            shown["state"] = await self._unknown(attempt_id, name)
        finally:
            self._finish(worker, attempt_id, **shown)

    async def _without_record(self, worker: str, kind: str, body: dict[str, Any]) -> None:
        attempt_id, reason = body["attempt_id"], body["reason"]
        shown = "not dialled"
        try:
            if kind == "failed":
                shown = await self._unknown(attempt_id, reason)
            elif body.get("refused") and reason not in NO_FAULT:
                shown = "refused"
            else:
                await self.not_dialled(attempt_id, reason)
        finally:
            self._finish(worker, attempt_id, state=shown, disposition=reason)

    async def _unknown(self, attempt_id: str, reason: str) -> str:
        """The call broke on the way.  Returns what to show."""
        try:
            shown = await self._outcomes.unknown(attempt_id, reason)
        except Exception as fault:
            self.stop(f"the store does not write ({type(fault).__name__})")
            return "unknown"
        if shown == "unknown":
            self.facts.lost += 1
        else:
            self._count_not_dialled(attempt_id, reason)
        return shown

    async def not_dialled(self, attempt_id: str, reason: str) -> None:
        """An order that led to no INVITE; its contact is planned again.  A run that only fails is stopped."""
        self._count_not_dialled(attempt_id, reason)
        try:
            await self._outcomes.not_dialled(attempt_id, STOPPED if reason in NO_FAULT else reason)
        except Exception as fault:
            self.stop(f"the store does not write ({type(fault).__name__})")

    def _count_not_dialled(self, attempt_id: str, reason: str) -> None:
        if reason in NO_FAULT:
            return
        self.facts.not_dialled += 1
        self.facts.why_not_dialled = reason
        log.warning("not_dialled", attempt_id=attempt_id, reason=reason)
        if self.facts.not_dialled >= MOST_NOT_DIALLED:
            self.stop(f"{self.facts.not_dialled} attempts in a row were not dialled: {reason}")

    def _finish(self, worker: str, attempt_id: str, **shown: str) -> None:
        self._permitted.discard(attempt_id)
        self.ringing.discard(attempt_id)
        self._pacing.dropped(attempt_id)  # nothing, when its end was told already
        self._at_desk.forget(attempt_id)
        self._pool().finished(worker, attempt_id)
        self._watcher.update(attempt_id, line="", **shown)
        self.nudge.set()

    async def on_death(self, worker: str, attempts: set[str]) -> None:
        """A worker ended with `attempts` on its lines: they are unknown, and its agents are free."""
        self._queue.lose_worker(worker)
        self._permitted -= attempts
        self.ringing -= attempts
        for attempt_id in attempts:
            self._pacing.dropped(attempt_id)
            self._at_desk.forget(attempt_id)
        lost: list[str] | None = None
        try:
            lost = await self._outcomes.lose_worker(worker)
        except Exception as fault:
            self.stop(f"the store does not write ({type(fault).__name__})")
        if lost is None:  # not written yet: what it held counts as lost until then
            lost = sorted(attempts)
        self.facts.lost += len(lost)
        for attempt_id in lost:
            self._watcher.update(attempt_id, state="unknown", disposition=Disposition.UNKNOWN.value, line="")
        for attempt_id in attempts.difference(lost):  # claimed only: back in the plan
            self._watcher.update(attempt_id, state="not dialled", disposition="", line="")
        self.nudge.set()


def _sound(record: CallRecord) -> bool | None:
    """Whether sound arrived from an answered call; None when it was not answered."""
    if record.answered_at is None:
        return None
    return not any(event.kind == "no_rtp" for event in record.events)
