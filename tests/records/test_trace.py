"""A complaint, "this number, about then", leads to the call."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.campaign.site import LedgerSite
from tests.records.conftest import NUMBER
from tests.store.stores import SHANGHAI
from voicebot.errors import InputError
from voicebot.quality.trace import trace
from voicebot.quality.when import when

NOW = datetime(2026, 3, 3, 9, 40, tzinfo=SHANGHAI)
"""A Tuesday; the calls were on Monday at 10:15."""


@pytest.mark.parametrize(
    ("said", "begin", "end"),
    [
        ("昨天下午", "03-02 12:00", "03-02 18:00"),
        ("昨天上午", "03-02 06:00", "03-02 12:00"),
        ("昨晚", "03-02 18:00", "03-03 00:00"),
        ("昨天", "03-02 00:00", "03-03 00:00"),
        ("今天早上", "03-03 06:00", "03-03 10:00"),
        ("前天下午三点", "03-01 14:15", "03-01 15:45"),
        ("昨天下午三点半", "03-02 15:10", "03-02 15:50"),
        ("昨天晚上8点20分", "03-02 20:00", "03-02 20:40"),
        ("上周三晚上", "02-25 18:00", "02-26 00:00"),
        ("周三", "02-25 00:00", "02-26 00:00"),
        ("周一", "03-02 00:00", "03-03 00:00"),
        ("3月1号中午", "03-01 11:00", "03-01 14:00"),
        ("三月一号", "03-01 00:00", "03-02 00:00"),
        ("28号上午十点", "02-28 09:15", "02-28 10:45"),
        ("三天前", "02-28 00:00", "03-01 00:00"),
        ("2026-02-20 15:30", "02-20 15:10", "02-20 15:50"),
        ("2026-02-20", "02-20 00:00", "02-21 00:00"),
    ],
)
def test_a_time_as_people_say_it(said: str, begin: str, end: str) -> None:
    span = when(said, NOW)
    assert (f"{span.begin:%m-%d %H:%M}", f"{span.end:%m-%d %H:%M}") == (begin, end)


def test_a_date_of_last_year_when_this_years_is_to_come() -> None:
    assert when("11月20日", NOW).begin == datetime(2025, 11, 20, tzinfo=SHANGHAI)


@pytest.mark.parametrize("said", ["", "你好", "2月30号", "2026-03-04", "昨天25点"])
def test_what_names_no_time_that_was(said: str) -> None:
    with pytest.raises(InputError, match="昨天下午"):
        when(said, NOW)


def test_from_number_and_time_to_the_call(site: LedgerSite, called: list[str], tmp_path: Path) -> None:
    (found,) = trace(site.store, NUMBER.format(2), when("昨天上午", NOW), SHANGHAI)
    assert (found.attempt_id, found.case_id, found.disposition) == (called[1], "case-2", "PTP")
    assert found.caller == "+862160000001" and "registered by ops-lin" in found.tool
    assert found.bot.startswith("reminder@3") and len(found.approved_by) == 2
    assert called[1] in found.recording and "sealed" in found.recording
    assert trace(site.store, NUMBER.format(2), when("昨天下午", NOW), SHANGHAI) == []
    assert trace(site.store, NUMBER.format(9), None, SHANGHAI) == []
