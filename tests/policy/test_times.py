"""Hours, margins, midnights and clock changes, whatever zone the machine itself is in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from voicebot.clock import ManualClock
from voicebot.policy.gate import Gate
from voicebot.policy.overrides import with_overrides
from voicebot.policy.pack import PackBody, load_pack

PACK = load_pack(Path(__file__).parents[2] / "configs/policies/cn-gbt45251-2025.yaml")
AMERICAN, INDIAN = PACK.body("us-regf-tcpa"), PACK.body("in-rbi")
SHANGHAI, NEW_YORK, KOLKATA = (
    ZoneInfo(name) for name in ("Asia/Shanghai", "America/New_York", "Asia/Kolkata")
)
assert PACK.scenarios is not None
GOOD = PACK.scenarios.base
ALL_FACTS: dict[str, Any] = {
    **GOOD,
    "prior_express_consent_id": "c-1",
    "days_since_conversation": None,
    "counters": {**GOOD["counters"], "calls_person_debt_7d": 0},
}

pytestmark = pytest.mark.usefixtures("host_zone")


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Shanghai"], autouse=True)
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's own zone, which must not matter."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def asked(at: Any, *packs: PackBody, **facts: Any) -> list[str]:
    """The rules that refuse a good call at `at`."""
    gate = Gate(packs or (PACK,), ManualClock(datetime(2026, 3, 2, tzinfo=UTC)))
    return [one.rule for one in gate.decide("pre_dial", {**ALL_FACTS, "dial_at": at, **facts}).refusals]


def local(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("clock", "allowed"),
    [
        ("07:59:59.999999", False),
        ("08:00:00", True),
        ("12:00:00", True),
        ("21:54:59.999999", True),
        ("21:55:00", False),
        ("21:59:59", False),
        ("22:00:00", False),
        ("23:59:59.999999", False),
        ("00:00:00", False),
    ],
)
def test_the_window_and_its_margin_to_the_microsecond(clock: str, allowed: bool) -> None:
    at = local(f"2026-03-02T{clock}")
    expected = [] if allowed else ["CN-TM-01"]
    assert asked(at) == expected
    assert asked(at.astimezone(UTC)) == expected
    assert asked(at.astimezone(NEW_YORK)) == expected, "the same instant, told by another clock"
    assert asked(at.isoformat()) == expected


@pytest.mark.parametrize("value", [None, "", "soon", 1772416800, "2026-13-01T10:00", "25:00"])
def test_a_time_that_is_none_refuses(value: Any) -> None:
    assert asked(value) == ["CN-TM-01"]


WINDOW = {"from": "2026-03-02T22:00:00+08:00", "to": "2026-03-02T23:00:00+08:00", "evidence_id": "rec-1"}


@pytest.mark.parametrize(
    ("clock", "change", "allowed"),
    [
        ("22:00", {}, True),
        ("22:59", {}, True),
        ("23:00", {}, False),
        ("21:57", {}, False),  # neither in the general hours, less their margin, nor in the agreed ones
        ("22:30", {"evidence_id": ""}, False),
        ("22:30", {"evidence_id": None}, False),
        ("22:30", {"to": "2026-03-02T22:15:00+08:00"}, False),
        ("22:30", {"from": "nonsense"}, False),
        ("22:30", {"from": "2026-03-02T14:00:00+00:00", "to": "2026-03-02T15:00:00+00:00"}, True),
    ],
)
def test_agreed_windows(clock: str, change: dict[str, Any], allowed: bool) -> None:
    refused = asked(local(f"2026-03-02T{clock}"), agreed_windows=[{**WINDOW, **change}])
    assert refused == ([] if allowed else ["CN-TM-01"])


@pytest.mark.parametrize("windows", [WINDOW, "22:00-23:00", [WINDOW["from"]], [None], 1])
def test_agreed_windows_of_a_wrong_shape_agree_to_nothing(windows: Any) -> None:
    assert asked(local("2026-03-02T22:30"), agreed_windows=windows) == ["CN-TM-01"]


@pytest.mark.parametrize(
    ("instant", "allowed"),
    [
        ("2026-03-07T12:59:59+00:00", False),  # 07:59:59 EST
        ("2026-03-07T13:00:00+00:00", True),
        ("2026-03-08T11:59:59+00:00", False),  # the clocks went forward at 02:00: 07:59:59 EDT
        ("2026-03-08T12:00:00+00:00", True),
        ("2026-03-08T01:59:59+00:00", True),  # 20:59:59 EST on the 7th
        ("2026-03-08T02:00:00+00:00", False),
        ("2026-03-09T00:59:59+00:00", True),  # 20:59:59 EDT on the 8th
        ("2026-03-09T01:00:00+00:00", False),
        ("2026-11-01T05:30:00+00:00", False),  # 01:30 EDT, the first of two
        ("2026-11-01T12:59:59+00:00", False),  # the clocks went back: 07:59:59 EST
        ("2026-11-01T13:00:00+00:00", True),
    ],
)
def test_hours_of_the_person_called_where_clocks_change(instant: str, allowed: bool) -> None:
    at = datetime.fromisoformat(instant)
    refused = asked(at, AMERICAN, party_timezone="America/New_York")
    assert refused == ([] if allowed else ["US-TM-01"])


@pytest.mark.parametrize("zone", [None, "", "Mars/Base", "../etc/passwd", 8, "local"])
def test_an_unknown_zone_of_the_person_called_refuses(zone: Any) -> None:
    assert asked(datetime(2026, 3, 2, 17, tzinfo=UTC), AMERICAN, party_timezone=zone) == ["US-TM-01"]


def test_each_of_stacked_packs_goes_by_its_own_clock() -> None:
    at = local("2026-03-02T19:30", KOLKATA)  # 22:00 in Shanghai, 09:00 in New York
    packs = (PACK, INDIAN, AMERICAN)
    assert asked(at, *packs, party_timezone="America/New_York") == ["CN-TM-01", "IN-TM-01"]
    at = local("2026-03-02T12:00", SHANGHAI)  # 09:30 in India, 23:00 of the day before in New York
    assert asked(at, *packs, party_timezone="America/New_York") == ["US-TM-01"]


@pytest.mark.parametrize(
    ("instant", "day"),
    [("2026-03-02T15:59:59+00:00", "2026-03-02"), ("2026-03-02T16:00:00+00:00", "2026-03-03")],
)
def test_a_day_ends_at_midnight_of_the_packs_zone(instant: str, day: str) -> None:
    gate = Gate((PACK,), ManualClock(datetime(2026, 3, 2, tzinfo=UTC)))
    for zone in (UTC, SHANGHAI, NEW_YORK):
        at = datetime.fromisoformat(instant).astimezone(zone)
        assert gate.day_of(at) == datetime.fromisoformat(day).toordinal()


def test_a_day_of_the_person_called_is_his_own() -> None:
    gate = Gate((AMERICAN,), ManualClock(datetime(2026, 3, 2, tzinfo=UTC)))
    at = datetime(2026, 3, 2, 4, 59, tzinfo=UTC)  # still the 1st in New York
    assert gate.day_of(at, "America/New_York") == datetime(2026, 3, 1).toordinal()
    assert gate.day_of(at + timedelta(minutes=1), "America/New_York") == datetime(2026, 3, 2).toordinal()
    for zone in (None, "Mars/Base"):
        with pytest.raises(ValueError, match="unknown"):
            gate.day_of(at, zone)


def test_hours_for_everybody_follow_the_tightened_pack() -> None:
    late = with_overrides(PACK, {"hours.start": "09:00", "hours.end": "20:00", "hours.end_margin_min": 10})
    gate = Gate((late,), ManualClock(datetime(2026, 3, 2, tzinfo=UTC)))
    found = [
        clock
        for clock in ("08:59", "09:00", "19:49", "19:50")
        if gate.hours_allow(local(f"2026-03-02T{clock}").astimezone(UTC))
    ]
    assert found == ["09:00", "19:49"]


@pytest.mark.parametrize("margin", [0, 5, 839, 840, 841, 1440, 100_000])
def test_a_margin_only_ever_takes_time_away(margin: int) -> None:
    """One that is longer than the window leaves nothing of it, and never wraps into the night."""
    gate = Gate(
        (with_overrides(PACK, {"hours.end_margin_min": margin}),),
        ManualClock(datetime(2026, 3, 2, tzinfo=UTC)),
    )
    open_minutes = sum(
        gate.hours_allow(local("2026-03-02T00:00") + timedelta(minutes=minute)) for minute in range(1440)
    )
    assert open_minutes == max(0, 840 - margin)
