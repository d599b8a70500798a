"""The store: SQLite (embedded, one owner process a machine) or PostgreSQL (many machines), the same code.

SQLite runs through pysqlite3, whose own library is free of the WAL-reset bug of Debian's; every write
transaction begins IMMEDIATE, and `synchronous=FULL` keeps a committed claim through a power loss.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3.dbapi2
import structlog
from alembic import command
from alembic.config import Config
from pydantic_core import from_json
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.orm import Session

from voicebot.errors import InputError, NotReady
from voicebot.store.bulk import Bulk, Query
from voicebot.store.encryption import KeyRing

BUSY_TIMEOUT_S = 30
"""How long a SQLite writer waits for another one."""
IDLE_IN_TRANSACTION_MS = 10_000
"""PostgreSQL ends a transaction whose client froze, so that its locks do not stay."""
LOCK_TIMEOUT_MS = 5_000
"""Who waits longer for a lock on PostgreSQL is told that the store is busy: whoever holds it is stuck."""
STUCK_S = 10.0
"""A client that froze between the statements of one package is idle for no timeout of PostgreSQL's (before
17): after this, any other machine ends its transaction."""
CHECKPOINT_PAGES = 4000
"""SQLite copies its log into the file after so much (16 MB): pages that were written often, once."""
LINK_OPTIONS = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4000,
}
"""A cut cable ends a statement after some 4 s and not after the kernel's 15 minutes."""
PAUSE_S = 1.0
"""A connection that was used less long ago is taken to be alive."""
BARRIER_LOCK = 7701
"""PostgreSQL advisory lock: claims and permissions hold it shared, what forbids them takes it exclusive."""
_DRIVER_DOWN = (
    pysqlite3.dbapi2.OperationalError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.InternalError,
)
_HOLD_BARRIER = Query(f"SELECT pg_advisory_xact_lock_shared({BARRIER_LOCK})")
_END_STUCK = Query(
    """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
          AND state = 'active' AND wait_event = 'ClientRead' AND xact_start IS NOT NULL
          AND query NOT ILIKE 'copy%' AND query_start < clock_timestamp() - make_interval(secs => ?)"""
)
_WRONG_STATEMENT = 1
"""SQLite's plain SQLITE_ERROR: a statement that is wrong stays wrong, however often it is asked."""
_ADDRESSES = "It is sqlite:///FILE or postgresql://USER@HOST/NAME."
_MEND = "Check its address, or restore it from the back-up."
MIGRATIONS = Path(__file__).parent / "migrations"


log = structlog.get_logger()


class StoreDown(NotReady):
    """The store does not answer, or does not write now.  What was asked of it did not happen: ask again."""


class CommitUnknown(StoreDown):
    """The store went away while it committed: whether it happened must be looked up."""


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

    @staticmethod
    def is_made(url: str) -> bool:
        """False when `url` is a SQLite file that is not there: opening it would make it."""
        parsed = make_url(url)
        return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()

    @property
    def is_postgresql(self) -> bool:
        """PostgreSQL needs row locks where SQLite has one writer at a time."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction on a connection; commits at the end, rolls back when an error leaves it.

        StoreDown when the store is away or busy for too long, CommitUnknown when it went while committing.
        """
        with _down_is_said(), self.engine.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            try:
                transaction.commit()
            except (OperationalError, InterfaceError, InternalError, *_DRIVER_DOWN) as fault:
                connection.invalidate()
                if _is_wrong(fault):
                    raise
                raise CommitUnknown(_short(fault), "Look up whether it was kept.") from None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A write transaction as an ORM session."""
        with self.begin() as connection, Session(connection, expire_on_commit=False) as session:
            yield session
            session.flush()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction: on SQLite it does not wait for a writer."""
        with (
            _down_is_said(),
            self.engine.connect().execution_options(reading=True) as connection,
            connection.begin(),
        ):
            yield connection

    def hold_barrier(self, bulk: Bulk) -> None:
        """First statement of a claim or permission: what forbids it waits, or has been seen by it."""
        if self.is_postgresql:
            bulk.later(_HOLD_BARRIER)

    def barrier(self, connection: Connection) -> None:
        """Last statement of a transaction that forbids calls: a pause, a stop-list entry, a revocation.

        Once it is committed, no claim or permission follows that did not know of it.  SQLite needs nothing:
        it has one writer at a time.
        """
        if self.is_postgresql:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({BARRIER_LOCK})")

    def end_stuck(self, after_s: float = STUCK_S) -> int:
        """Ends transactions whose clients froze in the middle of a package; returns how many there were."""
        if not self.is_postgresql:
            return 0
        with self.reading() as connection:
            ended = int(Bulk(connection).rows(_END_STUCK, after_s)[0][0])
        if ended:
            log.warning("stuck_transactions_ended", transactions=ended)
        return ended

    def close(self) -> None:
        """Gives all connections back."""
        self.engine.dispose()


@contextmanager
def _down_is_said() -> Iterator[None]:
    """A fault of the store itself leaves as StoreDown; one of what was asked of it as it is."""
    try:
        yield
    except (OperationalError, InterfaceError, InternalError, *_DRIVER_DOWN) as fault:
        if _is_wrong(fault):
            raise
        log.warning("store_down", fault=type(fault).__name__, detail=_short(fault))
        raise StoreDown(_short(fault), "Try again when it is back.") from None


def _roll_back(connection: Connection) -> None:
    """A connection that cannot even roll back is thrown away; what it held is gone with it."""
    try:
        connection.rollback()
    except (DBAPIError, *_DRIVER_DOWN):
        connection.invalidate()


def _is_wrong(fault: BaseException) -> bool:
    """SQLite gives one class of errors to a store that is away and to a statement that is wrong."""
    return getattr(_origin(fault), "sqlite_errorcode", None) == _WRONG_STATEMENT


def _origin(fault: BaseException) -> BaseException | None:
    return fault.orig if isinstance(fault, DBAPIError) else fault


def _short(fault: BaseException) -> str:
    """The server's own first line: it holds no values."""
    origin = _origin(fault)
    lines = str(origin).strip().splitlines()
    return f"the store does not answer: {lines[0] if lines else type(origin).__name__}"


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
            json_deserializer=from_json,
            connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None, "check_same_thread": False},
            hide_parameters=True,  # they are personal, and a fault's text may be logged
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.get_backend_name() == "postgresql":
        options = f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
        options += f" -c lock_timeout={LOCK_TIMEOUT_MS}"
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args={"options": options, **LINK_OPTIONS},
            json_deserializer=from_json,
            hide_parameters=True,
        )
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _check_after_a_pause)
        return engine
    raise InputError(f"the store cannot be {parsed.get_backend_name()}", _ADDRESSES, key="store")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise NotReady(f"the store's folder cannot be made: {fault.strerror}", "", folder) from None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-65536",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_s"] = time.monotonic()


def _check_after_a_pause(connection: Any, record: Any, _fairy: Any) -> None:
    """A connection that was not used for a moment may be dead: asked first, and replaced when it is."""
    if time.monotonic() - record.info.get("used_s", time.monotonic()) < PAUSE_S:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error:
        raise DisconnectionError from None


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7700)")  # two machines that start at once
    command.upgrade(config, "heads")
    assert inspect(connection).has_table("attempt")
