"""A call at the desk, from the card to its end: buttons, words and what is written down of each look."""

from __future__ import annotations

import asyncio

from tests.handoff.desk.browser import until
from tests.handoff.desk.handed_over import NAME, PHONE
from tests.handoff.desk.office import Office
from tests.handoff.paper_phone import PaperPhone
from tests.handoff.paper_scene import answers_when_rung, rings_for_ever
from voicebot.call.handing_over import HandoverEnd
from voicebot.store.looks import LOOKED


async def test_a_call_from_the_card_to_the_form(office: Office) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.offer(PaperPhone({"a": answers_when_rung}))
    card = await wang.sees_state("ringing")
    assert (card["name_masked"], card["phone_masked"]) == ("陈**", "138****5678")
    assert card["reason"] == "客户希望分期"
    assert "想分期还" in card["turns"][1]["text"]
    assert card["agreed"] == [{"key": "promise_date", "text": "2026-03-10"}]
    assert {"key": "amount_due", "text": "¥3,260.50"} in card["facts"]
    assert "分六期，每期五百六十元" in next(line["text"] for line in card["lines"] if line["id"] == "B.plan")
    assert "no_promise" in card["reminders"]
    assert office.audited(LOOKED) == [(call.attempt_id, {"by": "wang", "what": "card", "why": ""})]
    await wang.accepts()
    assert len(call.phone.links) == 2, "both hear each other"
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


async def test_before_the_identity_check_no_line_that_needs_it_is_suggested(office: Office) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.offer(PaperPhone({"a": rings_for_ever}), level=1)
    card = await wang.sees_state("ringing")
    assert [line["id"] for line in card["lines"]] == ["C.verify", "C.verify_why", "C.fraud"]
    assert card["reminders"][0] == "not_verified"
    await call.debtor_hangs_up()


async def test_who_declines_is_told_so_and_the_next_agent_gets_the_card(office: Office) -> None:
    run, wang, li = await office.run(), await office.available("wang"), await office.available("li")
    call = await run.offer(PaperPhone({"a": rings_for_ever, "b": rings_for_ever}), free=2)
    await until(lambda: bool(wang.view["call"] or li.view["call"]))
    first, second = (wang, li) if wang.view["call"] else (li, wang)
    await first.sees_state("ringing")
    assert await first.act("decline") == 200
    await first.sees(lambda view: view["call"] is None and view["notice"] == "declined")
    await second.sees_state("ringing")
    assert await second.act("accept") == 200
    await second.sees(lambda view: view["call"]["accepted"])
    (leg,) = [leg for leg in call.phone.legs.values() if leg is not call.debtor]
    leg.happened("answered", None)
    await second.sees_state("bridged")
    assert await second.act("return") == 200
    assert await call.ended is HandoverEnd.RETURNED


async def test_an_agent_passes_the_debtor_on_to_another_queue_with_all_that_was_said(office: Office) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.offer(PaperPhone({"a": answers_when_rung, "b": rings_for_ever}))
    card = await wang.accepts()
    assert card["other_queues"] == ["general"]
    pass_on = {"attempt_id": call.attempt_id, "act": "pass_on"}
    for nowhere in ({}, {"queue": "moon"}, {"queue": "instalment"}):
        assert (await wang.post("/api/act", pass_on | nowhere))[0] == 409
    li = await office.available("li")
    call.says("debtor", "我每个月可以还五百。")
    await until(lambda: run.queue.seats("general").free == 1)
    assert (await wang.post("/api/act", pass_on | {"queue": "general"}))[0] == 200
    await wang.sees(lambda view: view["call"] is None and view["wrap"]["outcome"] == "passed_on")
    card = await li.sees_state("ringing")
    assert (card["queue"], len(card["turns"]), card["turns"][-1]["text"]) == (
        "general",
        4,
        "我每个月可以还五百。",
    )
    assert call.phone.playing == {call.debtor.id: "hold"}
    assert await call.debtor_hangs_up() is HandoverEnd.ABANDONED
    assert call.transcript.handoff is not None
    assert (call.transcript.handoff.queue, call.transcript.handoff.result) == ("general", "abandoned")


async def test_a_debtor_who_hangs_up_takes_the_card_away_and_the_agent_learns_why(office: Office) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.offer(PaperPhone({"a": rings_for_ever}))
    await wang.sees_state("ringing")
    assert await call.debtor_hangs_up() is HandoverEnd.ABANDONED
    await wang.sees(lambda view: view["call"] is None and view["notice"] == "debtor_gone")
    assert call.phone.legs == {}
    _, answer = await wang.get("/api/today")
    assert answer["calls"][0]["outcome"] == "debtor_gone"


