"""The form after a talk: it is never lost, and what it asks for is written once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from handoff.card import Card
from handoff.desk import hub
from handoff.desk.call_log import CallLog
from tests.handoff.desk.browser import until
from tests.handoff.desk.office import Office, agent_of
from tests.handoff.paper_phone import PaperPhone
from tests.handoff.paper_scene import accepts_by_key
from voicebot.errors import InputError
from voicebot.store.database import Store


async def test_a_run_that_breaks_off_leaves_the_form_and_what_it_asks_for_is_written_later(
    office: Office,
) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    await run.close()
    form = await wang.sees(lambda view: view["wrap"])
    status, _ = await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "COMPLAINT"})
    assert status == 200
    _, answer = await wang.get("/api/today")
    assert answer["calls"][0]["effects_due"] is True
    again = await office.run()
    await until(lambda: bool(again.controls.effects))
    assert office.alone == [], "a simulated run's store is its own"
    assert again.controls.effects[0][1]["hold"] == "open_complaint"
    await call.debtor_hangs_up()


async def test_what_a_form_asks_for_after_the_campaigns_end_goes_to_the_sites_store(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    await run.close()
    form = await wang.sees(lambda view: view["wrap"])
    office.known.add(call.attempt_id)
    await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "INFORMED", "stop_calling": True})
    await until(lambda: bool(office.alone), 9)
    assert office.alone[0][1]["stop_list"] == "DEBTOR_NO_BOT"
    await asyncio.sleep(0.3)
    assert len(office.alone) == 1, "written once"
    await call.debtor_hangs_up()


async def test_a_form_that_is_missing_is_asked_for_after_a_restart(
    office: Office, store: Store, tmp_path: Path
) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    await wang.hangs_up(call)
    async with Office(tmp_path / "second", store, office.agents) as second:
        again = await second.somebody("wang")
        await again.watch()
        assert again.view["wrap"]["case_id"] == "DEMO-008"


async def test_a_stop_request_that_the_run_could_not_write_is_written_when_it_can(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    form = await wang.hangs_up(call)
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
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    form = await wang.hangs_up(call)
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
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    await run.close()
    form = await wang.sees(lambda view: view["wrap"])
    await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "STOP_REQUEST"})
    await until(lambda: bool(tries))
    await asyncio.sleep(0.4)
    assert tries == [call.attempt_id]
    again = await office.run()
    await until(lambda: bool(again.controls.effects))
    await call.debtor_hangs_up()


async def test_a_talk_of_which_the_store_took_nothing_has_its_form_when_the_store_is_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, away = CallLog.offered, [True]

    def offered(log: CallLog, *arguments: Any) -> int:
        if away:
            raise InputError("the store is away")
        return real(log, *arguments)

    monkeypatch.setattr(CallLog, "offered", offered)
    run, wang = await office.run(), await office.available("wang")
    call = await run.offer(PaperPhone({"a": accepts_by_key}), whisper_s=0.1)
    await wang.sees(lambda view: view["me"]["presence"] == "talking")
    await call.debtor_hangs_up()
    assert wang.view["call"] is None
    away.clear()
    form = await wang.sees(lambda view: view["wrap"])
    assert (await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "STOP_REQUEST"}))[0] == 200
    assert run.controls.effects[0][1]["stop_list"] == "DEBTOR_NO_BOT"


async def test_a_form_that_two_tabs_send_counts_once_and_one_that_was_not_kept_may_be_sent_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    form = await wang.hangs_up(call)
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
