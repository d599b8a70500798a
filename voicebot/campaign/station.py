"""What one machine needs to place calls: speech, dialog, trunk, agents, prompts; in simulations the callees.

Everything is started with a deadline and stopped in reverse order, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from dialogs.manifest import Manifest
from dialogs.service import DialogService
from handoff.agents import Agent, GateQualification, place_simulated
from handoff.queue import AgentQueue
from handoff.settings import QueueSettings, load_queues
from handoff.staff import agents_in_force
from sip.trunk import Trunk, load_trunks
from voicebot.call.order import Services
from voicebot.call.record import Engines
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.children import Child
from voicebot.campaign.prompts_ahead import PromptsAhead
from voicebot.campaign.services import Service, SpeechProcess
from voicebot.campaign.worker_pool import WORKER
from voicebot.clock import Clock
from voicebot.errors import NotReady
from voicebot.policy.gate import Gate
from voicebot.settings import Site
from voicebot.speech.tts.cache import PromptCache

WORLD_READY_S = 60.0
CALLBACK_AHEAD = timedelta(hours=2)
"""When a call-back is offered without the callee naming a time."""
ROOM_FOR_RECORDINGS = 500 << 20


class Station:
    """One campaign's on one machine.  `folder` receives recordings, logs and the world's results."""

    speech: SpeechProcess
    dialog: DialogService
    trunk: Trunk
    queue: AgentQueue
    queues: dict[str, QueueSettings]
    prompts: PromptsAhead
    sockets: Path
    worker_program: Sequence[str] = WORKER

    def __init__(
        self,
        site: Site,
        campaign: Campaign,
        gate: Gate,
        clock: Clock,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self._site, self._campaign, self._gate, self._clock = site, campaign, gate, clock
        self._folder, self._say = folder, say
        self._phones: dict[str, str] = {}

    async def start(self, stack: AsyncExitStack, digest: str) -> None:
        """Raises InputError or NotReady; `stack` stops what was started."""
        manifest = Manifest.load(self._site.tracks / digest / "manifest.json")
        self.sockets = Path(tempfile.mkdtemp(prefix="vb-"))  # Unix socket paths must be short
        stack.callback(shutil.rmtree, self.sockets, ignore_errors=True)
        self._say(
            "speech service, dialog service" + (", simulated world" if self._campaign.simulation else "")
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._start_speech(stack))
                group.create_task(self._start_dialog(stack, digest))
                world = group.create_task(self._start_world(stack))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None  # one clear line; the log has the rest
        self.trunk = self._find_trunk(world.result())
        self.queue = self._open_queue(world.result())
        self.prompts = PromptsAhead(
            manifest, PromptCache(self._site.prompts), self._site.tts.voice, self._site.models, self._today
        )
        self._say("prompts")
        await asyncio.get_running_loop().run_in_executor(None, self.prompts.render_shared)

    async def _start_speech(self, stack: AsyncExitStack) -> None:
        self.speech = SpeechProcess(self._site, self.sockets / "speech", self._folder / "logs")
        stack.push_async_callback(self.speech.stop)
        await self.speech.start()

    async def _start_dialog(self, stack: AsyncExitStack, digest: str) -> None:
        self.dialog = DialogService(self._site.tracks, self._site.rasa_python.absolute())
        stack.push_async_callback(self.dialog.stop)
        await self.dialog.start()
        if not await self.dialog.policy().answers(digest):  # others may: a build of an older engine does not
            raise NotReady(
                f"the dialog service cannot lead calls of {self._campaign.talk_track} ({digest[:12]})",
                f"Build it again: scripts-review prepare {self._campaign.talk_track}. "
                "The reason stands in dialog-service.log.",
                self._site.tracks,
            )

    async def _start_world(self, stack: AsyncExitStack) -> dict[str, Any]:
        simulation = self._campaign.simulation
        if simulation is None:
            return {}
        command = [
            *(sys.executable, "-m", "voicebot.simulate.world", "--out", str(self._folder / "world")),
            *("--models", str(self._site.models), "--prompts", str(self._site.prompts)),
            *(("--scenarios", str(simulation.scenarios)) if simulation.scenarios else ()),
        ]
        child = await Child.start("world", command, self._folder / "logs")
        stack.push_async_callback(child.stop)
        return await child.ready(WORLD_READY_S)

    def _find_trunk(self, world: dict[str, Any]) -> Trunk:
        trunk = load_trunks(self._site.trunks)[self._campaign.trunk]
        return trunk.with_gateways(world["gateways"]) if trunk.simulated and world else trunk

    def _open_queue(self, world: dict[str, Any]) -> AgentQueue:
        self._phones = dict(world["agents"]) if world else {}
        agents = self.roster()
        self.queues = load_queues(self._site.queues, float(self._gate.parameter("transfer.max_wait_s")))
        return AgentQueue(
            agents, self.queues, GateQualification(self._gate, self._clock), self._clock.monotonic
        )

    def roster(self) -> tuple[Agent, ...]:
        """The agents as file and register say now.  InputError or NotReady when that cannot be told."""
        site = self._site
        return place_simulated(agents_in_force(site.agents, site.store, site.keys, self._clock), self._phones)

    # ---- once it has started ----

    @property
    def watched(self) -> dict[str, Service]:
        """The services that are started again when they end."""
        return {"speech": self.speech, "dialog": self.dialog}

    @property
    def engines(self) -> Engines:
        """What the site was told to use."""
        return Engines(asr=self.speech.engine, tts=self._site.tts.voice, vad="webrtcvad+silero")

    def services(self) -> Services:
        """Where its workers find the rest of the site."""
        return services_of(
            self._site, self.sockets / "speech", self.speech, self.dialog, self.trunk, self._recordings
        )

    def recorder_ready(self) -> bool:
        """No recorder, no call: a folder to write to, and room on the disk for hours of calls."""
        self._recordings.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self._recordings).free > ROOM_FOR_RECORDINGS

    def run_slots(self) -> dict[str, str]:
        """What a call may offer: a call-back inside the campaign's hours, and the usual wait for an agent."""
        at = self._clock.now() + CALLBACK_AHEAD
        at -= timedelta(minutes=at.minute % 15)
        today = at.date() == self._today and self._gate.hours_allow(at)
        return {
            "callback_day": "今天" if today else "明天",
            "callback_time": f"{at:%H:%M}" if today else "10:00",
            "agent_eta": "一分钟以内",
            "call_time": f"{self._clock.now():%H:%M}",
        }

    def callee_results(self) -> list[dict[str, Any]]:
        """What the simulated callees wrote down; empty outside of simulations."""
        path = self._folder / "world" / "callees.jsonl"
        if not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]

    @property
    def _recordings(self) -> Path:
        return self._folder / "recordings"

    @property
    def _today(self) -> date:
        return self._clock.now().date()


def services_of(
    site: Site,
    speech_socket: Path,
    speech: SpeechProcess,
    dialog: DialogService,
    trunk: Trunk,
    recordings: Path,
) -> Services:
    """What a site's call workers are told: running services, the trunk, and where recordings go."""
    return Services(
        speech_socket=speech_socket,
        dialog_url=dialog.url,
        dialog_token=dialog.token,
        tracks=site.tracks,
        prompts=site.prompts,
        recordings=recordings,
        recording_format=site.recording.format,
        silero=site.models / "silero" / "silero_vad.onnx",
        key_file=site.keys,
        sip_ip=site.sip.ip,
        sip_ports=site.sip.ports,
        trunk=trunk,
        calls=site.legs_per_worker,
        asr_engine=speech.engine,
        queues_file=site.queues,
    )
