"""Windows by the campaign's own zone, whatever the machine's is; holidays; the pack's hours on top."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.site import INSTITUTION, PACK, at
from tests.store.stores import SHANGHAI
from voicebot.campaign.calling_hours import CallingHours
from voicebot.campaign.campaign_file import Campaign
from voicebot.clock import ManualClock
from voicebot.errors import InputError
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


def on(month: int, day: int, hour: int = 10, minute: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.usefixtures("host_zone")
@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        (at(9, 0), True),
        (at(8, 59), False),
        (at(9, 0) - timedelta(microseconds=1), False),
        (at(11, 59), True),
        (at(12, 0), False),
        (at(13, 29), False),
        (at(21, 54), True),
        (at(21, 55) - timedelta(microseconds=1), True),
        (at(21, 55), False),  # the pack's margin before 22:00
        (at(21, 59), False),
        (at(0, 0, day=3), False),
        (at(7, 30, day=7), False),  # Saturday's window opens before the pack's hours do
        (at(8, 0, day=7), True),
        (at(10, 0, day=8), False),  # Sunday
        (datetime(2026, 3, 2, 1, 0, tzinfo=UTC), True),  # 09:00 in Shanghai
        (datetime(2026, 3, 1, 23, 0, tzinfo=UTC), False),  # 07:00 on Monday
        (datetime(2026, 3, 6, 16, 30, tzinfo=UTC), False),  # still Friday in UTC, Saturday 00:30 in Shanghai
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
    inside = at(10, 0) + timedelta(seconds=7.5)
    assert hours().next_open(inside) == inside


@pytest.mark.usefixtures("host_zone")
def test_what_is_left_of_the_day() -> None:
    assert hours().left_today(at(11, 0)) == timedelta(hours=1) + timedelta(hours=8, minutes=25)
    assert hours().left_today(at(21, 54)) == timedelta(minutes=1)
    assert hours().left_today(at(21, 56)) == timedelta(0)
    assert hours().left_today(at(10, 0, day=8)) == timedelta(0)


@pytest.mark.usefixtures("host_zone")
def test_the_dates_of_the_campaign_count_where_it_is() -> None:
    limited = hours(start=date(2026, 3, 3), end=date(2026, 3, 4), windows={"mon-sun": ["00:00-24:00"]})
    assert not limited.allows(at(21, 0))
    assert limited.next_open(at(10, 0)) == at(8, 0, day=3)
    assert limited.allows(at(21, 54, day=4)), "the last day is a day of the campaign"
    assert limited.next_open(at(21, 55, day=4)) is None
    assert limited.next_day(at(10, 0, day=4)) is None


def test_midnight_belongs_to_the_last_window() -> None:
    assert not hours(windows={"mon": ["20:00-24:00"]}).allows(at(23, 59))  # the pack says no
    assert hours(windows={"mon": ["20:00-24:00"]}).allows(at(20, 0))
    assert not hours(windows={"mon": ["00:00-24:00"]}).allows(at(10, 0, day=3))


# ---- zones that change their clocks; the pack's hours are 08:00 to 21:55 in Shanghai ----


@pytest.mark.usefixtures("host_zone")
def test_windows_stay_local_when_the_clock_jumps() -> None:
    """On 29 March 2026 Berlin's clocks jump from 02:00 to 03:00."""
    berlin = hours(timezone="Europe/Berlin", windows={"sat-sun": ["09:00-12:00"]}, holidays="none")
    before, after = datetime(2026, 3, 28, 8, 0, tzinfo=UTC), datetime(2026, 3, 29, 7, 0, tzinfo=UTC)
    for opening in (before, after):
        assert berlin.allows(opening)
        assert not berlin.allows(opening - timedelta(minutes=1))
    assert berlin.next_open(before + timedelta(hours=3)) == after


@pytest.mark.usefixtures("host_zone")
def test_an_hour_that_does_not_exist_is_not_dialled_in() -> None:
    berlin = hours(timezone="Europe/Berlin", windows={"sun": ["01:30-03:30"]}, holidays="none")
    eve = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
    assert berlin.next_open(eve) == datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert berlin.left_today(datetime(2026, 3, 29, 0, 0, tzinfo=UTC)) == timedelta(hours=1)
    gone = hours(timezone="Europe/Berlin", windows={"sun": ["02:00-03:00"]}, holidays="none")
    assert gone.next_open(eve) == datetime(2026, 4, 5, 0, 0, tzinfo=UTC), "a week later it exists again"


