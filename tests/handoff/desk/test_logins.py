"""Who gets in, how often that may be tried, and what ends a session before its time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from handoff.desk import hub
from handoff.desk.login import LOCKED, TRIES, Login, Refused
from handoff.staff import Staff
from tests.handoff.desk.browser import PASSWORD, Browser
from tests.handoff.desk.office import QUICK, Office, agent_of
from voicebot.store.database import Store


def answers(login: Login, name: str, password: str) -> str:
    try:
        return login.check(name, password, [agent_of("wang")]).id
    except Refused as fault:
        return str(fault)


def test_wrong_passwords_that_come_at_once_count_one_by_one(office: Office, store: Store) -> None:
    login = Login(Staff(store, office.clock), QUICK, office.clock)
    with ThreadPoolExecutor(20) as many:
        said = list(many.map(lambda n: answers(login, "wang", f"guess-{n}"), range(20)))
    assert said.count("wrong") == TRIES - 1
    assert said.count("locked") == 20 - said.count("wrong")
    assert answers(login, "wang", PASSWORD) == "locked"
    assert [subject for subject, _ in office.audited("login_locked")] == ["wang"]
    office.clock.advance(LOCKED.total_seconds() + 1)
    assert answers(login, "wang", PASSWORD) == "wang"


def test_a_right_password_forgives_earlier_wrong_ones(office: Office, store: Store) -> None:
    login = Login(Staff(store, office.clock), QUICK, office.clock)
    tries = ["x"] * (TRIES - 1) + [PASSWORD]
    for _ in range(2):
        assert [answers(login, "wang", one) for one in tries] == ["wrong"] * (TRIES - 1) + ["wang"]


def test_the_answers_do_not_tell_an_account_from_a_name_that_is_nobodys(office: Office, store: Store) -> None:
    login = Login(Staff(store, office.clock), QUICK, office.clock)
    said = {name: [answers(login, name, "x") for _ in range(TRIES + 2)] for name in ("wang", "nobody")}
    assert said["wang"] == said["nobody"] == ["wrong"] * (TRIES - 1) + ["locked"] * 3
    office.clock.advance(LOCKED.total_seconds() + 1)
    assert answers(login, "wang", "x") == answers(login, "nobody", "x") == "wrong"


@pytest.mark.parametrize("behind_proxy", [True, False])
async def test_logins_are_counted_by_browser_and_a_header_counts_from_the_proxy_alone(
    store: Store, tmp_path: Path, behind_proxy: bool
) -> None:
    async with Office(tmp_path, store, [agent_of("wang")], behind_proxy=behind_proxy) as office:
        office.employ("wang")
        one = Browser(office, forwarded="10.9.9.9, 10.0.0.1")
        for _ in range(20):
            await one.log_in("nobody", "x")
        claims = Browser(office, forwarded="10.0.0.3, 10.0.0.1")
        other = Browser(office, forwarded="10.0.0.2")
        assert (await claims.log_in("wang"))[0] == 429, "what a browser claims to be is not the proxy's word"
        assert (await other.log_in("wang"))[0] == (303 if behind_proxy else 429)
        for browser in (one, claims, other):
            await browser.close()


@pytest.mark.parametrize("change", ["reset", "role", "removed"])
async def test_a_session_ends_with_a_new_first_password_another_role_or_without_its_agent(
    office: Office, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(hub, "ROSTER_EVERY_S", 0.1)
    wang, li, lin = (
        await office.available("wang"),
        await office.available("li"),
        await office.somebody("lin"),
    )
    match change:
        case "reset":
            office.employ("wang", must_change=True)
        case "role":
            office.agents[0] = agent_of("wang", role="supervisor")
        case _:
            del office.agents[0]
    await wang.closed()
    assert (await wang.get("/live/alive"))[0] == 401
    assert (await li.get("/live/alive"))[0] == (await lin.get("/live/alive"))[0] == 200


async def test_who_was_added_a_moment_ago_gets_in_and_stays(office: Office) -> None:
    office.agents.append(agent_of("zhao"))
    office.employ("zhao")
    office.employ("qian", "operations")
    for name in ("zhao", "qian"):
        browser = await office.somebody(name)
        assert (await browser.get("/live/alive"))[0] == 200


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
    wang, lin = await office.available("wang"), await office.somebody("lin")
    office.agents[0] = agent_of("wang", enabled=False)
    Staff(office.store, office.clock).set_enabled("lin", "operations", False, "test")
    await office.hub.read_roster()
    await wang.closed()
    assert (await lin.get("/live/alive"))[0] == 401
    browser = Browser(office)
    assert (await browser.log_in("wang"))[0] == 403
    assert (await browser.log_in("lin"))[0] == 403
    await browser.close()
