"""One process at work on one campaign: the run that a person started, or a worker on a further machine.

Both are the same but for their beginning: a run enrols its campaign, or goes on with an unfinished one; a
worker joins what is running.  What was done is reported, whatever ends it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from handoff.desk.line import RunLine
from sip.trunk import Trunk
from voicebot.call.record import CallRecord, Engines
from voicebot.campaign import run_signals
from voicebot.campaign.approved_track import approved_digest
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.control import Controls
from voicebot.campaign.desk_controls import DeskControls
from voicebot.campaign.edited_file import EditedFile, read_campaign
from voicebot.campaign.enlisting import begin_or_go_on, take_over
from voicebot.campaign.journal import Journal, is_away
from voicebot.campaign.ledger import Ledger
from voicebot.campaign.nodes import Nodes
from voicebot.campaign.pacing.alarms import Alarm, Alarms
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing
from voicebot.campaign.pacing_memory import PacingMemory
from voicebot.campaign.plain_recordings import seal_plain
from voicebot.campaign.progress import RefusedRow
from voicebot.campaign.reports import Watcher
from voicebot.campaign.salvage import salvage, unsettled
from voicebot.campaign.services import keepers
from voicebot.campaign.station import Station
from voicebot.campaign.steering import Steering
from voicebot.campaign.store_watch import StoreWatch
from voicebot.campaign.supervisor import Supervisor, calls_per_second
from voicebot.campaign.upkeep import Upkeep
from voicebot.campaign.workers import LONGEST_CALL_S
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.settings import Site
from voicebot.store.approvals import Approvals
from voicebot.store.checkpoints import CHECKPOINTS, Checkpoints
from voicebot.store.configuration import note_configuration
from voicebot.store.database import Store
from voicebot.store.records import records

log = structlog.get_logger()


@dataclass
class RunResult:
    """What a run came to, before anybody judges it."""

    campaign_id: str
    records: list[CallRecord]
    refused: list[RefusedRow]
    engines: Engines
    seconds: float
    lost: int
    "Calls of which nobody knows what became of them: of the campaign; a worker tells those of its own."
    callees: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    "A fault of the run itself, for a person."
    interrupted: bool = False
    "Ended at once, with calls in progress."
    alarms: list[dict[str, Any]] = field(default_factory=list)
    "Everything that an alarm was raised for."


@dataclass
class CampaignRun:
    """One process's part.  `folder` receives recordings, logs and the world's results."""

    site: Site
    campaign: Campaign
    store: Store
    gate: Gate
    clock: Clock
    folder: Path
    watcher: Watcher
    say: Callable[[str], None]
    "Told each step of the start, for a person."
    tell: Callable[[str], None]
    "Told what a person must know while it runs."
    sole_owner: bool = False
    "Nobody else works on this store: attempts that are open at the start were left over."
    lists: CampaignLists | None = None
    "Whom to call; a worker has none."
    file: Path | None = None
    "The campaign's file, which is followed when it is edited."
    afresh: bool = False
    "Begin anew although the campaign is unfinished."
    joins: str | None = None
    "The running campaign (its id) that a worker takes part in."
    register: Store | None = None
    "Where people revoke as well: the site's store, when a simulated run has one of its own."
    longest_call_s: float = LONGEST_CALL_S
    "What a silent node had dialled is given up so long after its lease."
    new_station: Callable[..., Station] = Station
    calling: bool = False
    "From here on there is something to keep."
    interrupted: bool = False

    async def run(self) -> RunResult:
        """Raises InputError or NotReady before the first call; afterwards faults are counted, not raised."""
        run_signals.obey()
        digest = self._digest()
        station = self.new_station(self.site, self.campaign, self.gate, self.clock, self.folder, self.say)
        ledger = Ledger(self.store, self.gate, self.clock, recorder_ready=station.recorder_ready)
        memory = PacingMemory(self.store, self.clock)
        async with AsyncExitStack() as stack:
            await station.start(stack, digest)
            self._limit_trunk(ledger, station.trunk)
            campaign_id = self._campaign_id(ledger, digest)
            log.info("run_started", campaign_id=campaign_id, digest=digest, node=ledger.node)
            alarms = Alarms(self.clock, self._on_alarm)
            pacing = self._pacing(station, campaign_id, memory, alarms)
            supervisor = self._supervisor(station, ledger, campaign_id, pacing, alarms)
            stack.callback(supervisor.close)
            pool = supervisor.pool(
                self.site.workers,
                station.services(),
                station.sockets,
                self.folder / "logs",
                station.worker_program,
            )
            stack.push_async_callback(pool.stop)
            self.say(f"{self.site.workers} call workers")
            await pool.start()
            run_signals.obey(supervisor.stop)
            began = time.monotonic()
            self.say("calling")
            self.calling = True
            upkeep = self._upkeep(supervisor, ledger, campaign_id, memory, pacing)
            await self._steered(stack, supervisor, ledger, campaign_id, digest, upkeep)
            self._at_desk(stack, station, supervisor, ledger, campaign_id)
            keeping = keepers(station.watched, supervisor)
            stack.push_async_callback(_cancelled, keeping)
            try:
                await supervisor.run()
            except asyncio.CancelledError:  # the second Ctrl-C: what was done is reported all the same
                log.warning("run_interrupted")
                self.interrupted = True
                if task := asyncio.current_task():
                    task.uncancel()
            run_signals.end_in_order()
            seconds = time.monotonic() - began
        self._finish(ledger, campaign_id, memory, pacing)
        return RunResult(
            campaign_id,
            [] if self.joins else list(records(self.store, campaign_id)),
            [] if self.joins else ledger.refusals(campaign_id),
            station.engines,
            seconds,
            supervisor.facts.lost if self.joins else len(ledger.unresolved(campaign_id)),
            station.callee_results(),
            supervisor.facts.fault,
            self.interrupted,
            [alarm.as_dict() for alarm in alarms.all()],
        )

    # ---- before the first call ----

    def _digest(self) -> str:
        """The approved digest, built on this machine; a worker's is the one its campaign is pinned to."""
        digest = approved_digest(self.site, self.campaign, Approvals(self.store))
        if self.register is not None:  # it may have been revoked since this run's own store was furnished
            Approvals(self.register).resolve(self.campaign.talk_track)
        if self.joins is not None and digest != read_campaign(self.store, self.joins)[1]:
            raise InputError(f"{self.joins} began with another text of {self.campaign.talk_track}")
        return digest

    @staticmethod
    def _limit_trunk(ledger: Ledger, trunk: Trunk) -> None:
        """The carrier's limits hold for all machines together."""
        ledger.limit_trunk(trunk.name, lines=trunk.lines, cps=trunk.cps, burst=max(1, int(trunk.cps / 4)))

    def _campaign_id(self, ledger: Ledger, digest: str) -> str:
        take_over(self.store, ledger, self._journals, self.tell, sole_owner=self.sole_owner)
        folders = unsettled(self.site.runs)
        seal_plain(folders, self.store, self.clock, self.tell)
        salvage(folders, self.store, self.clock, self.tell)
        note_configuration(self.store, self.clock, self.campaign.name, self._configuration)
        if self.joins is not None:
            return self.joins
        assert self.lists is not None, "a run has lists"
        return begin_or_go_on(
            self.store,
            ledger,
            self.clock,
            self.campaign,
            digest,
            self.lists,
            self.tell,
            afresh=self.afresh,
            enrolling=self.watcher.enrolling,
        )

    @property
    def _configuration(self) -> list[Path]:
        """The files that this run works by."""
        site = self.site
        own = [self.file] if self.file is not None else []
        registers = [site.trunks, site.tools, site.people, site.agents, site.queues]
        return [*own, site.file, *registers, *(policy.file for policy in site.policies)]

    @property
    def _checkpoints(self) -> Checkpoints:
        """The site signs what is audited; a simulated run's chain is its own."""
        folder = self.folder if self.campaign.simulation else self.site.var
        return Checkpoints(self.store, self.clock, folder / CHECKPOINTS)

    @property
    def _journals(self) -> Path:
        """Outcomes that wait for a store are that store's: a simulated run has its own."""
        return (self.folder if self.campaign.simulation else self.site.var) / "journal"

    def _pacing(
        self, station: Station, campaign_id: str, memory: PacingMemory, alarms: Alarms
    ) -> CampaignPacing:
        campaign, queue = self.campaign, station.queues[self.campaign.queue]
        pacing = CampaignPacing(
            settings=campaign.pacing,
            lines=campaign.lines,
            calls_per_second=calls_per_second(campaign, station.trunk),
            trunk=campaign.trunk,
            max_wait_s=queue.max_wait_s,
            wrap_up_s=queue.wrap_up_s,
            clock=self.clock,
            alarms=alarms,
        )
        pacing.restore(memory.load(campaign_id, [caller.number for caller in campaign.callers]))
        return pacing

    def _supervisor(
        self, station: Station, ledger: Ledger, campaign_id: str, pacing: CampaignPacing, alarms: Alarms
    ) -> Supervisor:
        return Supervisor(
            store=self.store,
            ledger=ledger,
            campaign=self.campaign,
            campaign_id=campaign_id,
            voice=self.site.tts.voice,
            trunk=station.trunk,
            clock=self.clock,
            queue=station.queue,
            prompts=station.prompts,
            watcher=self.watcher,
            run_slots=station.run_slots,
            journal=Journal(self._journals, ledger.node, self.store.keys),
            pacing=pacing,
            alarms=alarms,
        )

    def _upkeep(
        self,
        supervisor: Supervisor,
        ledger: Ledger,
        campaign_id: str,
        memory: PacingMemory,
        pacing: CampaignPacing,
    ) -> Upkeep:
        edited = None
        if self.file is not None:
            controls = Controls(self.store, self.clock)
            edited = EditedFile(self.file, self.site.trunks, self.store, controls, campaign_id, self.tell)
        return Upkeep(
            supervisor,
            ledger,
            campaign_id,
            Nodes(self.store),
            memory,
            pacing,
            edited,
            self._checkpoints,
            shared=self.store.is_postgresql,
            longest_call_s=self.longest_call_s,
        )

    async def _steered(
        self,
        stack: AsyncExitStack,
        supervisor: Supervisor,
        ledger: Ledger,
        campaign_id: str,
        digest: str,
        upkeep: Upkeep,
    ) -> None:
        """From here on it does what people ask of it from elsewhere, and its heartbeat is seen."""
        controls, nodes = Controls(self.store, self.clock), Nodes(self.store)
        in_store = supervisor.outcomes.in_store

        async def take_edit() -> None:
            campaign, _ = await in_store(read_campaign, self.store, campaign_id)
            if campaign != supervisor.campaign:
                await in_store(ledger.reload, campaign_id)
                supervisor.change(campaign)

        heard = controls.asked(campaign_id).seq
        nodes.begin(ledger.node, campaign_id)
        stack.callback(self._end_node, nodes, ledger.node, supervisor)
        await upkeep.second()  # leases, before the first claim
        steering = Steering(supervisor, nodes, ledger.node, heard, edited=take_edit, every_beat=upkeep.second)
        watch = StoreWatch(
            self.store,
            self.clock,
            campaign_id,
            ledger.node,
            digest,
            [Approvals(store) for store in (self.store, self.register) if store is not None],
            steering.on_sight,
        )
        stack.callback(watch.close)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(watch.run()), loop.create_task(steering.run())]
        stack.push_async_callback(_cancelled, tasks)

    def _at_desk(
        self,
        stack: AsyncExitStack,
        station: Station,
        supervisor: Supervisor,
        ledger: Ledger,
        campaign_id: str,
    ) -> None:
        """From here on the desk sees this run, whenever there is one on this machine."""
        controls = DeskControls(self.store, self.clock, supervisor, ledger, campaign_id, station.roster)
        supervisor.at_desk.begin(controls)
        line, loop = RunLine(self.site.var, supervisor.at_desk), asyncio.get_running_loop()
        tasks = [loop.create_task(line.run()), loop.create_task(supervisor.at_desk.keep_up())]
        stack.push_async_callback(_cancelled, tasks)

    # ---- during and after ----

    def _end_node(self, nodes: Nodes, node: str, supervisor: Supervisor) -> None:
        try:
            nodes.end(node, supervisor.numbers())
        except Exception as fault:  # it will be seen by its silence
            log.error("node_not_ended", fault=type(fault).__name__)

    def _on_alarm(self, alarm: Alarm) -> None:
        what = "alarm" if alarm.cleared_at is None else "no longer:"
        self.tell(f"{what} {alarm.kind} {alarm.subject}: {alarm.reason}")

    def _finish(self, ledger: Ledger, campaign_id: str, memory: PacingMemory, pacing: CampaignPacing) -> None:
        """The campaign is done when nothing of it is planned or live, here or elsewhere; a simulated one also
        when only call-backs are left that it does not wait for."""
        try:
            self._checkpoints.sign_all()
            memory.sync(campaign_id, pacing.take_changes())
            if self.interrupted:
                return
            progress = ledger.progress(campaign_id)
            left = progress.open if self.clock.simulated else progress.planned + progress.live
            if not left:
                Controls(self.store, self.clock).finish(campaign_id)
                self._checkpoints.sign()
        except Exception as fault:
            if not is_away(fault):
                raise


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
