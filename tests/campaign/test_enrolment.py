"""Enrolment on both stores: what is written, what broke off goes on, nothing twice, in any order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.campaign.paper_lists import INSTITUTION, campaign_of, line, write_list
from voicebot.campaign import enrolment as enrolling
from voicebot.campaign.campaign_lists import CampaignLists, scan_lists
from voicebot.campaign.enrolment import Enrolled, Enrolment
from voicebot.campaign.row_sealer import CHUNK, SealedChunk
from voicebot.errors import InputError
from voicebot.store.bindings import name_binding, notes_binding, phone_binding, record_binding
from voicebot.store.database import Store
from voicebot.store.models import (
    AttemptRow,
    Base,
    CampaignRow,
    CaseRow,
    ContactPointRow,
    ContactRow,
    DebtorRow,
    EnrolmentRow,
    PhoneRow,
    TallyRow,
)
from voicebot.store.stop_list import debtor_index

ROOT = Path(__file__).parents[2]
DIGEST = "d" * 64
NOW_MS = 1_772_417_700_000
TABLES = (DebtorRow, PhoneRow, CaseRow, ContactRow, ContactPointRow, AttemptRow)


def enrol(
    store: Store, path: Path, fresh_id: str = "spring-1", digest: str = DIGEST, **changes: Any
) -> Enrolled:
    campaign = campaign_of(path, **changes)
    return Enrolment(store, campaign, digest, NOW_MS).run(fresh_id, scan_lists(campaign))


def counts(store: Store) -> list[int]:
    with store.reading() as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES]


def one(store: Store, query: Any) -> Any:
    with store.reading() as connection:
        return connection.execute(query).scalar_one()


def test_what_is_written_can_be_read_with_the_keys_and_with_nothing_else(
    store: Store, tmp_path: Path
) -> None:
    rows = [
        line(1),
        line(1, phone="010-88881234"),
        line(1, party="contact", name="李敏", phone="13900000001"),
    ]
    enrolled = enrol(store, write_list(tmp_path / "l.csv", [*rows, line(2)]))
    assert enrolled == Enrolled("spring-1", 2, True)
    assert counts(store) == [2, 4, 2, 3, 4, 3]
    with store.reading() as connection:
        case = connection.execute(select(CaseRow.__table__).where(CaseRow.case_id == "C-1")).one()
        contacts = connection.execute(
            select(ContactRow.__table__).where(ContactRow.case_pk == case.id).order_by(ContactRow.id)
        ).all()
        points = connection.execute(
            select(ContactPointRow.bix, PhoneRow.e164_ct)
            .join(PhoneRow, PhoneRow.bix == ContactPointRow.bix)
            .where(ContactPointRow.contact_id == contacts[0].id)
            .order_by(ContactPointRow.ord)
        ).all()
        attempt = connection.execute(
            select(AttemptRow.__table__).where(AttemptRow.contact_id == contacts[0].id)
        ).one()
        debtor = connection.execute(select(DebtorRow.__table__).where(DebtorRow.id == case.debtor_id)).one()
    keys = store.keys
    assert debtor.bix == debtor_index(store, INSTITUTION, "P-1")
    record = json.loads(keys.decrypt(case.record_ct, record_binding("spring-1", "C-1")))
    assert record["debtor_name"] == ["name", "张伟"] and record["amount_due"] == ["money", 10140]
    assert keys.tail_matches("C-1", "123X", case.tail_mac)
    assert [(row.party, keys.decrypt(row.name_ct, name_binding(case.id))) for row in contacts] == [
        ("debtor", "张伟"),
        ("contact", "李敏"),
    ]
    assert [keys.decrypt(row.e164_ct, phone_binding(row.bix)) for row in points] == [
        "+8613800000001",
        "+861088881234",
    ]
    assert (attempt.state, attempt.phase, attempt.number, attempt.reserved) == ("planned", 0, 1, [])
    assert (attempt.debtor_id, attempt.case_pk, attempt.due_ms) == (debtor.id, case.id, NOW_MS)
    assert one(store, select(CampaignRow.state)) == "running"
    assert one(store, select(TallyRow.n)) == 3


def test_other_columns_are_kept_as_notes(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    text = "case_id,debtor_id,name,phone,amount_due,备注,门店\n"
    path.write_text(
        text + "A,P,张伟,13812341234,1,老客户,\nA,P,张伟,13900000000,1,,三号店\nB,Q,李敏,13700000000,1,,\n"
    )
    enrol(store, path)
    with store.reading() as connection:
        kept = dict(connection.execute(select(CaseRow.case_id, CaseRow.notes_ct)).all())  # type: ignore[arg-type]
    notes = json.loads(store.keys.decrypt(kept["A"], notes_binding("spring-1", "A")))
    assert notes == [{"备注": "老客户"}, {"门店": "三号店"}]
    assert kept["B"] is None


def test_nothing_personal_stands_in_the_file(tmp_path: Path, store: Store) -> None:
    enrol(store, write_list(tmp_path / "l.csv", [line(1, name="欧阳不二")]))
    if store.is_postgresql:
        return  # its files are not ours to read; the columns are the same
    data = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    for secret in ("欧阳不二", "13800000001", "123X"):
        assert secret.encode() not in data


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("list", ["C-1", "C-2", "C-3"]),
        ("amount", ["C-2", "C-3", "C-1"]),
        ("overdue", ["C-3", "C-1", "C-2"]),
        ("newest", ["C-1", "C-3", "C-2"]),
    ],
)
def test_the_order_of_the_campaign(store: Store, tmp_path: Path, order: str, expected: list[str]) -> None:
    rows = [
        line(1, amount_due="100", overdue_days=5, due_date="2026-03-01"),
        line(2, amount_due="99999999999.99", overdue_days="", due_date=""),
        line(3, amount_due="300", overdue_days=9, due_date="2026-02-01"),
    ]
    enrol(store, write_list(tmp_path / "l.csv", rows), order=order)
    query = (
        select(CaseRow.case_id)
        .join(AttemptRow, AttemptRow.case_pk == CaseRow.id)
        .order_by(AttemptRow.due_ms, AttemptRow.rank, AttemptRow.contact_id)
    )
    with store.reading() as connection:
        assert list(connection.execute(query).scalars()) == expected


def test_the_same_lists_again_go_on_with_the_same_campaign(store: Store, tmp_path: Path) -> None:
    path = write_list(tmp_path / "l.csv", map(line, range(10)))
    enrol(store, path)
    before = counts(store)
    assert enrol(store, path, "spring-2") == Enrolled("spring-1", 10, False)
    assert counts(store) == before


def test_a_campaign_that_was_paused_by_a_person_stays_so(store: Store, tmp_path: Path) -> None:
    path = write_list(tmp_path / "l.csv", map(line, range(3)))
    enrol(store, path)
    with store.begin() as connection:
        connection.execute(CampaignRow.__table__.update().values(state="paused"))  # type: ignore[attr-defined]
    enrol(store, path, "spring-2")
    assert one(store, select(CampaignRow.state)) == "paused"


def test_other_lists_or_another_talk_track_need_a_decision(store: Store, tmp_path: Path) -> None:
    path = write_list(tmp_path / "l.csv", map(line, range(3)))
    enrol(store, path)
    other = write_list(tmp_path / "m.csv", map(line, range(4)))
    with pytest.raises(InputError, match=r"unfinished with other lists.*--new") as fault:
        enrol(store, other, "spring-2")
    assert fault.value.key == "lists"
    with pytest.raises(InputError, match="another talk track") as fault:
        enrol(store, path, "spring-2", digest="e" * 64)
    assert fault.value.key == "talk_track"
    with store.begin() as connection:
        connection.execute(CampaignRow.__table__.update().values(state="done"))  # type: ignore[attr-defined]
    assert enrol(store, other, "spring-2") == Enrolled("spring-2", 4, True)
    assert counts(store) == [4, 4, 7, 7, 7, 7]


class PowerCut(Exception):
    """Ends an enrolment between two chunks, or inside of one."""


@pytest.mark.parametrize("inside", [False, True])
def test_what_broke_off_goes_on_where_it_stopped(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    monkeypatch.setattr("voicebot.campaign.row_sealer.CHUNK", 10)
    rows = [line(n) for n in range(95)]
    rows += [line(n, party="guarantor", name="王芳", phone=f"137{n:08d}") for n in range(0, 95, 7)]
    path = write_list(tmp_path / "l.csv", rows)
    real_add = enrolling.tally.add_in

    def breaking(connection: Any, campaign_id: str, changes: Any) -> None:
        real_add(connection, campaign_id, changes)
        if one_in(connection) >= 30:
            raise PowerCut

    def one_in(connection: Any) -> int:
        return int(connection.execute(select(func.count()).select_from(CaseRow)).scalar_one())

    def cut_between(chunks: Iterator[SealedChunk]) -> Iterator[SealedChunk]:
        for number, chunk in enumerate(chunks):
            if number == 3:
                raise PowerCut
            yield chunk

    real_chunks = Enrolment._chunks
    with monkeypatch.context() as patch:
        if inside:
            patch.setattr(enrolling.tally, "add_in", breaking)
        else:
            patch.setattr(Enrolment, "_chunks", lambda *known: cut_between(real_chunks(*known)))
        with pytest.raises(PowerCut):
            enrol(store, path)
    assert one(store, select(CampaignRow.state)) == "paused"
    assert one(store, select(EnrolmentRow.done)) == (20 if inside else 30)
    assert enrol(store, path, "spring-2") == Enrolled("spring-1", 95, True)
    assert counts(store) == [95, 109, 95, 109, 109, 109]
    assert one(store, select(TallyRow.n)) == 109
    assert one(store, select(CampaignRow.state)) == "running"
    with store.reading() as connection:
        sealed = connection.execute(select(ContactRow.case_pk, ContactRow.name_ct)).all()
    assert {store.keys.decrypt(name, name_binding(case)) for case, name in sealed} == {"张伟", "王芳"}


def test_two_enrolments_never_share_an_id(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that broke off keeps its ids, though they are not in any row yet."""
    monkeypatch.setattr("voicebot.campaign.row_sealer.CHUNK", 10)
    long = write_list(tmp_path / "l.csv", map(line, range(30)))
    real_chunks = Enrolment._chunks

    def first_only(*known: Any) -> Iterator[SealedChunk]:
        yield next(real_chunks(*known))
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(Enrolment, "_chunks", first_only)
        with pytest.raises(PowerCut):
            enrol(store, long)
    enrol(store, write_list(tmp_path / "m.csv", map(line, range(5))), "summer-1", name="summer")
    enrol(store, long)
    assert counts(store) == [30, 30, 35, 35, 35, 35]


