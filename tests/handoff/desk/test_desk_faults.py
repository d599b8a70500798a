"""What must not be lost when a part of the desk fails: the store, a run's line, the desk itself, one row."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import update

from handoff.card import Card
from handoff.desk import hub
from handoff.desk.call_log import CallLog
from handoff.staff import Staff
from tests.handoff.desk.office import Browser, HandedOver, Office, RunInTown, agent_of, until
from tests.handoff.desk.test_desk import answers_when_rung, available, rings
from tests.handoff.paper_phone import PaperPhone, end
from tests.handoff.paper_scene import accepts_by_key
from voicebot.campaign import at_desk
from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import StaffRow


async def talking(office: Office, run: RunInTown, wang: Browser) -> tuple[HandedOver, PaperPhone]:
    """A debtor and wang talk."""
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("whisper")
    assert await wang.act("accept") == 200
    await wang.sees_state("bridged")
    return call, phone


async def test_a_stop_request_that_the_run_could_not_write_is_written_when_it_can(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    run, wang = await office.run(), await available(office, "wang")
    call, _ = await talking(office, run, wang)
    await wang.act("hang_up")
    await call.ended
    form = await wang.sees(lambda view: view["wrap"])
    run.controls.fault = InputError("the store is away")
    body = {"call": form["call"], "disposition": "STOP_REQUEST"}
    assert (await wang.post("/api/wrap-up", body))[0] == 200
    assert run.controls.effects == []
    run.controls.fault = None
    await until(lambda: bool(run.controls.effects))
    assert run.controls.effects[0][1]["stop_list"] == "DEBTOR_NO_BOT"
    await asyncio.sleep(0.4)
    assert len(run.controls.effects) == 1, "written once"


async def test_what_a_run_is_slow_to_write_is_not_asked_for_twice_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.05)
    run, wang = await office.run(), await available(office, "wang")
    call, _ = await talking(office, run, wang)
    await wang.act("hang_up")
    await call.ended
    form = await wang.sees(lambda view: view["wrap"])
    asked: list[str] = []

    async def slow(attempt_id: str, effects: Any) -> None:
        asked.append(attempt_id)
        await asyncio.sleep(0.6)

    monkeypatch.setattr(run.controls, "apply", slow)
    assert (await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "DISPUTE"}))[0] == 200
    assert asked == [call.attempt_id]


async def test_what_the_sites_store_does_not_know_is_tried_once_and_waits_for_its_run(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.05)
    tries: list[str] = []

    def refuses(attempt_id: str, effects: Any) -> bool:
        tries.append(attempt_id)
        return False

    monkeypatch.setattr(office.hub, "_write_alone", refuses)
    run, wang = await office.run(), await available(office, "wang")
    call, _ = await talking(office, run, wang)
    await run.close()
    form = await wang.sees(lambda view: view["wrap"])
    await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "STOP_REQUEST"})
    await until(lambda: bool(tries))
    await asyncio.sleep(0.4)
    assert tries == [call.attempt_id]
    again = await office.run()
    await until(lambda: bool(again.controls.effects))
    end(call.debtor)
    await call.ended


async def closed(page: Browser) -> None:
    await until(lambda: page.line is not None and page.line.closed)


async def test_after_a_rotation_of_the_keys_a_running_desk_reads_disables_and_lets_in(
    office: Office, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    wang = await available(office, "wang")
    keys = KeyRing.load(tmp_path / "keys.json").rotated()
    keys.save(tmp_path / "keys.json")
    other = Store.open(f"sqlite:///{tmp_path / 'desk.db'}", keys)
    staff = Staff(other, office.clock)
    staff.put("li", "agent", {"name": "李思远"}, "test", "agent_changed")
    await office.somebody("li")
    staff.set_enabled("wang", "agent", False, "test")
    other.close()
    await closed(wang)


async def test_a_profile_that_cannot_be_read_keeps_nobody_logged_in_and_the_login_says_so(
    office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    wang = await available(office, "wang")
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
    await closed(wang)


async def test_a_fault_in_one_round_ends_neither_the_roster_nor_the_page_nor_a_runs_news(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.05)
    monkeypatch.setattr(at_desk, "ROSTER_EVERY_S", 0.05)
    run, wang = await office.run(), await available(office, "wang")
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
    await closed(wang)


async def test_after_a_lost_line_the_talk_goes_on_with_its_buttons_and_one_form(office: Office) -> None:
    run, wang = await office.run(), await available(office, "wang")
    call, _ = await talking(office, run, wang)
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
    assert await wang.act("hang_up") == 200
    await call.ended
    form = await wang.sees(lambda view: view["wrap"])
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
        wang = await available(first, "wang")
        call, _ = await talking(first, run, wang)
    async with Office(tmp_path, store, agents) as second:
        await until(lambda: second.hub.floor.run_of("demo-1") is not None)
        wang = await second.somebody("wang")
        await wang.watch()
        await wang.sees_state("bridged")
        assert wang.view["wrap"] is None
        assert await wang.act("hang_up") == 200
        await call.ended
        form = await wang.sees(lambda view: view["wrap"])
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
    run, wang = await office.run(), await available(office, "wang")
    call, _ = await talking(office, run, wang)
    assert await wang.act("hang_up") == 200
    await call.ended
    await wang.sees(lambda view: view["wrap"])


async def test_a_talk_of_which_the_store_took_nothing_has_its_form_when_the_store_is_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, away = CallLog.offered, [True]

    def offered(log: CallLog, *arguments: Any) -> int:
        if away:
            raise InputError("the store is away")
        return real(log, *arguments)

    monkeypatch.setattr(CallLog, "offered", offered)
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": accepts_by_key})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor(), whisper_s=0.1)
    await wang.sees(lambda view: view["me"]["presence"] == "talking")
    end(call.debtor)
    await call.ended
    assert wang.view["call"] is None
    away.clear()
    form = await wang.sees(lambda view: view["wrap"])
    assert (await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "STOP_REQUEST"}))[0] == 200
    assert run.controls.effects[0][1]["stop_list"] == "DEBTOR_NO_BOT"


async def test_a_form_that_two_tabs_send_counts_once_and_one_that_was_not_kept_may_be_sent_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wang = await office.run(), await available(office, "wang")
    call, _ = await talking(office, run, wang)
    await wang.act("hang_up")
    await call.ended
    form = await wang.sees(lambda view: view["wrap"])
    body = {"call": form["call"], "disposition": "COMPLAINT"}
    real, away = CallLog.wrapped_up, [True]

    def wrapped_up(log: CallLog, *arguments: Any, **named: Any) -> None:
        time.sleep(0.1)  # on the store's thread
        if away:
            away.pop()
            raise InputError("the store is away")
        real(log, *arguments, **named)

    monkeypatch.setattr(CallLog, "wrapped_up", wrapped_up)
    assert await wang.post("/api/wrap-up", body) == (409, {"word": "store_down"})
    answers = await asyncio.gather(*(wang.post("/api/wrap-up", body) for _ in range(3)))
    assert sorted(status for status, _ in answers) == [200, 409, 409]
    assert len(run.controls.effects) == 1


async def test_all_forms_that_are_missing_are_asked_for_after_a_restart(store: Store, tmp_path: Path) -> None:
    office = Office(tmp_path, store, [agent_of("wang")])
    office.employ("wang")
    log = CallLog(store, office.clock)
    for case in ("CASE-1", "CASE-2"):
        card = Card(
            attempt_id=case.lower(),
            campaign="demo",
            case_id=case,
            phone_masked="138****5678",
            name_masked="陈**",
            to_contact=False,
            queue="instalment",
            reason="客户希望分期",
            priority=False,
            level=2,
            disposition="HUMAN",
        )
        log.bridged(log.offered("wang", "demo-1", card))
    async with office:
        wang = await office.somebody("wang")
        await wang.watch()
        for case in ("CASE-1", "CASE-2"):
            form = await wang.sees(lambda view: view["wrap"])
            assert form["case_id"] == case
            status, _ = await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "INFORMED"})
            assert status == 200
            await wang.sees(lambda view, call=form["call"]: (view["wrap"] or {}).get("call") != call)
        assert wang.view["wrap"] is None


async def test_a_busy_store_holds_up_no_button(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    run, wang, li = await office.run(), await available(office, "wang"), await office.somebody("li")
    call, phone = await talking(office, run, wang)
    real, free = CallLog.offered, threading.Event()

    def offered(log: CallLog, *arguments: Any) -> int:
        free.wait(8)
        return real(log, *arguments)

    monkeypatch.setattr(CallLog, "offered", offered)
    await li.watch()
    assert (await li.post("/api/presence", {"reason": None}))[0] == 200
    await until(lambda: run.queue.seats("instalment").free == 1)
    phone.scripts["b"] = rings
    second = run.hand_over(phone, phone.debtor())
    await li.sees(lambda view: view["me"]["presence"] == "reserved")
    assert li.view["call"] is None, "no card before the look is written"
    assert await wang.act("hold") == 200
    await wang.sees(lambda view: view["call"]["held"])
    free.set()
    await li.sees_state("ringing")
    for one in (call, second):
        end(one.debtor)
        await one.ended


async def test_a_fault_while_a_page_opens_leaves_nobody_at_the_desk(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wang = await office.run(), await available(office, "wang")
    call, _ = await talking(office, run, wang)

    def fails(*_: Any) -> None:
        raise KeyError("page")

    tab = await office.somebody("wang")
    with monkeypatch.context() as broken, pytest.raises(aiohttp.WSServerHandshakeError):
        broken.setattr(office.hub.floor, "call_of", fails)
        await tab.watch()
    assert office.hub.floor.people["wang"].pages == 1
    end(call.debtor)
    await call.ended


async def test_a_call_that_is_cancelled_while_its_last_words_are_heard_leaves_nothing_running(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wang = await office.run(), await available(office, "wang")
    call, _ = await talking(office, run, wang)
    hanging = asyncio.ensure_future(asyncio.Event().wait())
    call.handover._ears_closing.append(hanging)  # type: ignore[arg-type]
    following = [task for task in asyncio.all_tasks() if "DeskFeed.follow" in repr(task)]
    end(call.debtor)
    await until(lambda: call.transcript.handoff.ended_s is not None)  # type: ignore[union-attr]
    call.ended.cancel()
    await asyncio.gather(call.ended, *following, return_exceptions=True)
    assert [task.cancelled() for task in (call.ended, *following)] == [True, True]
