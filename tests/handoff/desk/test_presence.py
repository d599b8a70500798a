"""Who is there and may be rung, and how long somebody counts as being there."""

from __future__ import annotations

import asyncio

from tests.handoff.desk.browser import until
from tests.handoff.desk.office import Office
from tests.handoff.paper_phone import PaperPhone
from tests.handoff.paper_scene import rings_for_ever
from voicebot.call.handing_over import HandoverEnd


async def test_without_a_valid_certificate_nobody_is_available_or_rung_and_the_reason_is_shown(
    office: Office,
) -> None:
    office.expired.add("wang")
    run, wang = await office.run(), await office.somebody("wang")
    await wang.watch()
    assert wang.view["me"]["qualified"] is False
    assert wang.view["me"]["why_not"] == "坐席未通过培训考核 (CN-TR-01)"
    assert await wang.post("/api/presence", {"reason": None}) == (409, {"word": "unqualified"})
    phone = PaperPhone({"a": rings_for_ever})
    call = run.hand_over(phone, phone.debtor())
    assert await call.ended is HandoverEnd.FAILED
    assert phone.dialled == []


async def test_an_agent_who_is_not_logged_in_or_on_a_break_is_not_rung(office: Office) -> None:
    run, wang = await office.run(), await office.somebody("wang")
    assert run.queue.seats("instalment").here == 0
    await wang.watch()
    await asyncio.sleep(0.3)
    assert wang.view["me"]["break"] == "arrived"
    assert run.queue.seats("instalment").here == 0
    assert (await wang.post("/api/presence", {"reason": None}))[0] == 200
    await until(lambda: run.queue.seats("instalment").free == 1)
    assert (await wang.post("/api/presence", {"reason": "meal"}))[0] == 200
    await until(lambda: run.queue.seats("instalment").here == 0)
    assert (await wang.post("/api/presence", {"reason": "because"}))[0] == 422


async def test_an_agent_of_one_run_is_busy_for_the_other(office: Office) -> None:
    first, second = await office.run("a"), await office.run("b")
    wang = await office.available("wang")
    phone = PaperPhone({"a": rings_for_ever})
    await until(lambda: first.queue.seats("instalment").free == second.queue.seats("instalment").free == 1)
    call = first.hand_over(phone, phone.debtor())
    await wang.sees_state("ringing")
    await until(lambda: second.queue.seats("instalment").free == 0)
    assert [row.presence for row in second.queue.rows() if row.agent_id == "wang"] == ["elsewhere"]
    await call.debtor_hangs_up()
    await until(lambda: second.queue.seats("instalment").free == 1)


async def test_a_session_ends_with_its_time_and_the_page_is_told(office: Office) -> None:
    wang = await office.available("wang")
    office.clock.advance(1801)
    assert wang.line is not None
    await wang.closed()
    assert wang.line.close_code == 4401
    assert (await wang.get("/live/alive"))[0] == 401
    assert (await wang.post("/api/presence", {"reason": None}))[0] == 401


async def test_nobody_is_logged_out_in_a_call(office: Office) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.offer(PaperPhone({"a": rings_for_ever}))
    await wang.sees_state("ringing")
    office.clock.advance(1801)
    assert await wang.act("decline") in (200, 409)
    assert wang.line is not None
    assert not wang.line.closed
    await call.debtor_hangs_up()