async def test_hold_and_mute_act_on_who_hears_whom(office: Office) -> None:
    run, wang = await office.run(), await office.available("wang")
    call = await run.talks_with(wang)
    (agent,) = [leg.id for leg in call.phone.legs.values() if leg is not call.debtor]
    debtor = call.debtor.id
    assert await wang.act("mute") == 200
    await wang.sees(lambda view: view["call"]["muted"])
    assert call.phone.links == {(agent, debtor)}, "the agent hears on"
    assert await wang.act("hold") == 200
    await wang.sees(lambda view: view["call"]["held"] and not view["call"]["muted"])
    assert (call.phone.links, call.phone.playing) == (set(), {debtor: "hold"})
    assert await wang.act("resume") == 200
    await wang.sees(lambda view: not view["call"]["held"])
    assert (call.phone.links, call.phone.playing) == ({(agent, debtor), (debtor, agent)}, {})
    bridged_s = call.transcript.handoff.bridged_s if call.transcript.handoff else None
    assert bridged_s is not None
    assert bridged_s < call.transcript.at_s - 0.01, "the talk began once"
    assert await wang.act("hang_up") == 200
    await call.ended


async def test_forbidden_words_of_an_agent_are_alerted_at_once_to_them_and_to_the_supervisor(
    office: Office,
) -> None:
    run, wang, zhou = await office.run(), await office.available("wang"), await office.somebody("zhou")
    await zhou.watch("supervisor")
    call = await run.talks_with(wang)
    call.says("debtor", "你们会抓我坐牢吗？")
    call.says("agent", "不会的。每个月五百元可以吗？")
    await wang.sees(lambda view: "五百元" in view["call"]["turns"][-1]["text"])
    assert wang.view["call"]["warnings"] == []
    began = asyncio.get_running_loop().time()
    call.says("agent", "再不还就抓你坐牢。")
    await zhou.sees(lambda view: any("THREAT" in alert["text"] for alert in view["alerts"]))
    await wang.sees(lambda view: any("THREAT" in why for why in view["call"]["warnings"]))
    assert asyncio.get_running_loop().time() - began < 2.0
    await until(lambda: bool(office.audited("agent_warned")))
    ((subject, data),) = office.audited("agent_warned")
    assert (subject, data["agent"]) == (call.attempt_id, "wang")
    await call.debtor_hangs_up()


async def test_two_tabs_show_the_same_call_and_the_second_press_is_refused(office: Office) -> None:
    run, wang = await office.run(), await office.available("wang")
    tab = await office.somebody("wang")
    await tab.watch()
    call = await run.offer(PaperPhone({"a": answers_when_rung}))
    await wang.sees_state("whisper")
    await tab.sees_state("whisper")
    assert await wang.act("accept") == 200
    await tab.sees_state("bridged")
    assert await tab.act("accept") == 409
    assert tab.line is not None
    await tab.line.close()
    await wang.hangs_up(call)


async def test_neither_name_nor_number_is_ever_sent_but_for_a_reason_that_is_recorded(office: Office) -> None:
    run, wang, zhou = await office.run(), await office.available("wang"), await office.somebody("zhou")
    await zhou.watch("supervisor")
    call = await run.offer(PaperPhone({"a": answers_when_rung}))
    call.says("debtor", "我的身份证后四位是 1 2 3 X，电话 13812345678。")
    card = await wang.accepts()
    assert (await zhou.post("/api/look", {"attempt_id": call.attempt_id}))[0] == 200
    await zhou.sees(lambda view: view["look"])
    sent = str(wang.views) + str(zhou.views) + str((await wang.get("/api/today"))[1])
    for secret in (NAME, PHONE, "1 2 3 X", "4137"):
        assert secret not in sent, secret
    reveal = {"attempt_id": card["attempt_id"], "reason": "address"}
    assert (await wang.post("/api/reveal", reveal | {"reason": "curious"}))[0] == 422
    assert (await zhou.post("/api/reveal", reveal))[0] == 409, "not the supervisor's call"
    assert await wang.post("/api/reveal", reveal) == (200, {"name": NAME})
    looks = [(data["by"], data["what"], data["why"]) for _, data in office.audited(LOOKED)]
    assert looks == [("wang", "card", ""), ("zhou", "transcript", ""), ("wang", "name", "address")]
    await call.debtor_hangs_up()
