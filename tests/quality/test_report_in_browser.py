"""The report in a real browser: filters, the player, both schemes, a narrow window, nothing fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from voicebot.call.record import CallRecord
from voicebot.campaign.summary import Refused, build_summary
from voicebot.clock import ManualClock
from voicebot.quality.report import write_report
from voicebot.store.encryption import KeyRing


@pytest.fixture
def index(
    tmp_path: Path,
    records: list[CallRecord],
    refused: list[Refused],
    engines: Any,
    start: Any,
    recording_keys: KeyRing,
) -> Path:
    summary = build_summary(
        campaign="demo",
        records=records,
        refused=refused,
        engines=engines,
        clock=ManualClock(start),
        seconds=1,
    )
    return write_report(
        tmp_path / "report",
        campaign="demo",
        records=records,
        refused=refused,
        summary=summary,
        keys=recording_keys,
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "these tests need Debian's package chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    faults: list[str] = []
    opened.on("console", lambda message: faults.append(message.text))
    opened.on("pageerror", lambda fault: faults.append(str(fault)))
    opened.on("request", lambda request: faults.append(request.url) if "file:" not in request.url else None)
    yield opened
    opened.close()
    assert [fault for fault in faults if not fault.startswith("data:")] == []


def shown(page: Page) -> list[str]:
    return page.locator("#call-table tbody tr:visible .case").all_inner_texts()


def until(page: Page, condition: str) -> None:
    """Playwright's own wait evaluates a string inside the page, which the page's policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


def test_the_list_filters_by_words_outcome_and_answer(page: Page, index: Path) -> None:
    page.goto(index.as_uri())
    assert len(shown(page)) == 4
    page.fill("#find", "分期")
    assert shown(page) == ["DEMO-002"]
    page.fill("#find", "")
    page.check("#only-answered")
    assert shown(page) == ["DEMO-001", "DEMO-002"]
    page.uncheck("#only-answered")
    page.click(".bar[data-disposition=BUSY]")
    assert shown(page) == ["DEMO-004"]
    assert page.inner_text("#found") == "1 of 4 calls"
    page.click(".bar[data-disposition=BUSY]")
    page.click("[data-sort=talk]")
    page.click("[data-sort=talk]")
    assert shown(page)[0] == "DEMO-001"


def test_a_turn_and_a_place_in_the_picture_move_the_player(page: Page, index: Path) -> None:
    page.goto(index.as_uri())
    page.click("text=DEMO-001")
    until(page, "document.getElementById('player').readyState >= 1")
    page.click("#turn-text-7 button.time")
    until(page, "document.getElementById('player').currentTime >= 27.3")
    assert page.evaluate("document.getElementById('player').currentTime") < 31
    page.evaluate("document.getElementById('player').pause()")
    assert "now" in (page.get_attribute("#turn-text-7", "class") or "")
    page.evaluate("scrollTo(0, 0)")
    box = page.locator(".timeline").bounding_box()
    assert box is not None
    page.locator(".timeline").click(position={"x": box["width"] * 0.5, "y": 80})
    page.evaluate("document.getElementById('player').pause()")
    assert 16 < page.evaluate("document.getElementById('player').currentTime") < 22
    assert page.locator(".playhead").is_visible()


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(page: Page, index: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for file in [index, *sorted((index.parent / "calls").iterdir())]:
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, file.name


def test_a_dark_scheme_is_followed_down_to_the_picture(
    page: Page, index: Path, records: list[CallRecord]
) -> None:
    colour = "getComputedStyle(document.querySelector('#turn-1 path')).fill"
    seen = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto((index.parent / "calls" / f"{records[0].attempt_id}.html").as_uri())
        seen.add((page.evaluate(colour), page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert len(seen) == 2
