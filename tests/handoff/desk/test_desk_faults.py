"""What must not be lost when a part of the desk fails: the store, a run's line, the desk itself, one row."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from handoff.desk import hub
from handoff.staff import Staff
from tests.handoff.desk.office import Browser, HandedOver, Office, RunInTown, agent_of, until
from tests.handoff.desk.test_desk import answers_when_rung, available
from tests.handoff.paper_phone import PaperPhone, end
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
