"""Sealed rows into the tables, thousands at a time: prepared statements on SQLite, COPY on PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

CASES = ("id", "campaign_id", "case_id", "debtor_id", "agency", "record_ct", "flags", "tail_mac", "notes_ct")
CONTACTS = ("id", "campaign_id", "case_pk", "party", "name_ct", "state")
POINTS = ("contact_id", "ord", "bix", "source", "evidence")
ATTEMPTS = (
    "id",
    "campaign_id",
    "case_pk",
    "contact_id",
    "debtor_id",
    "number",
    "state",
    "due_ms",
    "rank",
    "planned_ms",
)
ROOM = (
    ("cache_size", -131072),  # KiB: the indexes of numbers and debtors are hit all over
    ("wal_autocheckpoint", 20000),  # pages: each is written back once, not once a chunk
)
USUAL_AUTOCHECKPOINT = 1000


class SqliteRows:
    """Within the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._usual_cache = 0

    def begin(self) -> None:
        """More room for this connection while it writes."""
        self._usual_cache = self._connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
        for name, value in ROOM:
            self._connection.exec_driver_sql(f"PRAGMA {name}={value}")

    def end(self) -> None:
        """As it was."""
        self._connection.exec_driver_sql(f"PRAGMA cache_size={self._usual_cache}")
        self._connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint={USUAL_AUTOCHECKPOINT}")

    def debtors(self, indexes: Collection[bytes], institution: str) -> dict[bytes, int]:
        """Their ids; new ones are added."""
        ordered = sorted(indexes)
        self._connection.exec_driver_sql(
            "INSERT INTO debtor (bix, institution) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(bix, institution) for bix in ordered],
        )
        marks = ", ".join("?" * len(ordered))
        query = f"SELECT bix, id FROM debtor WHERE bix IN ({marks})"
        return {bytes(bix): pk for bix, pk in self._connection.exec_driver_sql(query, tuple(ordered))}

    def phones(self, numbers: Iterable[tuple[bytes, bytes]]) -> None:
        """New ones are added; known ones stay as they are."""
        statement = "INSERT INTO phone (bix, e164_ct) VALUES (?, ?) ON CONFLICT DO NOTHING"
        self._connection.exec_driver_sql(statement, sorted(numbers))

    def insert(self, table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
        """New rows of a table."""
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        self._connection.exec_driver_sql(statement, rows)


class PostgresqlRows:
    """The same on PostgreSQL."""

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.connection.cursor()

    def begin(self) -> None:
        """Nothing to prepare."""

    def end(self) -> None:
        """The planner learns what is new before the first claim."""
        self._cursor.execute("ANALYZE debtor, phone, case_file, contact, contact_point, attempt")

    def debtors(self, indexes: Collection[bytes], institution: str) -> dict[bytes, int]:
        ordered = sorted(indexes)  # one order for all: two enrolments cannot wait for each other
        self._cursor.execute(
            "INSERT INTO debtor (bix, institution) SELECT unnest(%s::bytea[]), %s ON CONFLICT DO NOTHING",
            (ordered, institution),
        )
        self._cursor.execute("SELECT bix, id FROM debtor WHERE bix = ANY(%s::bytea[])", (ordered,))
        return {bytes(bix): pk for bix, pk in self._cursor.fetchall()}

    def phones(self, numbers: Iterable[tuple[bytes, bytes]]) -> None:
        ordered = sorted(numbers)
        self._cursor.execute(
            "INSERT INTO phone (bix, e164_ct) SELECT * FROM unnest(%s::bytea[], %s::bytea[]) "
            "ON CONFLICT DO NOTHING",
            ([bix for bix, _ in ordered], [sealed for _, sealed in ordered]),
        )

    def insert(self, table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
        with self._cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def bulk_rows(connection: Connection) -> SqliteRows | PostgresqlRows:
    """The writer of a connection's engine."""
    return PostgresqlRows(connection) if connection.dialect.name == "postgresql" else SqliteRows(connection)
