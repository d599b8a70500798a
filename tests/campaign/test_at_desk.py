"""A run at the desk: real supervisor, ledger and worker process on one side, the served desk on the other."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import select

from handoff.desk.line import RunLine
from handoff.queue import AgentQueue
from handoff.settings import QueueSettings
from sip.trunk import Trunk
from tests.campaign.site import at, build, row
from tests.campaign.test_supervisor import Prompts, Shown, pacing_of, services
from tests.handoff.desk.browser import until
from tests.handoff.desk.office import Office, agent_of
from voicebot.campaign.desk_controls import DeskControls
from voicebot.campaign.journal import Journal
from voicebot.campaign.pacing.alarms import Alarms
from voicebot.campaign.supervisor import Supervisor
from voicebot.clock import SimulationClock
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import CampaignRow, MarkRow

QUEUES = {"general": QueueSettings(name="general", skill="general", wrap_up_s=1)}


async def test_card_buttons_form_and_wishes_go_through_supervisor_worker_and_ledger(tmp_path: Path) -> None:
    keys = KeyRing.create(tmp_path / "keys.json")
    store, own = (Store.open(f"sqlite:///{tmp_path / name}.db", keys) for name in ("run", "desk"))
    site = build(store, SimulationClock(at(10, 15)), tmp_path, lambda: True)  # type: ignore[arg-type]
    changes: dict[str, Any] = {"lines": 1, "calls_per_second": 100, "retry": {"attempts": 1}}
    campaign, campaign_id = site.campaign(**changes), site.enrol(row(1), **changes)
    agents = [agent_of("wang")]
    queue = AgentQueue(agents, QUEUES, lambda agent: None, site.clock.monotonic)
    alarms = Alarms(site.clock)
    supervisor = Supervisor(
        store=store,
        ledger=site.ledger,
        campaign=campaign,
        campaign_id=campaign_id,
        voice="espeak:cmn",
        trunk=Trunk(name="simulated", simulated=True, gateways=("127.0.0.1:5999",)),
        clock=site.clock,
        queue=queue,
        prompts=Prompts(),  # type: ignore[arg-type]
        watcher=Shown(),
        run_slots=dict,
        pacing=pacing_of(campaign, site.clock, alarms),
        alarms=alarms,
        journal=Journal(tmp_path / "journal", site.ledger.node, keys),
    )
    controls = DeskControls(store, site.clock, supervisor, site.ledger, campaign_id, lambda: agents)
    supervisor.at_desk.begin(controls)
    program = (sys.executable, "-m", "tests.campaign.fake_worker", "hand_over")
    with tempfile.TemporaryDirectory(prefix="vb-") as sockets:
        async with Office(tmp_path, own, agents) as office:
            office.employ("wang")
            office.employ("lin", "operations")
            line = asyncio.ensure_future(RunLine(tmp_path, supervisor.at_desk).run())
            wang, lin = await office.somebody("wang"), await office.somebody("lin")
            await wang.watch()
            await until(lambda: office.hub.floor.run_of(campaign_id) is not None)
            assert (await wang.post("/api/presence", {"reason": None}))[0] == 200
            await until(lambda: queue.seats("general").free == 1)
            pool = supervisor.pool(1, services(tmp_path), Path(sockets), tmp_path / "logs", program)
            await pool.start()
            running = asyncio.ensure_future(supervisor.run())
            try:
                card = await wang.sees_state("whisper")
                assert card["case_id"] == "case-1"
                assert await wang.post(
                    "/api/reveal", {"attempt_id": card["attempt_id"], "reason": "address"}
                ) == (200, {"name": "张伟"})
                assert await wang.act("accept") == 200
                await wang.sees(lambda view: view["call"]["turns"][-1]["text"] == "您好，请讲。")
                assert (await lin.post("/api/wish", {"campaign_id": campaign_id, "wish": "pause"}))[0] == 200
                assert await wang.act("hang_up") == 200
                form = await wang.sees(lambda view: view["wrap"])
                body = {"call": form["call"], "disposition": "COMPLAINT"}
                assert (await wang.post("/api/wrap-up", body))[0] == 200
                _, mine = await wang.get("/api/today")
                assert mine["calls"][0]["effects_due"] is False
                await asyncio.wait_for(running, 10)
            finally:
                running.cancel()
                await pool.stop()
                line.cancel()
                await asyncio.gather(line, running, return_exceptions=True)
                supervisor.close()
    with store.reading() as connection:
        assert connection.execute(select(CampaignRow.state)).scalar_one() == "paused"
        mark = connection.execute(select(MarkRow.case_id, MarkRow.mark)).one()
    assert tuple(mark) == ("case-1", "open_complaint")
    assert site.ledger.progress(campaign_id).dispositions == {"HUMAN": 1}
    store.close()
    own.close()
