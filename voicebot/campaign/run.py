"""Puts a run together: store, gate, track, services, workers, and in simulations the world of callees.

Everything is started with a deadline and stopped in reverse order, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import structlog

from dialogs.manifest import Manifest
from dialogs.service import DialogService
from handoff.agents import GateQualification, load_agents, place_simulated
from handoff.queue import AgentQueue
from handoff.settings import load_queues
from sip.trunk import Trunk, load_trunks
from voicebot.call.order import Services
from voicebot.call.record import CallRecord, Engines
from voicebot.campaign.approved_track import approved_digest
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.campaign_lists import good_rows
from voicebot.campaign.children import Child
from voicebot.campaign.ledger import Ledger
from voicebot.campaign.progress import RefusedRow
from voicebot.campaign.prompts_ahead import PromptsAhead
from voicebot.campaign.reports import Watcher
from voicebot.campaign.services import Service, SpeechProcess, keepers
from voicebot.campaign.supervisor import Supervisor
from voicebot.clock import Clock
from voicebot.policy.gate import Gate
from voicebot.settings import Site
from voicebot.speech.tts.cache import PromptCache
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.records import records

log = structlog.get_logger()

WORLD_READY_S = 60.0
CALLBACK_AHEAD = timedelta(hours=2)
"""When a call-back is offered without the callee naming a time."""


@dataclass
class RunResult:
    """What a run came to, before anybody judges it."""

    campaign_id: str
    records: list[CallRecord]
    refused: list[RefusedRow]
    engines: Engines
    seconds: float
    lost: int
    callees: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    "A fault of the run itself, for a person."
    interrupted: bool = False
    "Ended at once, with calls in progress."


@dataclass
class CampaignRun:
    """One run.  `folder` receives recordings, logs and the world's results."""

    site: Site
    campaign: Campaign
    store: Store
    gate: Gate
    clock: Clock
    folder: Path
    watcher: Watcher
    say: Callable[[str], None]
    "Told each step of the start, for a person."
    sole_owner: bool = False
    "Nobody else works on this store: attempts that are open at the start were left over."
    calling: bool = False
    "From here on there is something to keep."
    interrupted: bool = False

    async def run(self) -> RunResult:
        """Raises InputError or NotReady before the first call; afterwards faults are counted, not raised."""
        self._obey_signals()
        digest = approved_digest(self.site, self.campaign, Approvals(self.store))
        manifest = Manifest.load(self.site.tracks / digest / "manifest.json")
        rows = good_rows(self.campaign)
        async with AsyncExitStack() as stack:
            sockets = Path(tempfile.mkdtemp(prefix="vb-"))  # Unix socket paths must be short
            stack.callback(shutil.rmtree, sockets, ignore_errors=True)
            speech, dialog, world = await self._start_services(stack, sockets)
            watched: dict[str, Service] = {"speech": speech, "dialog": dialog}
            trunk = self._trunk(world)
            queue = self._queue(world)
            prompts = PromptsAhead(
                manifest, PromptCache(self.site.prompts), self.site.tts.voice, self.site.models, self._today
            )
            self.say("prompts")
            await asyncio.get_running_loop().run_in_executor(None, prompts.render_shared)
            ledger = Ledger(self.store, self.gate, self.clock, recorder_ready=self._recorder_ready)
            if self.sole_owner and (unknown := ledger.settle_left_over()):
                self.say(f"{len(unknown)} calls of a run that broke off: closed as UNKNOWN")
            campaign_id = ledger.enrol(self.campaign, digest, rows)
            log.info("run_started", campaign_id=campaign_id, digest=digest)
            supervisor = Supervisor(
                store=self.store,
                ledger=ledger,
                campaign=self.campaign,
                campaign_id=campaign_id,
                voice=self.site.tts.voice,
                trunk=trunk,
                clock=self.clock,
                queue=queue,
                prompts=prompts,
                watcher=self.watcher,
                run_slots=self._run_slots,
            )
            stack.callback(supervisor.close)
            pool = supervisor.pool(
                self.site.workers, self._services(sockets, speech, dialog), sockets, self.folder / "logs"
            )
            stack.push_async_callback(pool.stop)
            self.say(f"{self.site.workers} call workers")
            await pool.start()
            self._obey_signals(supervisor)
            began = time.monotonic()
            self.say("calling")
            self.calling = True
            keeping = keepers(watched, supervisor)
            stack.push_async_callback(_cancelled, keeping)
            try:
                await supervisor.run()
            except asyncio.CancelledError:  # the second Ctrl-C: what was done is reported all the same
                log.warning("run_interrupted")
                self.interrupted = True
                if task := asyncio.current_task():
                    task.uncancel()
            self._end_in_order()
            seconds = time.monotonic() - began
            engines = Engines(asr=speech.engine, tts=self.site.tts.voice, vad="webrtcvad+silero")
            facts = supervisor.facts
        return RunResult(
            campaign_id,
            list(records(self.store, campaign_id)),
            Ledger(self.store, self.gate, self.clock, recorder_ready=lambda: True).refusals(campaign_id),
            engines,
            seconds,
            facts.lost,
            self._callee_results(),
            facts.fault,
            self.interrupted,
        )

    # ---- before the first call ----

    async def _start_services(
        self, stack: AsyncExitStack, sockets: Path
    ) -> tuple[SpeechProcess, DialogService, dict[str, Any] | None]:
        self.say("speech service, dialog service" + (", simulated world" if self.campaign.simulation else ""))
        try:
            async with asyncio.TaskGroup() as group:
                speech = group.create_task(self._start_speech(stack, sockets / "speech"))
                dialog = group.create_task(self._start_dialog(stack))
                world = group.create_task(self._start_world(stack))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None  # one clear line; the log has the rest
        return speech.result(), dialog.result(), world.result()

    async def _start_speech(self, stack: AsyncExitStack, socket: Path) -> SpeechProcess:
        speech = SpeechProcess(self.site, socket, self.folder / "logs")
        stack.push_async_callback(speech.stop)
        await speech.start()
        return speech

    async def _start_dialog(self, stack: AsyncExitStack) -> DialogService:
        service = DialogService(self.site.tracks, self.site.rasa_python.absolute())
        stack.push_async_callback(service.stop)
        await service.start()
        return service

    async def _start_world(self, stack: AsyncExitStack) -> dict[str, Any] | None:
        simulation = self.campaign.simulation
        if simulation is None:
            return None
        command = [
            *(sys.executable, "-m", "voicebot.simulate.world", "--out", str(self.folder / "world")),
            *("--models", str(self.site.models), "--prompts", str(self.site.prompts)),
            *(("--scenarios", str(simulation.scenarios)) if simulation.scenarios else ()),
        ]
        child = await Child.start("world", command, self.folder / "logs")
        stack.push_async_callback(child.stop)
        return await child.ready(WORLD_READY_S)

    def _trunk(self, world: Mapping[str, Any] | None) -> Trunk:
        trunk = load_trunks(self.site.trunks)[self.campaign.trunk]
        return trunk.with_gateways(world["gateways"]) if trunk.simulated and world else trunk

    def _queue(self, world: Mapping[str, Any] | None) -> AgentQueue:
        agents = place_simulated(load_agents(self.site.agents), world["agents"] if world else {})
        queues = load_queues(self.site.queues, float(self.gate.parameter("transfer.max_wait_s")))
        return AgentQueue(agents, queues, GateQualification(self.gate, self.clock), self.clock.monotonic)

    def _services(self, sockets: Path, speech: SpeechProcess, dialog: DialogService) -> Services:
        return Services(
            speech_socket=sockets / "speech",
            dialog_url=dialog.url,
            dialog_token=dialog.token,
            tracks=self.site.tracks,
            prompts=self.site.prompts,
            recordings=self.folder / "recordings",
            silero=self.site.models / "silero" / "silero_vad.onnx",
            key_file=self.site.keys,
            sip_ip=self.site.sip.ip,
            calls=self.site.legs_per_worker,
            asr_engine=speech.engine,
            queues_file=self.site.queues,
        )

    @property
    def _today(self) -> date:
        return self.clock.now().date()

    def _recorder_ready(self) -> bool:
        """No recorder, no call: a folder to write to, and room on the disk for hours of calls."""
        folder = self.folder / "recordings"
        folder.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(folder).free > 500 << 20

    def _run_slots(self) -> dict[str, str]:
        """What a call may offer: a call-back inside the campaign's hours, and the usual wait for an agent."""
        at = self.clock.now() + CALLBACK_AHEAD
        at -= timedelta(minutes=at.minute % 15)
        today = at.date() == self._today and self.gate.hours_allow(at)
        return {
            "callback_day": "今天" if today else "明天",
            "callback_time": f"{at:%H:%M}" if today else "10:00",
            "agent_eta": "一分钟以内",
            "call_time": f"{self.clock.now():%H:%M}",
        }

    # ---- during and after ----

    @staticmethod
    def _obey_signals(supervisor: Supervisor | None = None) -> None:
        """While it starts, Ctrl-C ends the run.  Later the first stops dialling and lets calls end, the
        second ends it at once."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def on_signal(do: Callable[[], object]) -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, do)

        def stop_dialling() -> None:
            assert supervisor is not None
            supervisor.stop()
            on_signal(task.cancel)

        on_signal(task.cancel if supervisor is None else stop_dialling)

    @staticmethod
    def _end_in_order() -> None:
        """Each part ends within its deadline; one more Ctrl-C would only leave processes behind."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, log.warning, "already_ending")

    def _callee_results(self) -> list[dict[str, Any]]:
        path = self.folder / "world" / "callees.jsonl"
        if not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
