"""Calls out of a real store, by what a person has in hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from voicebot.call.record import CallRecord
from voicebot.errors import InputError
from voicebot.quality.calls import find_call, list_calls, names_by_case, names_of_call
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import AttemptRow, CampaignRow, CaseRow, ContactRow, DebtorRow
from voicebot.store.records import save_record

CAMPAIGN = "c1"


@pytest.fixture
def store(tmp_path: Path, records: list[CallRecord]) -> Iterator[Store]:
    keys = KeyRing.create(tmp_path / "keys.json")
    opened = Store.open(f"sqlite:///{tmp_path / 'store.sqlite'}", keys)
    with opened.session() as session:
        session.add(
            CampaignRow(
                id=CAMPAIGN, name="demo", state="done", institution="晨光", digest="d", file={}, created_ms=1
            )
        )
        session.flush()
        for number, record in enumerate(records, start=1):
            session.add(DebtorRow(id=number, bix=bytes([number]) * 16, institution="晨光"))
            session.flush()
            session.add(
                CaseRow(
                    id=number,
                    campaign_id=CAMPAIGN,
                    case_id=record.case_id,
                    debtor_id=number,
                    record_ct=b"",
                    flags={},
                )
            )
            session.flush()
            for which, name in ((number, "张伟"), (100 + number, "李娜")):
                session.add(
                    ContactRow(
                        id=which,
                        campaign_id=CAMPAIGN,
                        case_pk=number,
                        party="debtor",
                        name_ct=keys.encrypt(name, f"contact.name:{number}"),
                        state="done",
                    )
                )
            session.flush()
            session.add(
                AttemptRow(
                    id=record.attempt_id,
                    campaign_id=CAMPAIGN,
                    case_pk=number,
                    contact_id=number,
                    debtor_id=number,
                    number=1,
                    state="closed",
                    due_ms=0,
                    rank=number,
                    reserved=[],
                    disposition=record.disposition,
                    sip_code=record.sip_code,
                    planned_ms=0,
                )
            )
    for record in records:
        save_record(opened, record)
    yield opened
    opened.close()


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
