"""People, tools, the audit chain and call records: what may be forged is found out."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert, select

from tests.campaign.site import DIGEST, INSTITUTION, LedgerSite, build, row
from voicebot.call.record import CallRecord, Turn
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.encryption import Unreadable
from voicebot.store.models import RecordRow
from voicebot.store.people import People
from voicebot.store.records import load_record, records, save_record
from voicebot.store.registers import Agreements, CaseMarks, Tool, Tools
from voicebot.store.signatures import create_key, load_key, public_text
from voicebot.store.states import Disposition
from voicebot.store.stop_list import StopList


@pytest.fixture
def signer(store: Store) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    People(store).register("wang", "王岚", ["reviewer"], public_text(key))
    People(store).register("sun", "孙磊", ["reviewer"], public_text(key))
    People(store).register("chen", "陈婷", ["author", "reviewer"], public_text(key))
    People(store).register("lin", "林凯", ["operations"], public_text(key))
    return key


def test_a_private_key_file_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    key = create_key(tmp_path / "k" / "wang.pem")
    assert public_text(create_key(tmp_path / "k" / "wang.pem")) == public_text(key)
    assert (tmp_path / "k" / "wang.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError):
        load_key(tmp_path / "none.pem")


def test_people_need_a_known_role_and_a_real_key(store: Store, signer: Ed25519PrivateKey) -> None:
    for roles, key in ((["boss"], public_text(signer)), (["reviewer"], "AAAA"), (["reviewer"], "no base64!")):
        with pytest.raises(InputError):
            People(store).register("x", "某人", roles, key)
    assert People(store).find("x") is None


def test_a_tool_takes_two_people(store: Store) -> None:
    tools = Tools(store)
    valid = (date(2026, 1, 1), date(2026, 12, 31))
    with pytest.raises(InputError, match="another person"):
        tools.register(Tool("+861088881234", INSTITUTION, None, True, *valid, "lin", "lin"))
    tools.register(Tool("+861088881234", INSTITUTION, None, True, *valid, "lin", None))
    with pytest.raises(InputError, match="another person"):
        tools.approve("+861088881234", "lin")
    tools.approve("+861088881234", "zhao")
    assert [tool.approved_by for tool in tools.all()] == ["zhao"]
    with pytest.raises(InputError, match="not registered"):
        tools.approve("+861088880000", "zhao")


def test_what_registers_refuse(store: Store, clock: ManualClock) -> None:
    now = clock.now()
    with pytest.raises(InputError, match="evidence"):
        Agreements(store).add(
            INSTITUTION, "d", "window", now, now + timedelta(hours=1), evidence_id=" ", made_by="lin"
        )
    with pytest.raises(InputError, match="unknown mark"):
        CaseMarks(store, clock).set(INSTITUTION, "c", "holiday", made_by="lin")
    with pytest.raises(InputError, match="unknown stop-list reason"):
        StopList(store, clock).add(phone="+8613812341234", reason="BECAUSE", made_by="lin")


def test_a_stop_list_entry_ends_when_it_expires(store: Store, clock: ManualClock) -> None:
    stop_list = StopList(store, clock)
    expires = clock.now() + timedelta(hours=24)
    stop_list.add(phone="+8613812341234", reason="MINOR", made_by="lin", expires=expires)
    assert stop_list.contains("+8613812341234") == "MINOR"
    assert stop_list.contains("+8613812340000") is None
    clock.advance(24 * 3600)
    assert stop_list.contains("+8613812341234") is None


def test_an_entry_of_one_institution_binds_that_one(store: Store, clock: ManualClock) -> None:
    stop_list = StopList(store, clock)
    stop_list.add(phone="+8613812341234", reason="LAWYER", made_by="lin", institution=INSTITUTION)
    assert stop_list.contains("+8613812341234", INSTITUTION) == "LAWYER"
    assert stop_list.contains("+8613812341234", "另一家") is None


@pytest.fixture
def site(store: Store, clock: ManualClock, tmp_path: Path) -> LedgerSite:
    return build(store, clock, tmp_path, lambda: True)


def test_a_call_record_is_kept_encrypted_and_bound_to_its_attempt(site: LedgerSite) -> None:
    campaign = site.enrol(row(1), row(2))
    first, second = site.ledger.claim(campaign, "w1", 2)
    now = site.clock.now()
    record = CallRecord(
        attempt_id=first.attempt_id,
        campaign="spring",
        case_id="case-1",
        phone_masked=first.phone_masked,
        digest=DIGEST,
        pack=first.pack,
        caller=first.caller,
        worker="w1",
        dialled_at=now,
        ended_at=now + timedelta(seconds=30),
        disposition=Disposition.PTP,
        turns=[Turn(speaker="debtor", start_s=1, end_s=2, text="我明天还")],
    )
    save_record(site.store, record)
    save_record(site.store, record)
    assert load_record(site.store, first.attempt_id) == record
    assert list(records(site.store, campaign)) == [record]
    with site.store.begin() as connection:
        sealed = connection.execute(select(RecordRow.record_ct)).scalar_one()
        assert "明天" not in bytes(sealed).decode("utf-8", "ignore")
        moved = insert(RecordRow).values(
            attempt_id=second.attempt_id,
            campaign_id=campaign,
            disposition="PTP",
            saved_ms=0,
            record_ct=sealed,
        )
        connection.execute(moved)
    with pytest.raises(Unreadable):
        load_record(site.store, second.attempt_id)
    with pytest.raises(LookupError):
        save_record(site.store, record.model_copy(update={"attempt_id": "none"}))
