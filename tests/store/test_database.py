"""The store opens on both engines, keeps its promises by constraint, and is up to date by migration."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from voicebot.errors import InputError, NotReady
from voicebot.store.database import Store
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
