"""The store: SQLite (embedded, one owner process a machine) or PostgreSQL (many machines), the same code.

SQLite runs through pysqlite3, whose own library is free of the WAL-reset bug of Debian's; every write
transaction begins IMMEDIATE, and `synchronous=FULL` keeps a committed claim through a power loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from voicebot.errors import InputError, NotReady
from voicebot.store.encryption import KeyRing

BUSY_TIMEOUT_S = 30
"""How long a SQLite writer waits for another one."""
IDLE_IN_TRANSACTION_MS = 10_000
"""PostgreSQL ends a transaction whose client froze, so that its locks do not stay."""
_ADDRESSES = "It is sqlite:///FILE or postgresql://USER@HOST/NAME."
_MEND = "Check its address, or restore it from the back-up."
MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """An open store.  `session()` and `begin()` are write transactions, `reading()` is a read one."""

    def __init__(self, engine: Engine, keys: KeyRing) -> None:
        self.engine, self.keys = engine, keys

    @classmethod
    def open(cls, url: str, keys: KeyRing) -> Store:
        """Opens the store and brings its schema up to date.  InputError for a bad URL, NotReady when down."""
        engine = _engine(url)
        try:
            with engine.begin() as connection:
                _upgrade(connection)
        except DBAPIError as fault:  # down, locked for too long, or a file that is no store
            engine.dispose()
            first = str(fault.orig).strip().splitlines()[0]
            shown = engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string()
            raise NotReady(
                f"the store cannot be opened: {first}", "Check its address.", where=shown
            ) from None
        return cls(engine, keys)

    @property
    def is_postgresql(self) -> bool:
        """PostgreSQL needs row locks where SQLite has one writer at a time."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction on a connection; commits at the end, rolls back when an error leaves it."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A write transaction as an ORM session."""
        with self.engine.begin() as connection, Session(connection, expire_on_commit=False) as session:
            yield session
            session.flush()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction: on SQLite it does not wait for a writer."""
        with self.engine.connect().execution_options(reading=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Gives all connections back."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InputError(
            "the store's address is no URL", "Like sqlite:///var/voicebot.db.", key="store"
        ) from None
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            _make_folder(Path(parsed.database).parent)
        engine = create_engine(
            parsed.set(drivername="sqlite"),
            module=pysqlite3.dbapi2,
            connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None, "check_same_thread": False},
            hide_parameters=True,  # they are personal, and a fault's text may be logged
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.get_backend_name() == "postgresql":
        options = f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args={"options": options},
            pool_pre_ping=True,
            hide_parameters=True,
        )
    raise InputError(f"the store cannot be {parsed.get_backend_name()}", _ADDRESSES, key="store")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise NotReady(f"the store's folder cannot be made: {fault.strerror}", "", folder) from None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7700)")  # two machines that start at once
    command.upgrade(config, "heads")
    assert inspect(connection).has_table("attempt")