def test_a_list_that_changes_while_it_is_read(store: Store, tmp_path: Path) -> None:
    path = write_list(tmp_path / "l.csv", map(line, range(3)))
    campaign = campaign_of(path)
    lists = scan_lists(campaign)
    write_list(path, map(line, range(4)))
    with pytest.raises(InputError, match="changed while it was read"):
        Enrolment(store, campaign, DIGEST, NOW_MS).run("spring-1", lists)
    assert one(store, select(CampaignRow.state)) == "paused"


def test_a_long_list_is_sealed_by_another_process(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolling, "OWN_PROCESS_FROM", 1)
    path = write_list(tmp_path / "l.csv", map(line, range(CHUNK + 500)))
    told: list[tuple[int, int]] = []
    campaign = campaign_of(path)
    Enrolment(store, campaign, DIGEST, NOW_MS).run(
        "spring-1", scan_lists(campaign), lambda written, wanted: told.append((written, wanted))
    )
    assert told == [(CHUNK, CHUNK + 500), (CHUNK + 500, CHUNK + 500)]
    assert counts(store) == [CHUNK + 500] * 6
    with store.reading() as connection:
        bix, sealed = connection.execute(select(PhoneRow.bix, PhoneRow.e164_ct).limit(1)).one()
    assert store.keys.decrypt(sealed, phone_binding(bix)).startswith("+86138")


