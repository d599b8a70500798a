"""A run over a real ledger with workers in processes of their own: whatever breaks, every line comes back,
nothing is dialled twice, and the run ends and says what was wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from handoff.queue import AgentQueue
from handoff.settings import QueueSettings
from sip.trunk import Trunk
from tests.campaign.site import LedgerSite, approve, at, build, row
from voicebot.call.order import Services
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.journal import Journal
from voicebot.campaign.pacing.alarms import Alarms
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing
from voicebot.campaign.supervisor import Supervisor
from voicebot.campaign.worker_pool import WorkerPool
from voicebot.clock import Clock, SimulationClock
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.records import records


@dataclass
class Shown:
    """What the live table would show."""

    attempts: dict[str, dict[str, Any]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def update(self, attempt_id: str, **fields: Any) -> None:
        self.attempts.setdefault(attempt_id, {}).update(fields)
        self.news.set()

    async def dialling(self, calls: int) -> None:
        """Waits until so many attempts got their permit."""
        while [shown.get("state") for shown in self.attempts.values()] != ["dialling"] * calls:
            self.news.clear()
            await self.news.wait()

    def enrolling(self, done: int, wanted: int) -> None:
        pass

    def counters(self, **numbers: int) -> None:
        self.news.set()


@dataclass
class Prompts:
    """Everything is rendered; `unspeakable` cases break while they are."""

    unspeakable: set[str] = field(default_factory=set)

    async def render_for(self, slots: Mapping[str, tuple[str, object]], flags: object) -> str | None:
        if any(value in self.unspeakable for _, value in slots.values()):
            raise OSError("no room on the disk")
        return None


@dataclass
class Scene:
    """A campaign of a few rows with fake workers."""

    site: LedgerSite
    supervisor: Supervisor
    pool: WorkerPool
    campaign_id: str
    shown: Shown

    async def run(self, within_s: float = 30) -> None:
        try:
            await self.pool.start()
            await asyncio.wait_for(self.supervisor.run(), within_s)
        finally:
            await self.pool.stop()
            self.supervisor.close()

    @property
    def dispositions(self) -> dict[str, int]:
        return self.site.ledger.progress(self.campaign_id).dispositions

    @property
    def open(self) -> int:
        return self.site.ledger.progress(self.campaign_id).live


QUEUES = {"general": QueueSettings(name="general", skill="general")}
Stage = Callable[..., Scene]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LedgerSite]:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}", KeyRing.create(tmp_path / "keys.json"))
    yield build(store, SimulationClock(at(10, 15)), tmp_path, lambda: True)  # type: ignore[arg-type]
    store.close()


@pytest.fixture
def stage(site: LedgerSite, tmp_path: Path) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="vb-") as sockets:

        def make(act: str, rows: int = 3, workers: int = 1, lines: int = 2, **more: Any) -> Scene:
            shown = Shown()
            campaign = site.campaign(lines=lines, calls_per_second=100, retry={"attempts": 1})
            campaign_id = site.enrol(
                *(row(number, name=f"张{'一二三四五六'[number]}") for number in range(rows)),
                lines=lines,
                calls_per_second=100,
                retry={"attempts": 1},
            )
            supervisor = Supervisor(
                store=site.store,
                ledger=site.ledger,
                campaign=campaign,
                campaign_id=campaign_id,
                voice="espeak:cmn",
                trunk=Trunk(name="simulated", simulated=True, gateways=("127.0.0.1:5999",)),
                clock=site.clock,
                queue=AgentQueue([], QUEUES, None, site.clock.monotonic),  # type: ignore[arg-type]
                prompts=Prompts(**more),  # type: ignore[arg-type]
                watcher=shown,
                run_slots=dict,
                pacing=pacing_of(campaign, site.clock, alarms := Alarms(site.clock)),
                alarms=alarms,
                journal=Journal(tmp_path / "journal", site.ledger.node, site.store.keys),
            )
            program = (sys.executable, "-m", "tests.campaign.fake_worker", act)
            pool = supervisor.pool(
                workers, services(tmp_path), Path(sockets), tmp_path / "logs", program, health_every_s=0.3
            )
            return Scene(site, supervisor, pool, campaign_id, shown)

        yield make


def pacing_of(campaign: Campaign, clock: Clock, alarms: Alarms) -> CampaignPacing:
    return CampaignPacing(
        settings=campaign.pacing,
        lines=campaign.lines,
        calls_per_second=campaign.calls_per_second,
        trunk=campaign.trunk,
        max_wait_s=20,
        wrap_up_s=15,
        clock=clock,
        alarms=alarms,
    )


def services(folder: Path) -> Services:
    names = ("speech_socket", "tracks", "prompts", "recordings", "silero", "key_file", "queues_file")
    paths = {name: folder / name for name in names}
    return Services(
        **paths,
        dialog_url="",
        dialog_token="",
        sip_ip="127.0.0.1",
        trunk=Trunk(name="paper", gateways=("127.0.0.1:9",)),
        calls=2,
        asr_engine="none",
    )


async def test_every_call_is_placed_and_closed(stage: Stage, site: LedgerSite) -> None:
    scene = stage("close")
    await scene.run()
    assert scene.dispositions == {"BUSY": 3}
    assert len(list(records(site.store, scene.campaign_id))) == 3
    assert scene.supervisor.facts.fault == ""


async def test_a_call_that_fails_after_its_permit_is_unknown(stage: Stage) -> None:
    scene = stage("fail")
    await scene.run()
    assert scene.dispositions == {"UNKNOWN": 3}
    assert scene.supervisor.facts.lost == 3


async def test_a_call_that_fails_before_its_permit_was_not_dialled(stage: Stage) -> None:
    scene = stage("fail_before_permit", rows=1)
    await scene.run()
    assert set(scene.dispositions) == {"NOT_DIALLED"}
    assert scene.supervisor.facts.lost == 0
    assert "not dialled: ValueError" in scene.supervisor.facts.fault


async def test_a_record_that_cannot_be_read_costs_the_record_only(stage: Stage) -> None:
    scene = stage("bad_record")
    await scene.run()
    assert scene.dispositions == {"UNKNOWN": 3}
    assert scene.supervisor.facts.fault == "a call's record could not be written (ValidationError)"


async def test_a_store_that_fails_once_is_asked_again(
    stage: Stage, site: LedgerSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, close, calls = stage("close"), site.ledger.close, []

    def first_fails(*arguments: Any, **named: Any) -> bool:
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError("busy")
        return close(*arguments, **named)

    monkeypatch.setattr(site.ledger, "close", first_fails)
    await scene.run()
    assert scene.dispositions == {"BUSY": 3}
    assert scene.supervisor.facts.fault == ""


async def test_a_store_that_writes_nothing_more_ends_the_run(
    stage: Stage, site: LedgerSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **named: Any) -> bool:
        raise OSError("no room on the disk")

    monkeypatch.setattr(site.ledger, "close", broken)
    scene = stage("close")
    await scene.run()
    assert scene.supervisor.facts.fault == "the store does not write (OSError)"


async def test_a_claim_that_breaks_ends_the_run_and_says_so(
    stage: Stage, site: LedgerSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> list[Any]:
        raise OSError("no room on the disk")

    monkeypatch.setattr(site.ledger, "claim", broken)
    scene = stage("close")
    await scene.run()
    assert scene.supervisor.facts.fault == "the supervisor failed (OSError)"


async def test_a_case_that_cannot_be_prepared_does_not_stop_the_others(stage: Stage) -> None:
    scene = stage("close", unspeakable={"张二"})
    await scene.run()
    assert scene.dispositions == {"BUSY": 2, "NOT_DIALLED": 3}


async def test_a_dead_workers_call_is_unknown_and_the_run_goes_on(stage: Stage) -> None:
    scene = stage("die,close", lines=1)
    await scene.run()
    assert scene.dispositions == {"BUSY": 2, "UNKNOWN": 1}
    assert scene.supervisor.facts.lost == 1
    assert scene.supervisor.facts.fault == ""


async def test_a_frozen_worker_is_killed(stage: Stage) -> None:
    scene = stage("freeze,close", lines=1)
    await scene.run()
    assert scene.dispositions == {"BUSY": 2, "UNKNOWN": 1}


async def test_a_worker_that_is_not_replaced_at_once_is_tried_again(stage: Stage) -> None:
    scene = stage("die,refuse_to_start,refuse_to_start,close", lines=1)
    await scene.run()
    assert scene.dispositions == {"BUSY": 2, "UNKNOWN": 1}
    assert scene.supervisor.facts.fault == ""


async def test_workers_that_only_die_end_the_run_with_a_fault(stage: Stage) -> None:
    scene = stage("die", rows=6, workers=1, lines=1)
    scene.pool._restarts.extend([asyncio.get_running_loop().time()] * 3)  # three restarts a moment ago
    await scene.run()
    assert scene.supervisor.facts.fault == "no call worker left"
    assert scene.dispositions == {"UNKNOWN": 3}
    assert scene.open == 0


async def test_what_is_paused_is_not_claimed(stage: Stage) -> None:
    scene = stage("close")
    scene.supervisor.pause("speech")
    await scene.pool.start()
    running = asyncio.create_task(scene.supervisor.run())
    await asyncio.sleep(0.5)
    assert scene.dispositions == {}
    scene.supervisor.resume("speech")
    await asyncio.wait_for(running, 10)
    await scene.pool.stop()
    assert scene.dispositions == {"BUSY": 3}


async def test_nothing_is_claimed_while_no_worker_is_registered_with_the_trunk(stage: Stage) -> None:
    scene = stage("close")
    await scene.pool.start()
    (worker,) = scene.pool.names
    await scene.supervisor._reports.hear(
        worker, "trunk", {"trunk_ready": False, "trunk_text": "REGISTER: 503 Busy", "trunk_losses": 1}
    )
    running = asyncio.create_task(scene.supervisor.run())
    await asyncio.sleep(1.2)  # the sweep that raises alarms comes once a second
    numbers = scene.supervisor.numbers()
    assert scene.site.ledger.progress(scene.campaign_id).planned == 3, "nothing is counted against anybody"
    assert numbers["held_up_by"] == ["registration with simulated"]
    assert numbers["registration"] == {
        "registered": 0,
        "missing": 1,
        "losses": 1,
        "text": "REGISTER: 503 Busy",
    }
    assert [alarm["kind"] for alarm in numbers["alarms"]] == ["not_registered"]
    await scene.supervisor._reports.hear(
        worker, "trunk", {"trunk_ready": True, "trunk_text": "registered for 300 s", "trunk_losses": 1}
    )
    await asyncio.wait_for(running, 10)
    await scene.pool.stop()
    assert scene.dispositions == {"BUSY": 3}


async def test_a_simulated_run_does_not_wait_for_balances_that_nobody_mends(
    stage: Stage, site: LedgerSite
) -> None:
    scene = stage("close")
    site.owe(*(row(number) for number in range(3)), as_of=site.clock.now() - timedelta(minutes=20))
    await scene.pool.start()
    await asyncio.wait_for(scene.supervisor.run(), 10)
    await scene.pool.stop()
    assert "its balances" in scene.supervisor.facts.fault
    assert scene.dispositions == {} and site.ledger.progress(scene.campaign_id).planned == 3


async def test_what_holds_the_whole_campaign_up_is_named(stage: Stage, site: LedgerSite) -> None:
    scene = stage("close")
    approve(site.store, "revoked", "2026-03-02T10:16:00+08:00")
    await scene.pool.start()
    running = asyncio.create_task(scene.supervisor.run())
    while not (held := scene.supervisor.numbers()["held_up_by"]):
        scene.shown.news.clear()
        await scene.shown.news.wait()
    scene.supervisor.stop()
    await asyncio.wait_for(running, 10)
    await scene.pool.stop()
    assert held == ["its track's approval"]
    assert scene.site.ledger.progress(scene.campaign_id).planned == 3, "nobody is refused for it"


async def test_a_stop_is_no_fault(stage: Stage) -> None:
    """Ctrl-C once: nothing more is dialled; the order that was under way is no fault of anything."""
    scene = stage("close", rows=6)
    heard = scene.supervisor._reports._permit

    async def stopped_first(attempt_id: str, worker: str) -> dict[str, Any]:
        scene.supervisor.stop()
        return await heard(attempt_id, worker)

    scene.supervisor._reports._permit = stopped_first  # type: ignore[method-assign]
    await scene.run()
    assert scene.supervisor.facts.fault == ""
    assert set(scene.dispositions) <= {"NOT_DIALLED"}
    assert scene.open == 0


async def test_ended_at_once_the_calls_in_progress_are_unknown(stage: Stage) -> None:
    """Ctrl-C twice."""
    scene = stage("hold", rows=2)
    running = asyncio.create_task(scene.run())
    await asyncio.wait_for(scene.shown.dialling(2), 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert scene.dispositions == {"UNKNOWN": 2}
    assert scene.open == 0


async def test_a_worker_that_is_being_replaced_is_not_the_end(stage: Stage) -> None:
    scene = stage("start_slowly", lines=1)
    await scene.pool.start()
    running = asyncio.create_task(scene.supervisor.run())
    await asyncio.sleep(0.2)
    (slot,) = scene.pool._slots.values()
    os.kill(slot.child.pid, signal.SIGKILL)
    await asyncio.wait_for(running, 20)
    await scene.pool.stop()
    assert scene.supervisor.facts.fault == ""
    ended = scene.dispositions
    assert sum(ended.values()) - ended.get("NOT_DIALLED", 0) == 3  # an order to the dead one was given again