@pytest.mark.usefixtures("host_zone")
def test_an_hour_that_comes_twice_counts_twice() -> None:
    """On 25 October 2026 Berlin's clocks go back from 03:00 to 02:00; the first is 08:00 in Shanghai."""
    berlin = hours(timezone="Europe/Berlin", windows={"sun": ["01:30-03:30"]}, holidays="none")
    assert berlin.left_today(datetime(2026, 10, 24, 23, 0, tzinfo=UTC)) == timedelta(hours=2, minutes=30)
    assert berlin.allows(datetime(2026, 10, 25, 1, 45, tzinfo=UTC))
    assert not berlin.allows(datetime(2026, 10, 25, 2, 30, tzinfo=UTC))


# ---- holidays, and weekend days that are worked (调休) ----

WEEK: dict[str, Any] = {"windows": {"mon-fri": ["09:00-18:00"], "sat-sun": ["10:00-12:00"]}}


@pytest.mark.usefixtures("host_zone")
@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        (on(2, 16), False),  # Monday of the Spring Festival
        (on(2, 21, 11), False),  # its Saturday
        (on(2, 24), True),  # the Tuesday after it
        (on(2, 28, 15), True),  # a Saturday that is worked has Monday's windows
        (on(2, 14, 15), True),
        (on(3, 7, 15), False),  # an ordinary Saturday
        (on(3, 7, 11), True),
        (on(10, 1), False),  # National Day
        (on(9, 20, 15), True),  # a Sunday that is worked for it
        (datetime(2026, 9, 30, 16, 30, tzinfo=UTC), False),  # 1 October 00:30 in Shanghai
    ],
)
def test_the_holidays_of_china(moment: datetime, allowed: bool) -> None:
    assert hours(**WEEK).allows(moment) is allowed


def test_without_holidays_weekdays_alone_decide() -> None:
    assert hours(**WEEK, holidays="none").allows(on(2, 16))
    assert not hours(**WEEK, holidays="none").allows(on(2, 28, 15))


def test_holidays_and_makeup_days_may_have_windows_of_their_own() -> None:
    own = hours(windows={"mon-fri": ["09:00-18:00"], "holiday": ["14:00-16:00"], "makeup": ["09:00-10:00"]})
    assert own.allows(on(2, 16, 15)) and not own.allows(on(2, 16, 10))
    assert own.allows(on(2, 28, 9, 30)) and not own.allows(on(2, 28, 10, 30))


def test_no_opening_over_the_spring_festival() -> None:
    assert hours(**WEEK).next_open(on(2, 14, 18)) == on(2, 24, 9)
    assert hours(**WEEK).next_open(on(2, 13, 18)) == on(2, 14, 9)


def test_a_year_that_nobody_has_decreed_yet_is_not_dialled_in() -> None:
    late = hours(**WEEK)
    assert late.allows(on(12, 31))
    assert not late.allows(on(1, 4, year=2037))
    assert late.next_open(on(12, 31, 18)) is None or late.calendar.kind(date(2027, 1, 4)) != "unknown"
    assert late.unknown_within(on(1, 4, year=2037)) == date(2037, 1, 4)
    assert late.unknown_within(on(3, 2)) is None


CALENDAR = """\
source: 公司通知 2026-01
start: 2026-01-01
end: 2026-12-31
holidays: [2026-03-03, 2026-03-10/2026-03-12]
workdays: [2026-03-08]
"""


def test_a_calendar_file(tmp_path: Path) -> None:
    path = tmp_path / "holidays.yaml"
    path.write_text(CALENDAR, encoding="utf-8")
    own = hours(**WEEK, holidays=str(path))
    assert [own.allows(at(15, 0, day=day)) for day in (2, 3, 8, 9, 10, 11, 12, 13)] == [
        *(True, False, True, True, False, False, False, True)
    ]
    assert own.allows(on(2, 16)), "only what the file says"
    assert not own.allows(on(1, 4, year=2027)), "and only for the dates that it covers"
    assert own.calendar.source == "公司通知 2026-01"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("source: 公司通知 2026-01\n", "", 1, "missing"),
        ("2026-03-03,", "2026-3-3,", 4, "no date"),
        ("2026-03-10/2026-03-12", "2026-03-12/2026-03-10", 4, "backwards"),
        ("workdays: [2026-03-08]", "workdays: [2026-03-03]", 1, "a holiday and a workday"),
        ("workdays: [2026-03-08]", "workdays: [2027-03-08]", 1, "not between start and end"),
        ("workdays", "makeup", 5, "unknown"),
    ],
)
def test_a_wrong_calendar_file(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    path = tmp_path / "holidays.yaml"
    assert old in CALENDAR
    path.write_text(CALENDAR.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=words) as fault:
        hours(holidays=str(path))
    assert fault.value.line == line
