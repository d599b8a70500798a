"""Everything that a call needs, and callees to call, without a campaign: for benchmarks of calls.

Speech service, dialog service, call workers and simulated callees run as they do in a campaign, each in
processes of their own, and every call crosses real SIP and RTP on the loopback.  There is no store and no
gate: the rig says yes to every permit.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import psutil
import structlog

from dialogs.service import DialogService
from sip.trunk import Trunk, load_trunks
from voicebot.call.order import CaseSlot, DialOrder
from voicebot.call.record import CallRecord
from voicebot.campaign.approved_track import approved_digest
from voicebot.campaign.balances import balance_source
from voicebot.campaign.campaign_file import Campaign, load_campaign
from voicebot.campaign.campaign_lists import scan_lists
from voicebot.campaign.children import Child
from voicebot.campaign.contact_list import ListRow
from voicebot.campaign.row_sealer import case_slots
from voicebot.campaign.services import SpeechProcess
from voicebot.campaign.station import services_of
from voicebot.campaign.worker_pool import WorkerPool
from voicebot.settings import load_site
from voicebot.simulate.callee_process import LINES
from voicebot.simulate.result import CALLEES, CalleeResult
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

CAMPAIGN = Path("configs/campaigns/demo.yaml")
WORLD_READY_S = 60.0
RUN_SLOTS = {
    "callback_day": "今天",
    "callback_time": "14:30",
    "agent_eta": "一分钟以内",
    "call_time": "10:15",
}
COMPUTES, CARRIES_SOUND = 1, 2
"""Real-time priorities (SCHED_RR), so that other work on the machine does not count: nice values would not
do, for each child is a session of its own and the kernel shares between sessions first.  What carries sound
comes before what computes, as it would on a machine with nothing else to do."""


@dataclass(frozen=True)
class Load:
    """CPU seconds that the parts have used so far."""

    workers: float
    speech: float
    dialog: float
    callees: float

    def since(self, before: Load) -> Load:
        return Load(
            self.workers - before.workers,
            self.speech - before.speech,
            self.dialog - before.dialog,
            self.callees - before.callees,
        )


@dataclass
class Calls:
    """What came of a stretch of calls."""

    records: list[CallRecord] = field(default_factory=list)
    callees: list[CalleeResult] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    "Reasons of calls that were not placed or broke."
    load: Load = Load(0, 0, 0, 0)
    seconds: float = 0.0

    @property
    def call_seconds(self) -> float:
        """From the answer to the end, summed up."""
        return sum(
            (record.ended_at - record.answered_at).total_seconds()
            for record in self.records
            if record.answered_at is not None
        )

    @property
    def talk_share(self) -> float:
        """How much of the calls the callees spoke."""
        spoken = sum(
            turn.end_s - turn.start_s
            for record in self.records
            for turn in record.turns
            if turn.speaker != "bot"
        )
        return spoken / self.call_seconds if self.call_seconds else 0.0


class CallRig:
    """`async with CallRig(lines=4) as rig`; then `rig.call(…)`.  Raises InputError or NotReady."""

    def __init__(self, lines: int, *, threads: int = 2, first: bool = True) -> None:
        """`lines`: most calls at a time; `threads`: decodes at a time; `first`: ahead of other work here."""
        self.lines, self._first = lines, first
        site = load_site()
        self._site = site.model_copy(update={"asr": site.asr.model_copy(update={"threads": threads})})
        self._campaign: Campaign = load_campaign(CAMPAIGN, self._site.trunks)
        self._folder = Path(tempfile.mkdtemp(prefix="rig-"))
        self._stack = AsyncExitStack()
        self._numbers = itertools.count(1)
        self._open: dict[str, asyncio.Future[CallRecord | str]] = {}
        self._rows = self._read_rows()

    async def __aenter__(self) -> Self:
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        if self._first:
            _prioritise([0], COMPUTES)  # the children inherit it
        try:
            await self._start()
            if self._first:
                _prioritise(_tasks(self._world.pid), CARRIES_SOUND)
                for name in self.pool.names:
                    _prioritise(_tasks(self.pool.pid(name)), CARRIES_SOUND)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        site, stack, logs = self._site, self._stack, self._folder / "logs"
        self._digest = self._approved()
        self.speech = SpeechProcess(site, self._folder / "speech", logs)
        stack.push_async_callback(self.speech.stop)
        self.dialog = DialogService(site.tracks, site.rasa_python.absolute())
        stack.push_async_callback(self.dialog.stop)
        self._world = await Child.start(
            "world",
            [
                *(sys.executable, "-m", "voicebot.simulate.world", "--out", str(self._folder / "world")),
                *("--models", str(site.models), "--prompts", str(site.prompts)),
                *("--gateways", str(math.ceil(self.lines / LINES) + 1)),  # calls go to them in turn
            ],
            logs,
        )
        stack.push_async_callback(self._world.stop)
        world, *_ = await asyncio.gather(
            self._world.ready(WORLD_READY_S), self.speech.start(), self.dialog.start()
        )
        trunk = load_trunks(site.trunks)[self._campaign.trunk].with_gateways(world["gateways"])
        self._trunk: Trunk = trunk
        self.pool = WorkerPool(
            math.ceil(self.lines / site.legs_per_worker),
            services_of(
                site, self._folder / "speech", self.speech, self.dialog, trunk, self._folder / "recordings"
            ),
            self._folder,
            logs,
            on_message=self._on_message,
            on_death=self._on_death,
            spare_after_s=3600.0,
        )
        stack.push_async_callback(self.pool.stop)
        await self.pool.start()

    def _approved(self) -> str:
        store = Store.open(self._site.store, KeyRing.load(self._site.keys))
        try:
            return approved_digest(self._site, self._campaign, Approvals(store))
        finally:
            store.close()

    def _read_rows(self) -> dict[str, ListRow]:
        rows = [row for points in scan_lists(self._campaign).groups() for row in points]
        return {row.phone[-2:]: row for row in rows}

    # ---- calls ----

    async def call(self, scenarios: Sequence[str], at_once: int, seconds: float) -> Calls:
        """Keeps `at_once` lines busy with the scenarios (last two digits) in turn; begins no call after
        `seconds` but the first on each line, and waits for those that run."""
        calls = Calls()
        turn = itertools.cycle(scenarios)
        before, began = self._used(), time.monotonic()
        known = len(self._callees())
        lines = [self._line(calls, turn, began + seconds, number, at_once) for number in range(at_once)]
        await asyncio.gather(*lines)
        calls.seconds, calls.load = time.monotonic() - began, self._used().since(before)
        for _ in range(50):  # the callees write their results when the bot has hung up
            calls.callees = self._callees()[known:]
            if len(calls.callees) >= len(calls.records):
                break
            await asyncio.sleep(0.1)
        return calls

    async def _line(
        self, calls: Calls, turn: itertools.cycle[str], until: float, number: int, lines: int
    ) -> None:
        await asyncio.sleep(number * 4.0 / lines)  # calls that began together would all speak together
        first = True
        while first or time.monotonic() < until:
            first = False
            outcome = await self._place(next(turn))
            if isinstance(outcome, CallRecord):
                calls.records.append(outcome)
            else:
                calls.failed.append(outcome)
                await asyncio.sleep(0.5)

    async def _place(self, scenario: str) -> CallRecord | str:
        order = self._order(scenario)
        free = self.pool.free()
        if not free:
            return "no worker has a free line"
        done = self._open[order.attempt_id] = asyncio.get_running_loop().create_future()
        try:
            return await done if self.pool.dial(free[0], order) else "its worker died"
        finally:
            self.pool.finished(free[0], order.attempt_id)
            del self._open[order.attempt_id]

    def _order(self, scenario: str) -> DialOrder:
        attempt_id = f"bench{next(self._numbers)}"
        row, campaign = self._rows[scenario], self._campaign
        slots = case_slots(row) | campaign.shared_slots()
        if (balance := balance_source(campaign).lookup([row.case_id]).get(row.case_id)) is not None:
            slots |= dict(balance.slots)
        assert campaign.simulation is not None
        now: datetime = campaign.simulation.start.replace(tzinfo=self._site.zone)
        caller = campaign.callers[0].number
        return DialOrder(
            attempt_id=attempt_id,
            campaign=campaign.name,
            case_id=row.case_id,
            phone_masked="",
            request_uri=self._trunk.request_uri(row.phone),
            caller_uri=self._trunk.caller_uri(caller),
            caller=caller,
            headers=(*self._trunk.invite_headers(caller), ("X-Voicebot-Attempt", attempt_id)),
            digest=self._digest,
            pack="",
            voice=self._site.tts.voice,
            slots={name: CaseSlot(type=kind, value=str(value)) for name, (kind, value) in slots.items()},
            run_slots=RUN_SLOTS,
            flags={"agency": False, "to_contact": False, "leave_message": False},
            tail_mac=KeyRing.load(self._site.keys).tail_mac(row.case_id, row.id_tail),
            queue=campaign.queue,
            ring_s=campaign.ring_s,
            simulated_now=now,
            today=now.date(),
        )

    async def _on_message(self, worker: str, kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        match kind:
            case "permit":
                return {"allowed": True, "reason": ""}
            case "closed":
                self._finish(body["record"]["attempt_id"], CallRecord.model_validate(body["record"]))
            case "not_dialled" | "failed":
                self._finish(body["attempt_id"], f"{kind}: {body['reason']}")
            case _:
                pass  # progress, effects: nobody looks on
        return None

    async def _on_death(self, worker: str, attempts: set[str]) -> None:
        for attempt in attempts:
            self._finish(attempt, "its worker died")

    def _finish(self, attempt: str, outcome: CallRecord | str) -> None:
        if (done := self._open.get(attempt)) is not None and not done.done():
            done.set_result(outcome)

    # ---- what it cost ----

    def _callees(self) -> list[CalleeResult]:
        return list(CalleeResult.read(self._folder / "world" / CALLEES))

    def _used(self) -> Load:
        return Load(
            sum(_cpu(self.pool.pid(name)) for name in self.pool.names),
            _cpu(self.speech.pid),
            _cpu(self.dialog.pid),
            _cpu(self._world.pid),
        )


def _cpu(pid: int | None) -> float:
    """CPU seconds of a process and its children."""
    if pid is None:
        return 0.0
    used = 0.0
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            used += times.user + times.system
    return used


def _tasks(pid: int) -> list[int]:
    """Every thread of a process and of its children."""
    process = psutil.Process(pid)
    return [thread.id for one in (process, *process.children(recursive=True)) for thread in one.threads()]


def _prioritise(tasks: Sequence[int], priority: int) -> None:
    """Without the right to it nothing changes, and the load says what the figures are worth."""
    for task in tasks:
        with suppress(PermissionError, ProcessLookupError):
            os.sched_setscheduler(task, os.SCHED_RR, os.sched_param(priority))


def machine() -> dict[str, Any]:
    """What every result states: cores, and the load before the run."""
    return {"cores": psutil.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}


structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
