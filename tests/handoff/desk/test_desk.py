"""The desk through its own door: login, cards, buttons, forms; who may do what, and what is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sip.leg import Leg
from tests.handoff.desk.office import Browser, Office, agent_of, until
from tests.handoff.paper_phone import PaperPhone
from voicebot.call.handing_over import HandoverEnd
from voicebot.store.database import Store
from voicebot.store.models import AuditRow


async def answers_when_rung(leg: Leg) -> None:
    leg.happened("ringing", None)
    await asyncio.sleep(0.3)
    leg.happened("answered", None)


async def rings(leg: Leg) -> None:
    leg.happened("ringing", None)


@pytest.fixture
async def office(tmp_path: Path, store: Store) -> AsyncIterator[Office]:
    agents = [
        agent_of("wang", "sip:a@127.0.0.1"),
        agent_of("li", "sip:b@127.0.0.1"),
        agent_of("zhou", "sip:c@127.0.0.1", "supervisor"),
    ]
    made = Office(tmp_path, store, agents)
    for agent in agents:
        made.employ(agent.id, agent.role)
    made.employ("lin", "operations")
    async with made:
        yield made


async def available(office: Office, member_id: str) -> Browser:
    browser = await office.somebody(member_id)
    await browser.watch()
    assert (await browser.post("/api/presence", {"reason": None}))[0] == 200
    return browser


def audited(store: Store, kind: str) -> list[Any]:
    with store.reading() as connection:
        query = select(AuditRow.subject, AuditRow.data).where(AuditRow.kind == kind).order_by(AuditRow.seq)
        return list(connection.execute(query).all())


async def test_a_call_from_the_card_to_the_form(office: Office, store: Store) -> None:
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    card = await wang.sees_state("ringing")
    assert (card["name_masked"], card["phone_masked"]) == ("陈**", "138****5678")
    assert card["reason"] == "客户希望分期"
    assert "想分期还" in card["turns"][1]["text"]
    assert card["agreed"] == [{"key": "promise_date", "text": "2026-03-10"}]
    assert {"key": "amount_due", "text": "¥3,260.50"} in card["facts"]
    assert card["lines"]
    assert "no_promise" in card["reminders"]
    assert audited(store, "case_viewed") == [
        (call.attempt_id, {"by": "wang", "case": "DEMO-008", "how": "card"})
    ]
    await wang.sees_state("whisper")
    assert await wang.act("accept") == 200
    await wang.sees_state("bridged")
    assert len(phone.links) == 2, "both hear each other"
    call.says("debtor", "我每个月可以还五百。")
    await wang.sees(lambda view: view["call"]["turns"][-1]["text"] == "我每个月可以还五百。")
    assert await wang.act("hang_up") == 200
    assert await call.ended is HandoverEnd.AGENT_HUNG_UP
    form = await wang.sees(lambda view: view["wrap"])
    assert wang.view["me"]["presence"] == "wrap_up"
    body = {"call": form["call"], "disposition": "PTP"}
    assert await wang.post("/api/wrap-up", body) == (422, {"word": "promise_incomplete"})
    late = body | {"promise_date": "2027-03-10", "promise_amount": "500"}
    assert await wang.post("/api/wrap-up", late) == (422, {"word": "promise_date_range"})
    assert (await wang.post("/api/wrap-up", body | {"promise_date": "2026-03-10", "promise_amount": "500"}))[
        0
    ] == 200
    await wang.sees(lambda view: view["wrap"] is None and view["me"]["presence"] == "free")
    assert run.controls.effects == [
        (
            call.attempt_id,
            {"stop_list": None, "hold": None, "promise_date": "2026-03-10", "callback_at": None},
        )
    ]
    _, answer = await wang.get("/api/today")
    (mine,) = answer["calls"]
    assert (mine["disposition"], mine["outcome"], mine["effects_due"]) == ("PTP", "talked", False)
