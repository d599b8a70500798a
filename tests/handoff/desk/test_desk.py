"""The desk through its own door: login, cards, buttons, forms; who may do what, and what is written down."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from handoff.desk import hub
from handoff.desk.security import POLICY
from handoff.staff import Staff
from sip.leg import Leg
from tests.handoff.desk.office import NAME, PASSWORD, PHONE, Browser, Office, agent_of, until
from tests.handoff.paper_phone import PaperPhone, end
from tests.sip.certificates import issue
from voicebot.call.handing_over import HandoverEnd
from voicebot.store.database import Store
from voicebot.store.looks import LOOKED
from voicebot.store.models import AuditRow


async def answers_when_rung(leg: Leg) -> None:
    leg.happened("ringing", None)
    await asyncio.sleep(0.3)
    leg.happened("answered", None)


async def rings(leg: Leg) -> None:
    leg.happened("ringing", None)


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
    assert "分六期，每期五百六十元" in next(line["text"] for line in card["lines"] if line["id"] == "B.plan")
    assert "no_promise" in card["reminders"]
    assert audited(store, LOOKED) == [(call.attempt_id, {"by": "wang", "what": "card", "why": ""})]
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


async def test_before_the_identity_check_no_line_that_needs_it_is_suggested(office: Office) -> None:
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": rings})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor(), level=1)
    card = await wang.sees_state("ringing")
    assert [line["id"] for line in card["lines"]] == ["C.verify", "C.verify_why", "C.fraud"]
    assert card["reminders"][0] == "not_verified"
    end(call.debtor)
    await call.ended


async def test_who_declines_is_told_so_and_the_next_agent_gets_the_card(office: Office) -> None:
    run, wang, li = await office.run(), await available(office, "wang"), await available(office, "li")
    phone = PaperPhone({"a": rings, "b": rings})
    await until(lambda: run.queue.seats("instalment").free == 2)
    call = run.hand_over(phone, phone.debtor())
    await until(lambda: bool(wang.view["call"] or li.view["call"]))
    first, second = (wang, li) if wang.view["call"] else (li, wang)
    await first.sees_state("ringing")
    assert await first.act("decline") == 200
    await first.sees(lambda view: view["call"] is None and view["notice"] == "declined")
    await second.sees_state("ringing")
    assert await second.act("accept") == 200
    await second.sees(lambda view: view["call"]["accepted"])
    (leg,) = [leg for leg in phone.legs.values() if leg is not call.debtor]
    leg.happened("answered", None)
    await second.sees_state("bridged")
    assert await second.act("return") == 200
    assert await call.ended is HandoverEnd.RETURNED


async def test_an_agent_passes_the_debtor_on_to_another_queue_with_all_that_was_said(office: Office) -> None:
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": answers_when_rung, "b": rings})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("whisper")
    assert await wang.act("accept") == 200
    card = await wang.sees_state("bridged")
    assert card["other_queues"] == ["general"]
    pass_on = {"attempt_id": call.attempt_id, "act": "pass_on"}
    for nowhere in ({}, {"queue": "moon"}, {"queue": "instalment"}):
        assert (await wang.post("/api/act", pass_on | nowhere))[0] == 409
    li = await available(office, "li")
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
    assert phone.playing == {call.debtor.id: "hold"}
    end(call.debtor)
    assert await call.ended is HandoverEnd.ABANDONED
    assert call.transcript.handoff is not None
    assert (call.transcript.handoff.queue, call.transcript.handoff.result) == ("general", "abandoned")


async def test_a_debtor_who_hangs_up_takes_the_card_away_and_the_agent_learns_why(office: Office) -> None:
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": rings})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("ringing")
    end(call.debtor)
    assert await call.ended is HandoverEnd.ABANDONED
    await wang.sees(lambda view: view["call"] is None and view["notice"] == "debtor_gone")
    assert phone.legs == {}
    _, answer = await wang.get("/api/today")
    assert answer["calls"][0]["outcome"] == "debtor_gone"


async def test_hold_and_mute_act_on_who_hears_whom(office: Office) -> None:
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("whisper")
    assert await wang.act("accept") == 200
    await wang.sees_state("bridged")
    (agent,) = [leg.id for leg in phone.legs.values() if leg is not call.debtor]
    debtor = call.debtor.id
    assert await wang.act("mute") == 200
    await wang.sees(lambda view: view["call"]["muted"])
    assert phone.links == {(agent, debtor)}, "the agent hears on"
    assert await wang.act("hold") == 200
    await wang.sees(lambda view: view["call"]["held"] and not view["call"]["muted"])
    assert (phone.links, phone.playing) == (set(), {debtor: "hold"})
    assert await wang.act("resume") == 200
    await wang.sees(lambda view: not view["call"]["held"])
    assert (phone.links, phone.playing) == ({(agent, debtor), (debtor, agent)}, {})
    bridged_s = call.transcript.handoff.bridged_s if call.transcript.handoff else None
    assert bridged_s is not None
    assert bridged_s < call.transcript.at_s - 0.01, "the talk began once"
    assert await wang.act("hang_up") == 200
    await call.ended


async def test_forbidden_words_of_an_agent_are_alerted_at_once_to_them_and_to_the_supervisor(
    office: Office, store: Store
) -> None:
    run, wang, zhou = await office.run(), await available(office, "wang"), await office.somebody("zhou")
    await zhou.watch("supervisor")
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("whisper")
    await wang.act("accept")
    await wang.sees_state("bridged")
    call.says("debtor", "你们会抓我坐牢吗？")
    call.says("agent", "不会的。每个月五百元可以吗？")
    await wang.sees(lambda view: "五百元" in view["call"]["turns"][-1]["text"])
    assert wang.view["call"]["warnings"] == []
    began = asyncio.get_running_loop().time()
    call.says("agent", "再不还就抓你坐牢。")
    await zhou.sees(lambda view: any("THREAT" in alert["text"] for alert in view["alerts"]))
    await wang.sees(lambda view: any("THREAT" in why for why in view["call"]["warnings"]))
    assert asyncio.get_running_loop().time() - began < 2.0
    await until(lambda: bool(audited(store, "agent_warned")))
    ((subject, data),) = audited(store, "agent_warned")
    assert (subject, data["agent"]) == (call.attempt_id, "wang")
    end(call.debtor)
    await call.ended


async def test_without_a_valid_certificate_nobody_is_available_or_rung_and_the_reason_is_shown(
    office: Office,
) -> None:
    office.expired.add("wang")
    run, wang = await office.run(), await office.somebody("wang")
    await wang.watch()
    assert wang.view["me"]["qualified"] is False
    assert wang.view["me"]["why_not"] == "坐席未通过培训考核 (CN-TR-01)"
    assert await wang.post("/api/presence", {"reason": None}) == (409, {"word": "unqualified"})
    phone = PaperPhone({"a": rings})
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


async def test_two_tabs_show_the_same_call_and_the_second_press_is_refused(office: Office) -> None:
    run, wang = await office.run(), await available(office, "wang")
    tab = await office.somebody("wang")
    await tab.watch()
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("whisper")
    await tab.sees_state("whisper")
    assert await wang.act("accept") == 200
    await tab.sees_state("bridged")
    assert await tab.act("accept") == 409
    assert tab.line is not None
    await tab.line.close()
    assert await wang.act("hang_up") == 200
    await call.ended
    await wang.sees(lambda view: view["wrap"])


async def test_an_agent_of_one_run_is_busy_for_the_other(office: Office) -> None:
    first, second = await office.run("a"), await office.run("b")
    wang = await available(office, "wang")
    phone = PaperPhone({"a": rings})
    await until(lambda: first.queue.seats("instalment").free == second.queue.seats("instalment").free == 1)
    call = first.hand_over(phone, phone.debtor())
    await wang.sees_state("ringing")
    await until(lambda: second.queue.seats("instalment").free == 0)
    assert [row.presence for row in second.queue.rows() if row.agent_id == "wang"] == ["elsewhere"]
    end(call.debtor)
    await call.ended
    await until(lambda: second.queue.seats("instalment").free == 1)


async def test_a_session_ends_with_its_time_and_the_page_is_told(office: Office) -> None:
    wang = await available(office, "wang")
    office.clock.advance(1801)
    assert wang.line is not None
    await until(lambda: wang.line is not None and wang.line.closed)
    assert wang.line.close_code == 4401
    assert (await wang.get("/live/alive"))[0] == 401
    assert (await wang.post("/api/presence", {"reason": None}))[0] == 401


async def test_nobody_is_logged_out_in_a_call(office: Office) -> None:
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": rings})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("ringing")
    office.clock.advance(1801)
    assert await wang.act("decline") in (200, 409)
    assert wang.line is not None
    assert not wang.line.closed
    end(call.debtor)
    await call.ended


async def test_a_run_that_breaks_off_leaves_the_form_and_what_it_asks_for_is_written_later(
    office: Office, store: Store
) -> None:
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("whisper")
    await wang.act("accept")
    await wang.sees_state("bridged")
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
    end(call.debtor)
    await call.ended


async def test_what_a_form_asks_for_after_the_campaigns_end_goes_to_the_sites_store(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("whisper")
    await wang.act("accept")
    await wang.sees_state("bridged")
    await run.close()
    form = await wang.sees(lambda view: view["wrap"])
    office.known.add(call.attempt_id)
    await wang.post("/api/wrap-up", {"call": form["call"], "disposition": "INFORMED", "stop_calling": True})
    await until(lambda: bool(office.alone), 9)
    assert office.alone[0][1]["stop_list"] == "DEBTOR_NO_BOT"
    await asyncio.sleep(0.3)
    assert len(office.alone) == 1, "written once"
    end(call.debtor)
    await call.ended


async def test_a_form_that_is_missing_is_asked_for_after_a_restart(
    office: Office, store: Store, tmp_path: Path
) -> None:
    run, wang = await office.run(), await available(office, "wang")
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    await wang.sees_state("whisper")
    await wang.act("accept")
    await wang.sees_state("bridged")
    await wang.act("hang_up")
    await call.ended
    await wang.sees(lambda view: view["wrap"])
    async with Office(tmp_path / "second", store, office.agents) as second:
        again = await second.somebody("wang")
        await again.watch()
        assert again.view["wrap"]["case_id"] == "DEMO-008"


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
    await until(lambda: wang.line is not None and wang.line.closed)
    await wang.close()


async def test_neither_name_nor_number_is_ever_sent_but_for_a_reason_that_is_recorded(
    office: Office, store: Store
) -> None:
    run, wang, zhou = await office.run(), await available(office, "wang"), await office.somebody("zhou")
    await zhou.watch("supervisor")
    phone = PaperPhone({"a": answers_when_rung})
    await until(lambda: run.queue.seats("instalment").free == 1)
    call = run.hand_over(phone, phone.debtor())
    call.says("debtor", "我的身份证后四位是 1 2 3 X，电话 13812345678。")
    card = await wang.sees_state("whisper")
    await wang.act("accept")
    await wang.sees_state("bridged")
    assert (await zhou.post("/api/look", {"attempt_id": call.attempt_id}))[0] == 200
    await zhou.sees(lambda view: view["look"])
    sent = str(wang.views) + str(zhou.views) + str((await wang.get("/api/today"))[1])
    for secret in (NAME, PHONE, "1 2 3 X", "4137"):
        assert secret not in sent, secret
    reveal = {"attempt_id": card["attempt_id"], "reason": "address"}
    assert (await wang.post("/api/reveal", reveal | {"reason": "curious"}))[0] == 422
    assert (await zhou.post("/api/reveal", reveal))[0] == 409, "not the supervisor's call"
    assert await wang.post("/api/reveal", reveal) == (200, {"name": NAME})
    looks = [(data["by"], data["what"], data["why"]) for _, data in audited(store, LOOKED)]
    assert looks == [("wang", "card", ""), ("zhou", "transcript", ""), ("wang", "name", "address")]
    end(call.debtor)
    await call.ended


# ---- the door


@pytest.mark.parametrize(
    ("path", "body", "allowed"),
    [
        ("/api/presence", {"reason": "rest"}, {"wang", "zhou"}),
        ("/api/act", {"attempt_id": "x", "act": "accept"}, {"wang", "zhou"}),
        ("/api/reveal", {"attempt_id": "x", "reason": "address"}, {"wang", "zhou"}),
        ("/api/wrap-up", {"call": 1, "disposition": "INFORMED"}, {"wang", "zhou"}),
        ("/api/look", {"attempt_id": None}, {"zhou"}),
        ("/api/wish", {"campaign_id": "x", "wish": "pause"}, {"lin"}),
    ],
)
async def test_each_role_may_do_its_own(office: Office, path: str, body: Any, allowed: set[str]) -> None:
    for member in ("wang", "zhou", "lin"):
        browser = await office.somebody(member)
        status, _ = await browser.post(path, body)
        assert (status in (200, 409)) == (member in allowed), (member, status)
        assert status == 403 or member in allowed
        assert (await browser.post(path, body, **{"X-CSRF": "wrong"}))[0] == 403
        assert (await browser.post(path, body, Origin="http://evil.example"))[0] == 403
        assert (await browser.post(path, body | {"more": 1}))[0] == (422 if member in allowed else 403)
    stranger = Browser(office)
    assert (await stranger.post(path, body))[0] == 401
    await stranger.close()


async def test_operations_pause_a_campaign_and_supervisors_see_the_queue(office: Office) -> None:
    run, lin, zhou = await office.run(), await office.somebody("lin"), await office.somebody("zhou")
    await lin.watch("operations")
    await zhou.watch("supervisor")
    assert (await lin.post("/api/wish", {"campaign_id": "demo-1", "wish": "pause"}))[0] == 200
    assert [(str(wish), by) for wish, by in run.controls.wishes] == [("pause", "lin")]
    assert (await lin.post("/api/wish", {"campaign_id": "demo-1", "wish": "run"}))[0] == 422
    await lin.sees(lambda view: view["runs"][0]["progress"].get("answered") == 7)
    await zhou.sees(lambda view: view["runs"][0]["abandoned"] == 1)
    assert {agent["presence"] for agent in zhou.view["agents"]} == {"logged_out"}


async def test_a_page_of_another_role_is_not_shown(office: Office) -> None:
    wang = await office.somebody("wang")
    for path in ("/supervisor", "/operations", "/live/supervisor", "/live/operations"):
        async with wang.session.get(wang.url(path), headers={"Origin": office.url}) as answer:
            assert answer.status == 403, path
            assert answer.headers["Content-Security-Policy"] == POLICY
    async with wang.session.get(wang.url("/desk")) as answer:
        text = await answer.text()
    assert "style=" not in text
    assert "<script type=" in text
    assert "onclick" not in text


async def test_over_tls_cookies_are_for_tls_alone(store: Store, tmp_path: Path) -> None:
    made = issue(tmp_path / "tls")
    async with Office(tmp_path, store, [agent_of("wang")], made.server()) as office:
        office.employ("wang")
        browser = Browser(office, ssl.create_default_context(cafile=str(made.ca)))
        assert (await browser.log_in("wang"))[0] == 303
        async with browser.session.get(browser.url("/desk")) as answer:
            assert answer.headers["Strict-Transport-Security"]
        (cookie,) = [one for one in browser.session.cookie_jar if one.key == "desk"]
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Strict")
        await browser.watch()
        await browser.close()


async def test_wrong_passwords_lock_the_account_and_strangers_learn_nothing(office: Office) -> None:
    browser = Browser(office)
    said = []
    for _ in range(5):
        form = {"csrf": await browser.token("/login"), "name": "li", "password": "wrong-password"}
        async with browser.session.post(browser.url("/login"), data=form) as answer:
            said.append(await answer.text())
    assert ["账号已锁定" in text for text in said] == [False] * 4 + [True]
    assert (await browser.log_in("li"))[0] == 403, "the right one does not help now"
    form = {"csrf": await browser.token("/login"), "name": "nobody", "password": PASSWORD}
    async with browser.session.post(browser.url("/login"), data=form) as answer:
        assert "工号或密码不正确" in await answer.text()
    async with browser.session.post(browser.url("/login"), data={"name": "wang", "password": PASSWORD}) as no:
        assert no.status == 403, "a form that is not from our page"
    office.clock.advance(901)
    assert (await browser.log_in("li"))[0] == 303
    await browser.close()


async def test_too_many_logins_from_one_address_are_put_off(office: Office) -> None:
    browser = Browser(office)
    for _ in range(20):
        await browser.log_in("nobody", "x")
    assert (await browser.log_in("wang"))[0] == 429
    office.clock.advance(61)
    assert (await browser.log_in("wang"))[0] == 303
    await browser.close()


async def test_a_first_password_opens_nothing_but_the_page_to_change_it(office: Office) -> None:
    office.employ("li", must_change=True)
    browser = Browser(office)
    assert await browser.log_in("li") == (303, "/password")
    browser.csrf = await browser.token("/password")
    assert (await browser.post("/api/presence", {"reason": "rest"}))[0] == 403

    async def change(new: str, again: str, old: str = PASSWORD) -> int:
        form = {"csrf": browser.csrf, "old": old, "new": new, "again": again}
        async with browser.session.post(browser.url("/password"), data=form, allow_redirects=False) as answer:
            return answer.status

    assert await change("a-new-password-1", "a-new-password-2") == 422
    assert await change("short", "short") == 422
    assert await change(PASSWORD, PASSWORD) == 422
    assert await change("a-new-password-1", "a-new-password-1", old="wrong") == 422
    assert await change("a-new-password-1", "a-new-password-1") == 303
    assert (await browser.post("/api/presence", {"reason": "rest"}))[0] == 200
    await browser.close()


async def test_who_is_disabled_is_out_and_cannot_log_in_again(office: Office) -> None:
    wang, lin = await available(office, "wang"), await office.somebody("lin")
    office.agents[0] = agent_of("wang", enabled=False)
    Staff(office.store, office.clock).set_enabled("lin", "operations", False, "test")
    await office.hub.read_roster()
    await until(lambda: wang.line is not None and wang.line.closed)
    assert (await lin.get("/live/alive"))[0] == 401
    browser = Browser(office)
    assert (await browser.log_in("wang"))[0] == 403
    assert (await browser.log_in("lin"))[0] == 403
    await browser.close()
