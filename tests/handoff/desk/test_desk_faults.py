"""What must not be lost when a part of the desk fails: the store, a run's line, the desk itself, one row."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import update

from handoff.desk import hub
from handoff.desk.call_log import CallLog
from handoff.staff import Staff
from tests.handoff.desk.browser import Browser, until
from tests.handoff.desk.office import Office, agent_of
from tests.handoff.desk.run_in_town import RunInTown
from tests.handoff.paper_phone import end
from tests.handoff.paper_scene import rings_for_ever
from voicebot.campaign import at_desk
from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import StaffRow


async def test_after_a_rotation_of_the_keys_a_running_desk_reads_disables_and_lets_in(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    wang = await office.available("wang")
    keys = KeyRing.load(tmp_path / "keys.json").rotated()
    keys.save(tmp_path / "keys.json")
    other = Store.open(f"sqlite:///{tmp_path / 'desk.db'}", keys)
    staff = Staff(other, office.clock)
    staff.put("li", "agent", {"name": "李思远"}, "test", "agent_changed")
    await office.somebody("li")
    staff.set_enabled("wang", "agent", False, "test")
    other.close()
    await wang.closed()


async def test_a_profile_that_cannot_be_read_keeps_nobody_logged_in_and_the_login_says_so(
    office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    wang = await office.available("wang")
    staff = Staff(store, office.clock)

    def spoil() -> None:
        with store.begin() as connection:
            connection.execute(update(StaffRow).where(StaffRow.id == "li").values(profile_ct=b"?"))

    def roster() -> Any:
        return staff.over(office.agents)

    monkeypatch.setattr(office.hub, "_roster", roster)
    spoil()
    stranger = Browser(office)
    assert (await stranger.log_in("li"))[0] == 503
    await stranger.close()
    staff.set_enabled("wang", "agent", False, "test")
    await wang.closed()


async def test_a_fault_in_one_round_ends_neither_the_roster_nor_the_page_nor_a_runs_news(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.05)
    monkeypatch.setattr(at_desk, "ROSTER_EVERY_S", 0.05)
    run, wang = await office.run(), await office.available("wang")
    failed: set[str] = set()

    def fails(what: str, part: Any, name: str) -> None:
        real = getattr(part, name)

        def once(*arguments: Any) -> Any:
            if what not in failed:
                failed.add(what)
                raise KeyError(what)
            return real(*arguments)

        monkeypatch.setattr(part, name, once)

    fails("roster", office.hub, "_roster")
    fails("qualify", office.hub, "_qualify")
    fails("news", run.at_desk, "news")
    fails("run's roster", run.controls, "roster")
    office.hub.floor.changed()
    await until(lambda: len(failed) == 4)
    run.controls.staff = [agent_of("wang", enabled=False)]
    await until(lambda: run.queue.seats("instalment").here == 0)
    office.agents[0] = agent_of("wang", enabled=False)
    await wang.closed()


async def test_after_a_lost_line_the_talk_goes_on_with_its_buttons_and_one_form(office: Office) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    assert await wang.act("hold") == 200
    await wang.sees(lambda view: view["call"]["held"])
    await run.close()
    await wang.sees(lambda view: view["wrap"])
    run.open()
    card = await wang.sees_state("bridged")
    assert card["held"]
    assert wang.view["wrap"] is None, "they still talk"
    assert await wang.act("resume") == 200
    await wang.sees(lambda view: not view["call"]["held"])
    form = await wang.hangs_up(call)
    assert form["outcome"] == "talked"
    assert (await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "INFORMED"}))[0] == 200
    await wang.sees(lambda view: view["wrap"] is None)
    _, answer = await wang.get("/api/today")
    assert [one["outcome"] for one in answer["calls"]] == ["talked"]


async def test_a_desk_that_is_started_again_in_mid_talk_takes_the_talk_over(
    store: Store, tmp_path: Path
) -> None:
    agents = [agent_of("wang")]
    async with Office(tmp_path, store, agents) as first:
        first.employ("wang")
        run = RunInTown(tmp_path, agents, first.clock, first.why, "demo")
        run.open()
        wang = await first.available("wang")
        call = await run.talks_with(wang)
    async with Office(tmp_path, store, agents) as second:
        await until(lambda: second.hub.floor.run_of("demo-1") is not None)
        wang = await second.somebody("wang")
        await wang.watch()
        await wang.sees_state("bridged")
        assert wang.view["wrap"] is None
        form = await wang.hangs_up(call)
        assert form["outcome"] == "talked"
        assert len((await wang.get("/api/today"))[1]["calls"]) == 1
        await run.close()


async def test_a_card_that_the_store_did_not_take_is_shown_as_soon_as_it_does(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, away = CallLog.offered, [True, True]

    def offered(log: CallLog, *arguments: Any) -> int:
        if away:
            away.pop()
            raise InputError("the store is away")
        return real(log, *arguments)

    monkeypatch.setattr(CallLog, "offered", offered)
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    await wang.hangs_up(call)


async def test_a_busy_store_holds_up_no_button(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    run, wang, li = await office.run(), await office.available("wang"), await office.somebody("li")
    call = await run.talks_with(wang)
    real, free = CallLog.offered, threading.Event()

    def offered(log: CallLog, *arguments: Any) -> int:
        free.wait(8)
        return real(log, *arguments)

    monkeypatch.setattr(CallLog, "offered", offered)
    await li.watch()
    assert (await li.post("/api/presence", {"reason": None}))[0] == 200
    call.phone.scripts["b"] = rings_for_ever
    second = await run.offer(call.phone)
    await li.sees(lambda view: view["me"]["presence"] == "reserved")
    assert li.view["call"] is None, "no card before the look is written"
    assert await wang.act("hold") == 200
    await wang.sees(lambda view: view["call"]["held"])
    free.set()
    await li.sees_state("ringing")
    for one in (call, second):
        await one.debtor_hangs_up()


async def test_a_fault_while_a_page_opens_leaves_nobody_at_the_desk(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)

    def fails(*_: Any) -> None:
        raise KeyError("page")

    tab = await office.somebody("wang")
    with monkeypatch.context() as broken, pytest.raises(aiohttp.WSServerHandshakeError):
        broken.setattr(office.hub.floor, "call_of", fails)
        await tab.watch()
    assert office.hub.floor.people["wang"].pages == 1
    await call.debtor_hangs_up()


async def test_a_call_that_is_cancelled_while_its_last_words_are_heard_leaves_nothing_running(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    hanging = asyncio.ensure_future(asyncio.Event().wait())
    call.handover._ears_closing.append(hanging)  # type: ignore[arg-type]
    following = [task for task in asyncio.all_tasks() if "DeskFeed.follow" in repr(task)]
    end(call.debtor)
    await until(lambda: call.transcript.handoff.ended_s is not None)  # type: ignore[union-attr]
    call.ended.cancel()
    await asyncio.gather(call.ended, *following, return_exceptions=True)
    assert [task.cancelled() for task in (call.ended, *following)] == [True, True]


async def test_the_desk_closes_at_once_although_pages_are_open(
    office: Office, store: Store, tmp_path: Path
) -> None:
    second = Office(tmp_path / "second", store, office.agents)
    await second.__aenter__()
    wang = Browser(second)
    await wang.log_in("wang")
    await wang.watch()
    began = asyncio.get_running_loop().time()
    await second.__aexit__()
    assert asyncio.get_running_loop().time() - began < 3.0
    await wang.closed()
    await wang.close()
