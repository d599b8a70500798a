"""The cap of a day goes by the pack's midnight, wherever the machine and its clock are."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.campaign.site import LedgerSite, build, row
from tests.store.stores import SHANGHAI
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.states import Disposition

ZONES = ("UTC", "America/New_York", "Asia/Shanghai")


@pytest.fixture(params=ZONES)
def site(
    request: pytest.FixtureRequest, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LedgerSite:
    """A machine in that zone, with a clock that tells its time in it."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    request.addfinalizer(time.tzset)
    request.addfinalizer(monkeypatch.undo)
    start = datetime(2026, 3, 2, 12, 30, tzinfo=SHANGHAI)  # 23:30 of the 1st in New York
    return build(store, ManualClock(start.astimezone(ZoneInfo(request.param))), tmp_path, lambda: True)


def at(site: LedgerSite, day: int, hour: int, minute: int) -> None:
    site.clock.elapsed_s = (
        datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI) - site.clock.start
    ).total_seconds()


def call(site: LedgerSite) -> list[str]:
    """One answered call, or why there was none."""
    campaign = site.enrol(row(1))
    claims = site.ledger.claim(campaign, "w1", 1)
    if not claims:
        return [one.reason for one in site.ledger.refusals(campaign)]
    site.dial(claims[0])
    site.ledger.close(claims[0].attempt_id, Disposition.HUNG_UP, answered=True)
    return []


def test_midnight_of_the_machine_gives_nobody_another_three(site: LedgerSite) -> None:
    assert [call(site), call(site)] == [[], []]
    at(site, 2, 13, 30)  # in New York the 2nd began half an hour ago
    assert call(site) == []
    assert call(site) == ["FREQ_CONNECTED"]
    at(site, 2, 21, 0)
    assert call(site) == ["FREQ_CONNECTED"]


def test_midnight_of_the_pack_does(site: LedgerSite) -> None:
    at(site, 2, 13, 30)
    assert [call(site), call(site), call(site), call(site)] == [[], [], [], ["FREQ_CONNECTED"]]
    at(site, 3, 8, 0)  # in New York it is still the evening of the 2nd, in UTC the first minute of the 3rd
    assert [call(site), call(site), call(site), call(site)] == [[], [], [], ["FREQ_CONNECTED"]]


@pytest.mark.parametrize(
    ("day", "hour", "minute", "open_"),
    [(2, 7, 59, False), (2, 8, 0, True), (2, 21, 29, True), (2, 21, 56, False), (3, 0, 0, False)],
)
def test_nothing_is_claimed_outside_of_the_hours(
    site: LedgerSite, day: int, hour: int, minute: int, open_: bool
) -> None:
    at(site, day, hour, minute)
    campaign = site.enrol(row(1))
    assert bool(site.ledger.claim(campaign, "w1", 1)) is open_


def test_a_call_claimed_before_closing_is_not_dialled_after_it(site: LedgerSite) -> None:
    at(site, 2, 21, 29)
    claim = site.claim_one(site.enrol(row(1)))
    at(site, 2, 21, 56)
    site.owe(row(1))
    assert not site.ledger.permit(claim.attempt_id, "w1").allowed