def test_what_goes_wrong_in_the_other_process_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolling, "OWN_PROCESS_FROM", 1)
    path = write_list(tmp_path / "l.csv", map(line, range(3)))
    campaign = campaign_of(path)
    lists = scan_lists(campaign)
    write_list(path, map(line, range(4)))
    with pytest.raises(InputError, match="changed while it was read"):
        Enrolment(store, campaign, DIGEST, NOW_MS).run("spring-1", lists)


def test_every_column_that_is_written_is_a_column_of_the_table() -> None:
    from voicebot.campaign import bulk_rows

    for table, columns in (
        ("case_file", bulk_rows.CASES),
        ("contact", bulk_rows.CONTACTS),
        ("contact_point", bulk_rows.POINTS),
        ("attempt", bulk_rows.ATTEMPTS),
    ):
        known = Base.metadata.tables[table].columns
        assert set(columns) <= set(known.keys())
        needed = {
            name for name, column in known.items() if not column.nullable and column.server_default is None
        }
        assert needed <= set(columns), table


def test_lists_hold_no_row_in_memory(tmp_path: Path) -> None:
    lists = CampaignLists.judge([write_list(tmp_path / "l.csv", map(line, range(100)))])
    assert "C-7" not in repr(vars(lists)) and "张伟" not in repr(vars(lists))


def test_the_benchmark_in_short_holds_its_memory() -> None:
    """Time is the benchmark's own business: the machine of the tests is busy."""
    command = [sys.executable, str(ROOT / "benchmarks/lists.py"), "--rows", "20000", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout)
    assert (found["rows"], found["cases"]) == (20_000, 16_668)
    assert not [line for line in found["missed"] if "MB" in line]
    assert found["peak_rss_mb"] < 400
