"""What each role may ask for and is shown, and what holds for every page."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from handoff.desk.security import POLICY
from tests.handoff.desk.browser import Browser
from tests.handoff.desk.office import Office, agent_of
from tests.sip.certificates import issue
from voicebot.store.database import Store


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
