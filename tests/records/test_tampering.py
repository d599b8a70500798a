"""Somebody with the database's password and the disk changes what happened: verification names it, on both
engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from scripts_review.verification import review_faults
from tests.campaign.site import LedgerSite, build
from tests.records.conftest import calls, seal, three_calls
from tests.scripts_review.office import by_hand
from tests.store.stores import SHANGHAI
from voicebot.clock import ManualClock
from voicebot.store.audit import FIRST, link_hash
from voicebot.store.audit_check import Range, check, links_between
from voicebot.store.checkpoints import read_checkpoints
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import AuditRow, OutboxRow, RecordingRow, RecordRow


def found(site: LedgerSite) -> str:
    """The first bad record, as a person reads it."""
    first = check(site.store).first
    assert first is not None, "nothing was found"
    return str(first)


def flip(data: bytes, at: int = -1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


@dataclass
class Premises:
    """A store with three recorded calls, put back as it was after each test: building one takes a second."""

    site: LedgerSite
    called: list[str]
    folder: Path
    files: dict[Path, bytes] = field(default_factory=dict)
    start: datetime | None = None

    def keep(self) -> None:
        self.files = {file: file.read_bytes() for file in self.folder.rglob("*.sealed")}
        self.start = self.site.clock.start
        with self.site.store.begin() as connection:
            for table in TABLES:
                connection.execute(text(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}"))

    def restore(self) -> None:
        for file, data in self.files.items():
            file.write_bytes(data)
        assert self.start is not None
        self.site.clock.start = self.start
        by_hand(self.site.store, *(f"DELETE FROM {table}" for table in TABLES))
        by_hand(self.site.store, *(f"INSERT INTO {table} SELECT * FROM kept_{table}" for table in TABLES))


TABLES = (
    *("audit", "audit_checkpoint", "outbox", "decision", "decision_basis", "call_record", "recording"),
    "review",
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def premises(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    folder = tmp_path_factory.mktemp("premises")
    url = f"sqlite:///{folder / 'store.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").url()
    store = Store.open(url, KeyRing.create(folder / "keys.json"))
    site = build(store, ManualClock(datetime(2026, 3, 2, 10, 15, tzinfo=SHANGHAI)), folder, lambda: True)
    made = Premises(site, three_calls(site, folder), folder)
    made.keep()
    yield made
    store.close()


@pytest.fixture
def site(premises: Premises) -> Iterator[LedgerSite]:
    yield premises.site
    premises.restore()


@pytest.fixture
def called(premises: Premises) -> list[str]:
    return premises.called


@pytest.fixture
def tmp_path(premises: Premises) -> Path:
    return premises.folder


def test_the_tables_themselves_take_no_deletion(premises: Premises) -> None:
    """The first one here: whoever changes something takes the triggers off."""
    for table in ("audit", "outbox", "decision", "decision_basis", "audit_checkpoint"):
        with pytest.raises(DBAPIError, match="append-only"), premises.site.store.begin() as connection:
            connection.execute(text(f"DELETE FROM {table}"))
    assert check(premises.site.store).faults == []


def test_an_untouched_store_holds(site: LedgerSite, called: list[str]) -> None:
    verdict = check(site.store)
    assert verdict.faults == []
    assert (verdict.decisions, verdict.records, verdict.recordings) == (6, 3, 3)
    assert verdict.checkpoints == 1 and verdict.unsigned == 0


@pytest.mark.parametrize("place", [10, 100, 300, -1], ids=["key", "header", "sound", "end"])
def test_a_byte_of_a_recording(site: LedgerSite, called: list[str], tmp_path: Path, place: int) -> None:
    (file,) = tmp_path.rglob(f"{called[1]}*.sealed")
    file.write_bytes(flip(file.read_bytes(), place))
    assert found(site).startswith(f"recording of attempt {called[1]}: changed")


def test_a_recording_that_is_gone(site: LedgerSite, called: list[str], tmp_path: Path) -> None:
    (file,) = tmp_path.rglob(f"{called[1]}*.sealed")
    file.unlink()
    assert found(site).startswith(f"recording of attempt {called[1]}: the file")


def test_another_recording_in_its_place(site: LedgerSite, called: list[str], tmp_path: Path) -> None:
    """A whole, well sealed recording: of another call."""
    one, two = (next(tmp_path.rglob(f"{called[number]}*.sealed")) for number in (0, 1))
    two.write_bytes(one.read_bytes())
    assert found(site).startswith(f"recording of attempt {called[1]}: changed")


def test_a_byte_of_a_transcript(site: LedgerSite, called: list[str]) -> None:
    with site.store.begin() as connection:
        where = RecordRow.attempt_id == called[1]
        sealed = connection.execute(select(RecordRow.record_ct).where(where)).scalar_one()
        connection.execute(RecordRow.__table__.update().where(where).values(record_ct=flip(sealed)))
    assert found(site) == f"transcript of attempt {called[1]}: changed"


def test_a_transcript_that_was_written_anew_with_the_sites_own_key(
    site: LedgerSite, called: list[str]
) -> None:
    keys, bound = site.store.keys, f"call_record.record:{called[1]}"
    with site.store.begin() as connection:
        where = RecordRow.attempt_id == called[1]
        sealed = connection.execute(select(RecordRow.record_ct).where(where)).scalar_one()
        other = keys.encrypt(keys.decrypt(sealed, bound).replace("周五还", "不还"), bound)
        connection.execute(RecordRow.__table__.update().where(where).values(record_ct=other))
    assert found(site) == f"transcript of attempt {called[1]}: changed"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE decision SET at_ms = at_ms + 1 WHERE {it} AND moment = 'permit'", "permit {id}: changed"),
        ("UPDATE decision SET allowed = false WHERE {it} AND moment = 'claim'", "claim {id}: changed"),
        ("UPDATE decision SET facts = '{{}}' WHERE {it} AND moment = 'claim'", "claim {id}: changed"),
        ("DELETE FROM decision WHERE {it} AND moment = 'permit'", "permit {id}: missing"),
        ("UPDATE decision_basis SET pack = 'another'", "claim {first}: the facts that it shares"),
    ],
)
def test_a_decision(site: LedgerSite, called: list[str], statement: str, said: str) -> None:
    by_hand(site.store, statement.format(it=f"attempt_id = '{called[1]}'"))
    names = {"id": f"of attempt {called[1]}", "first": f"of attempt {called[0]}"}
    assert f"decision at the {said.format(**names)}" in found(site)


def test_a_decision_that_was_put_in(site: LedgerSite, called: list[str]) -> None:
    by_hand(
        site.store,
        "INSERT INTO decision SELECT 'forged', moment, allowed, refusals, basis, facts, at_ms FROM decision "
        f"WHERE attempt_id = '{called[1]}' AND moment = 'permit'",
    )
    assert found(site) == "decision at the permit of attempt forged: put in, never chained"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE review SET document = replace(document, 'reviewer-wang', 'reviewer-he') WHERE seq = 2",
        "UPDATE review SET signature = 'AAAA' WHERE seq = 2",
        "DELETE FROM review WHERE seq = 2",
    ],
)
def test_an_approval(site: LedgerSite, called: list[str], statement: str) -> None:
    by_hand(site.store, statement)
    assert any(
        fault.startswith("review 2") or "row 2 is missing" in fault for fault in review_faults(site.store)
    )


def link_of_kind(store: Store, kind: str) -> int:
    with store.reading() as connection:
        query = select(AuditRow.seq).where(AuditRow.kind == kind).order_by(AuditRow.seq).limit(1)
        return int(connection.execute(query).scalar_one())


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["UPDATE audit SET data = '{{}}' WHERE seq = {n}"], "link {n} (stop_list_added a person): changed"),
        (["UPDATE audit SET subject = 'b' WHERE seq = {n}"], "link {n} (stop_list_added b): changed"),
        (["UPDATE audit SET at = '2020' WHERE seq = {n}"], "link {n} (stop_list_added a person): changed"),
        (["DELETE FROM audit WHERE seq = {n}"], "link {n}: missing"),
        (["DELETE FROM audit WHERE seq >= {n}"], "link {n}: missing"),
        (
            [
                "UPDATE audit SET seq = -1 WHERE seq = {n}",
                "UPDATE audit SET seq = {n} WHERE seq = {n} - 1",
                "UPDATE audit SET seq = {n} - 1 WHERE seq = -1",
            ],
            "link {m} (stop_list_added a person): does not follow",
        ),
    ],
    ids=["data", "subject", "time", "deleted", "cut", "order"],
)
def test_a_link(site: LedgerSite, called: list[str], statements: list[str], said: str) -> None:
    n = link_of_kind(site.store, "stop_list_added")
    by_hand(site.store, *(one.format(n=n) for one in statements))
    assert found(site).startswith(said.format(n=n, m=n - 1))


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["UPDATE outbox SET at_ms = at_ms + 1 WHERE id = {n}"], "outbox row {n} of link"),
        (["DELETE FROM outbox WHERE id = {n}"], "outbox row {n} of link"),
        (
            [
                "UPDATE outbox SET id = -1 WHERE id = {n}",
                "UPDATE outbox SET id = {n} WHERE id = {n} + 1",
                "UPDATE outbox SET id = {n} + 1 WHERE id = -1",
            ],
            "outbox row {n} of link",
        ),
    ],
    ids=["changed", "deleted", "order"],
)
def test_what_attempts_did(site: LedgerSite, called: list[str], statements: list[str], said: str) -> None:
    with site.store.reading() as connection:
        n = connection.execute(select(OutboxRow.id).order_by(OutboxRow.id).offset(1).limit(1)).scalar_one()
    by_hand(site.store, *(one.format(n=n) for one in statements))
    assert found(site).startswith(said.format(n=n))


def rewrite(store: Store, change: Callable[[int, dict[str, object]], dict[str, object]]) -> None:
    """A whole new chain, well linked, by somebody who knows how."""
    by_hand(store)
    with store.begin() as connection:
        previous = FIRST
        for one in connection.execute(select(AuditRow.__table__).order_by(AuditRow.seq)).all():
            data = change(one.seq, one.data)
            digest = link_hash(one.seq, one.at, one.kind, one.subject, data, previous)
            connection.execute(
                AuditRow.__table__.update()
                .where(AuditRow.seq == one.seq)
                .values(data=data, previous=previous, hash=digest)
            )
            previous = digest


def test_a_chain_that_was_forged_anew_is_not_the_one_that_was_signed(
    site: LedgerSite, called: list[str]
) -> None:
    n = link_of_kind(site.store, "stop_list_added")
    rewrite(site.store, lambda seq, data: {**data, "reason": "WRONG_NUMBER"} if seq == n else data)
    assert "not the one that the site signed" in found(site)


def test_without_its_checkpoints_the_copy_outside_tells(
    site: LedgerSite, called: list[str], tmp_path: Path
) -> None:
    outside = read_checkpoints(tmp_path / "checkpoints.jsonl")
    rewrite(site.store, lambda seq, data: {**data, "more": 1})
    by_hand(site.store, "DELETE FROM audit_checkpoint")
    verdict = check(site.store, outside=outside)
    assert any("it is missing in the store" in str(fault) for fault in verdict.faults)
    assert any("not the one that the site signed" in str(fault) for fault in verdict.faults)


def test_a_forged_checkpoint(site: LedgerSite, called: list[str]) -> None:
    by_hand(
        site.store, "UPDATE audit_checkpoint SET document = replace(document, '2026-03-02', '2026-03-01')"
    )
    assert "its signature does not hold" in found(site)


def test_a_part_of_the_chain_by_time(site: LedgerSite, called: list[str], tmp_path: Path) -> None:
    """What was changed before is not this part's fault; what was changed in it is."""
    first_end = check(site.store).links
    site.clock.advance(24 * 3600)
    begin = site.clock.now().isoformat()
    calls(site, tmp_path / "runs" / "spring" / "two" / "recordings", 1)
    seal(site, tmp_path)
    part = links_between(site.store, begin, None)
    assert part.first == first_end + 1
    by_hand(site.store, f"UPDATE audit SET subject = 'b' WHERE seq = {part.first - 2}")
    assert check(site.store, part).faults == []
    assert check(site.store, Range(1, part.first - 1)).first is not None
    by_hand(site.store, f"UPDATE audit SET subject = 'b' WHERE seq = {part.first}")
    assert check(site.store, part).first is not None


def test_a_row_of_recordings(site: LedgerSite, called: list[str]) -> None:
    with site.store.begin() as connection:
        where = RecordingRow.attempt_id == called[1]
        connection.execute(RecordingRow.__table__.update().where(where).values(state="deleted"))
    assert found(site) == f"recording of attempt {called[1]}: deleted, and no link says so"
