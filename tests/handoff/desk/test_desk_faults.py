"""What must not be lost when a part of the desk fails: the store, a run's line, the desk itself, one row."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handoff.desk import hub
from tests.handoff.desk.office import Browser, HandedOver, Office, RunInTown, until
from tests.handoff.desk.test_desk import answers_when_rung, available
from tests.handoff.paper_phone import PaperPhone, end
from voicebot.errors import InputError


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
