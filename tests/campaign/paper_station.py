"""A node as production runs it, all but the sound: no speech, no dialog service, workers without a phone.

python -m tests.campaign.paper_station --store URL --keys FILE --folder FOLDER --act ACT
    (--file CAMPAIGN.yaml | --join NAME) [--workers N] [--calls N]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from handoff.queue import AgentQueue
from handoff.settings import QueueSettings
from sip.trunk import Trunk
from tests.campaign.site import DIGEST, PACK
from voicebot.call.order import Services
from voicebot.call.record import Engines
from voicebot.campaign.campaign_file import Campaign, load_campaign
from voicebot.campaign.campaign_lists import scan_lists
from voicebot.campaign.control import Controls
from voicebot.campaign.edited_file import read_campaign
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing
from voicebot.campaign.run import CampaignRun
from voicebot.campaign.services import Service
from voicebot.campaign.station import Station
from voicebot.campaign.workers import LONGEST_CALL_S
from voicebot.clock import SimulationClock
from voicebot.logs import configure
from voicebot.policy.gate import Gate
from voicebot.settings import Site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

PACE = 30
"""So much faster than real ones are paper calls."""


class Idle:
    """A service that does nothing and never ends."""

    engine = "none"

    async def start(self) -> None:
        return

    async def wait(self) -> int:
        await asyncio.Event().wait()
        return 0

    async def stop(self) -> None:
        return


class Rendered:
    """Every prompt is there."""

    async def render_for(self, *_: Any) -> str | None:
        return None


class PaperStation(Station):
    """`act` is what its workers do with every order; `calls` each takes at a time."""

    act = "close"
    calls = 2

    async def start(self, stack: AsyncExitStack, digest: str) -> None:
        self.sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vb-")))
        self.trunk = Trunk(
            name="simulated", simulated=True, gateways=("127.0.0.1:5999",), cps=1000, lines=1000
        )
        self.queues = {"general": QueueSettings(name="general", skill="general")}
        self.queue = AgentQueue([], self.queues, None, self._clock.monotonic)  # type: ignore[arg-type]
        self.prompts = Rendered()  # type: ignore[assignment]
        self.worker_program = (sys.executable, "-m", "tests.campaign.fake_worker", self.act)

    @property
    def watched(self) -> dict[str, Service]:
        return {"speech": Idle()}

    @property
    def engines(self) -> Engines:
        return Engines(asr="none", tts="none", vad="none")

    def services(self) -> Services:
        names = ("speech_socket", "tracks", "prompts", "recordings", "silero", "key_file", "queues_file")
        paths = {name: self._folder / name for name in names}
        return Services(
            **paths,
            dialog_url="",
            dialog_token="",
            sip_ip="127.0.0.1",
            trunk=Trunk(name="paper", gateways=("127.0.0.1:9",)),
            calls=self.calls,
            asr_engine="none",
        )

    def recorder_ready(self) -> bool:
        return True


class Silent:
    """Nobody watches."""

    def update(self, attempt_id: str, **fields: Any) -> None:
        pass

    def counters(self, **numbers: int) -> None:
        pass

    def enrolling(self, done: int, wanted: int) -> None:
        pass


@dataclass(frozen=True)
class HastyClock(SimulationClock):
    """Durations count PACE times: a paper call of half a second is no short call, which rests its number."""

    def monotonic(self) -> float:
        return super().monotonic() * PACE


class PaperRun(CampaignRun):
    """The track of the tests' site counts as the approved one."""

    def _digest(self) -> str:
        return DIGEST

    def _pacing(self, *arguments: Any) -> CampaignPacing:
        clock = HastyClock(self.clock.now())
        return CampaignRun._pacing(replace(self, clock=clock), *arguments)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", required=True)
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--act", default="close")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--join")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--calls", type=int, default=2)
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--longest-call", type=float, default=LONGEST_CALL_S)
    parser.add_argument("--origin", type=float, default=time.monotonic(), help="When the clock started.")
    asked = parser.parse_args(arguments)
    asked.folder.mkdir(parents=True, exist_ok=True)
    configure(file=asked.folder / "supervisor.log")
    store = Store.open(asked.store, KeyRing.load(asked.keys))
    joins, lists = None, None
    if asked.join:
        joins = Controls(store, clock=None).find(asked.join).id  # type: ignore[arg-type]
        campaign: Campaign = read_campaign(store, joins)[0]
    else:
        campaign = load_campaign(asked.file)
        lists = scan_lists(campaign)
    assert campaign.simulation_start is not None
    clock = SimulationClock(campaign.simulation_start, asked.origin)
    PaperStation.act, PaperStation.calls = asked.act, asked.calls
    site = Site(var=asked.folder, workers=asked.workers)
    run = PaperRun(
        site,
        campaign,
        store,
        Gate([PACK], clock),
        clock,
        asked.folder,
        Silent(),
        _say,
        _say,
        sole_owner=not store.is_postgresql,
        lists=lists,
        file=asked.file,
        afresh=asked.new,
        joins=joins,
        longest_call_s=asked.longest_call,
        new_station=PaperStation,
    )
    result = asyncio.run(run.run())
    _say(f"ended {result.fault or 'well'}")
    with contextlib.suppress(Exception):
        store.close()
    sys.exit(1 if result.fault else 0)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
