"""Calls out of a real store, by what a person has in hand."""

from __future__ import annotations

import pytest

from voicebot.call.record import CallRecord
from voicebot.errors import InputError
from voicebot.quality.calls import find_call, list_calls, names_by_case, names_of_call
from voicebot.store.database import Store

CAMPAIGN = "c1"


def test_all_calls_are_listed_and_a_wrong_campaign_is_said(store: Store, records: list[CallRecord]) -> None:
    assert {record.attempt_id for record in list_calls(store)} == {record.attempt_id for record in records}
    assert len(list(list_calls(store, "demo"))) == len(records)
    with pytest.raises(InputError, match="no campaign of this name"):
        list(list_calls(store, "other"))


def test_a_call_is_found_by_its_id_the_start_of_it_and_its_case(
    store: Store, records: list[CallRecord]
) -> None:
    for word in (records[1].attempt_id, records[1].attempt_id[:5], records[1].case_id):
        assert find_call(store, word) == records[1]


def test_an_unclear_or_unknown_id_says_what_to_do(store: Store) -> None:
    with pytest.raises(InputError, match=r"4 calls fit: .*Give more of the id"):
        find_call(store, "a00")
    with pytest.raises(InputError, match=r"no call has this id.*voicebot call list"):
        find_call(store, "%")


def test_the_people_of_a_case_are_known_to_be_masked(store: Store, records: list[CallRecord]) -> None:
    assert set(names_of_call(store, records[0].attempt_id)) == {"张伟", "李娜"}
    assert set(names_by_case(store, CAMPAIGN)) == {record.case_id for record in records}
