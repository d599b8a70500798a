"""Windows by the campaign's own zone, whatever the machine's is; the pack's hours on top."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.campaign.site import INSTITUTION, PACK, at
from voicebot.campaign.calling_hours import CallingHours
from voicebot.campaign.campaign_file import Campaign
from voicebot.clock import ManualClock
from voicebot.policy.gate import Gate


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Shanghai"])
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def hours(**changes: Any) -> CallingHours:
    values: dict[str, Any] = {
        "name": "c",
        "institution": INSTITUTION,
        "talk_track": "t@1",
        "lists": ["l"],
        "callers": [{"number": "13800000000"}],
        "trunk": "t",
        "windows": {"mon-fri": ["09:00-12:00", "13:30-21:59"], "sat": ["07:00-10:00"]},
        "balances": {"file": "b"},
    }
    return CallingHours(Campaign.model_validate(values | changes), Gate([PACK], ManualClock(at(10, 0))))


@pytest.mark.usefixtures("host_zone")
@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        (at(9, 0), True),
        (at(8, 59), False),
        (at(11, 59), True),
        (at(12, 0), False),
        (at(21, 54), True),
        (at(21, 55), False),  # the pack's margin before 22:00
        (at(7, 30, day=7), False),  # Saturday's window opens before the pack's hours do
        (at(8, 0, day=7), True),
        (at(10, 0, day=8), False),  # Sunday
        (datetime(2026, 3, 2, 1, 0, tzinfo=UTC), True),  # 09:00 in Shanghai
        (datetime(2026, 3, 1, 23, 0, tzinfo=UTC), False),  # 07:00 on Monday
    ],
)
def test_edges(moment: datetime, allowed: bool) -> None:
    assert hours().allows(moment) is allowed


@pytest.mark.usefixtures("host_zone")
def test_the_next_opening() -> None:
    assert hours().next_open(at(12, 30)) == at(13, 30)
    assert hours().next_open(at(21, 58)) == at(9, 0, day=3)
    assert hours().next_open(at(21, 58, day=6)) == at(8, 0, day=7)  # not 07:00
    assert hours().next_open(at(10, 0, day=8)) == at(9, 0, day=9)
    assert hours().next_day(at(10, 0)) == at(9, 0, day=3)


def test_the_dates_of_the_campaign() -> None:
    limited = hours(start=date(2026, 3, 3), end=date(2026, 3, 4))
    assert not limited.allows(at(10, 0))
    assert limited.next_open(at(10, 0)) == at(9, 0, day=3)
    assert limited.next_day(at(10, 0, day=4)) is None


def test_midnight_belongs_to_the_last_window() -> None:
    assert not hours(windows={"mon": ["20:00-24:00"]}).allows(at(23, 59))  # the pack says no
    assert hours(windows={"mon": ["20:00-24:00"]}).allows(at(20, 0))


def test_what_is_left_of_the_day() -> None:
    assert hours().left_today(at(11, 0)) == timedelta(hours=1) + timedelta(hours=8, minutes=25)
    assert hours().left_today(at(10, 0, day=8)) == timedelta(0)


def test_a_zone_that_changes_its_clock() -> None:
    """On 29 March 2026 Berlin's clocks jump from 02:00 to 03:00; windows stay local time."""
    berlin = hours(timezone="Europe/Berlin", windows={"sat-sun": ["09:00-12:00"]})
    before, after = datetime(2026, 3, 28, 8, 0, tzinfo=UTC), datetime(2026, 3, 29, 7, 0, tzinfo=UTC)
    assert berlin.allows(before) and berlin.allows(after)
    assert not berlin.allows(before - timedelta(minutes=1)) and not berlin.allows(
        after - timedelta(minutes=1)
    )
