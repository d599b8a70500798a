"""Admission by the speech service's measured load, and its replacement when it has grown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voicebot.campaign.speech_watch import PART, SpeechWatch, is_full
from voicebot.errors import NotReady
from voicebot.speech.asr.load_meter import LoadMeter


def stats(busy: float = 0.2, late_ms: float = 300.0, sessions: int = 8, rss_mb: int = 400) -> dict[str, Any]:
    answers = {"n": 20, "p50": late_ms / 2, "p95": late_ms}
    return {"sessions": sessions, "busy": busy, "answer_ms": answers, "rss_mb": rss_mb}


class Site:
    """The supervisor and the service's process in one."""

    def __init__(self, comes_up: bool = True) -> None:
        self.told: list[str] = []
        self._comes_up = comes_up

    def pause(self, part: str) -> None:
        self.told.append(f"pause {part}")

    def resume(self, part: str) -> None:
        self.told.append(f"resume {part}")

    def stop(self, fault: str = "") -> None:
        self.told.append("stop")

    async def recycle(self) -> None:
        self.told.append("recycle")
        if not self._comes_up:
            raise NotReady("no memory")


async def test_no_new_call_while_texts_come_late_until_they_come_in_time_again(tmp_path: Path) -> None:
    site = Site()
    watch = SpeechWatch(site, tmp_path / "s", 2000, site)
    for late_ms in (300, 1600, 1200, 1100, 600, 1200):
        await watch.look(stats(late_ms=late_ms))
    assert site.told == [f"pause {PART}", f"resume {PART}"]


async def test_a_service_that_has_grown_is_replaced_once_and_calls_go_on(tmp_path: Path) -> None:
    for comes_up in (True, False):
        site = Site(comes_up)
        watch = SpeechWatch(site, tmp_path / "s", 2000, site)
        for _ in range(5):  # the old one is still looked at when the fresh one did not come up
            await watch.look(stats(rss_mb=2100))
        assert site.told == ["recycle"]


@pytest.mark.parametrize(
    ("load", "was_full", "full"),
    [
        (stats(busy=0.9), False, True),
        (stats(busy=0.8), False, False),
        (stats(busy=0.8), True, True),
        (stats(busy=0.6), True, False),
        (stats(late_ms=2000), False, True),
        (stats(late_ms=2000, sessions=2), False, False),
        (stats() | {"answer_ms": {"n": 2, "p50": 900, "p95": 2000}}, False, False),
    ],
)
def test_what_counts_as_full(load: dict[str, Any], was_full: bool, full: bool) -> None:
    assert is_full(load, was_full) is full


def test_the_meter_tells_what_the_last_seconds_were_like() -> None:
    now_s = 100.0
    meter = LoadMeter(2, clock=lambda: now_s)
    for waits_s in (0.1, 0.1, 1.9):
        with meter.job() as job:
            now_s += waits_s + 0.5
            job.done(500.0, 2.0)
    found = meter.stats()
    assert found["rtf"] == 0.25
    assert found["answer_ms"]["n"] == 3 and found["answer_ms"]["p95"] == pytest.approx(2400)
    assert found["busy"] == pytest.approx(1.5 / 20 / 2, abs=0.001)
    now_s += 30
    assert meter.stats()["busy"] == 0 and meter.stats()["rtf"] == 0.25
