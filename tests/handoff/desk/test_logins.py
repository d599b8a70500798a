"""Who gets in, how often that may be tried, and what ends a session before its time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from handoff.desk import hub
from handoff.desk.login import LOCKED, TRIES, Login, Refused
from handoff.staff import Staff
from tests.handoff.desk.office import PASSWORD, QUICK, Browser, Office, agent_of, until
from tests.handoff.desk.test_desk import audited, available
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
    assert [subject for subject, _ in audited(store, "login_locked")] == ["wang"]
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
        await available(office, "wang"),
        await available(office, "li"),
        await office.somebody("lin"),
    )
    match change:
        case "reset":
            office.employ("wang", must_change=True)
        case "role":
            office.agents[0] = agent_of("wang", role="supervisor")
        case _:
            del office.agents[0]
    await until(lambda: wang.line is not None and wang.line.closed)
    assert (await wang.get("/live/alive"))[0] == 401
    assert (await li.get("/live/alive"))[0] == (await lin.get("/live/alive"))[0] == 200


async def test_who_was_added_a_moment_ago_gets_in_and_stays(office: Office) -> None:
    office.agents.append(agent_of("zhao"))
    office.employ("zhao")
    office.employ("qian", "operations")
    for name in ("zhao", "qian"):
        browser = await office.somebody(name)
        assert (await browser.get("/live/alive"))[0] == 200
