"""The store opens on both engines, keeps its promises by constraint, and is up to date by migration."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from tests.store.postgresql_server import PostgresqlServer
from voicebot.errors import InputError, NotReady
from voicebot.store import database
from voicebot.store.bulk import Bulk
from voicebot.store.database import BARRIER_LOCK, Store, StoreDown
from voicebot.store.encryption import KeyRing
from voicebot.store.models import Base, DayUseRow, PhoneRow


def test_the_migrations_make_what_the_models_say(store: Store) -> None:
    with store.begin() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_opening_again_keeps_what_is_there(store: Store, store_url: str, keys: KeyRing) -> None:
    with store.begin() as connection:
        connection.execute(insert(PhoneRow).values(bix=b"x", e164_ct=b"y"))
    again = Store.open(store_url, keys)
    with again.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM phone")).scalar() == 1
    again.close()


def test_the_database_itself_refuses_one_slot_too_many(store: Store) -> None:
    with pytest.raises(IntegrityError), store.begin() as connection:
        row = {"counter": "connected_debtor_day", "subject": b"d", "day": 1, "cap": 3, "used": 4}
        connection.execute(insert(DayUseRow).values(row))


def test_sqlite_is_the_library_without_the_wal_bug_and_keeps_commits(tmp_path: Path, keys: KeyRing) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 's.db'}", keys)
    with store.begin() as connection:
        version = connection.execute(text("SELECT sqlite_version()")).scalar_one()
        assert tuple(int(part) for part in version.split(".")) > (3, 51, 2)
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    store.close()


def test_a_session_writes_and_rolls_back_as_a_whole(store: Store) -> None:
    with pytest.raises(RuntimeError), store.session() as session:
        session.add(PhoneRow(bix=b"a", e164_ct=b"b"))
        raise RuntimeError
    with store.session() as session:
        assert session.query(PhoneRow).count() == 0
        session.add(PhoneRow(bix=b"a", e164_ct=b"b"))
    with store.session() as session:
        assert session.query(PhoneRow).count() == 1


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "no url"])
def test_another_engine_is_refused(url: str, keys: KeyRing) -> None:
    with pytest.raises(InputError, match="store"):
        Store.open(url, keys)


def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path, keys: KeyRing) -> None:
    path = tmp_path / "list.csv"
    path.write_text("case_id,phone\n" * 100)
    with pytest.raises(NotReady, match="not a database"):
        Store.open(f"sqlite:///{path}", keys)
    with pytest.raises(NotReady, match="folder"):
        Store.open(f"sqlite:///{path}/store.db", keys)
    assert path.read_text().startswith("case_id")


def test_a_server_that_is_down_is_said_in_one_line(tmp_path: Path, keys: KeyRing) -> None:
    with pytest.raises(NotReady) as fault:
        Store.open(f"postgresql://nobody@/none?host={tmp_path}", keys)
    assert "\n" not in str(fault.value)


def test_what_forbids_calls_waits_for_claims_under_way(store: Store) -> None:
    seen: list[str] = []

    def forbid() -> None:
        with store.begin() as connection:
            store.barrier(connection)
            seen.append("forbidden")

    with store.begin() as claim:
        bulk = Bulk(claim)
        store.hold_barrier(bulk)
        bulk.send()
        pause = threading.Thread(target=forbid)
        pause.start()
        pause.join(0.3)
        seen.append("claimed")
    pause.join(10)
    assert seen == ["claimed", "forbidden"]


def test_a_client_that_froze_within_a_package_holds_up_nobody(
    postgresql: PostgresqlServer, keys: KeyRing
) -> None:
    url = postgresql.url()
    store = Store.open(url, keys)
    with psycopg.connect(url) as frozen, contextlib.suppress(psycopg.OperationalError), frozen.pipeline():
        frozen.execute(f"SELECT pg_advisory_xact_lock({BARRIER_LOCK})")
        while not store.end_stuck(0.0):  # no Sync was sent: to the server it is neither idle nor done
            time.sleep(0.01)
        with store.begin() as connection:
            store.barrier(connection)
        assert store.end_stuck(0.0) == 0
    store.close()


def test_a_lock_that_is_held_for_too_long_means_that_the_store_is_busy(
    postgresql: PostgresqlServer, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT_MS", 100)
    store = Store.open(postgresql.url(), keys)
    with store.begin() as holder:
        store.barrier(holder)
        with pytest.raises(StoreDown), store.begin() as other:
            store.barrier(other)
    store.close()
