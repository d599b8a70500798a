"""Set-wise SQL on the driver's own connection, the same text for both engines.

SQLAlchemy's expressions cost more than the statements themselves where thousands of attempts a second are
claimed and closed; there, SQL is written by hand and executed for a whole group at once.  In the text stand
`?` for a value, `?text[]`, `?bigint[]` or `?bytea[]` for a list after IN, and `{lock …}` for a clause that
only PostgreSQL has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection

Row = tuple[Any, ...]

_MARK = re.compile(r"IN \?(text|bigint|bytea)\[\]|\{lock ([^}]*)\}|\?")
_LISTS: dict[str, Callable[[Sequence[Any]], str]] = {
    "text": json.dumps,
    "bigint": json.dumps,
    "bytea": lambda values: json.dumps([value.hex() for value in values]),
}


class Query:
    """A SELECT, or any one statement with values."""

    def __init__(self, text: str) -> None:
        self._lists: list[str | None] = []
        self.sqlite = _MARK.sub(self._for_sqlite, text)
        self.postgresql = _MARK.sub(_for_postgresql, text.replace("%", "%%"))

    def _for_sqlite(self, mark: re.Match[str]) -> str:
        if mark[2] is not None:
            return ""
        self._lists.append(mark[1])
        if mark[1] is None:
            return "?"
        return f"IN (SELECT {'unhex(value)' if mark[1] == 'bytea' else 'value'} FROM json_each(?))"

    def for_sqlite(self, values: Sequence[Any]) -> list[Any]:
        """The values as SQLite takes them: a list is one JSON text."""
        return [
            value if kind is None else _LISTS[kind](value)
            for kind, value in zip(self._lists, values, strict=True)
        ]


def _for_postgresql(mark: re.Match[str]) -> str:
    if mark[2] is not None:
        return mark[2]
    return "%s" if mark[1] is None else f"= ANY(%b::{mark[1]}[])"


class Insert:
    """Rows into a table.  `columns` are "name type"; `conflict` is the ON CONFLICT clause, if any.

    The `conflict` of an upsert may name the table and `excluded`.
    """

    def __init__(self, table: str, columns: str, conflict: str = "") -> None:
        names, kinds = _columns(columns)
        into = f"INSERT INTO {table} ({', '.join(names)})"
        self.sqlite = f"{into} VALUES ({', '.join('?' * len(names))}) {conflict}"
        self.postgresql = f"{into} SELECT {_chosen(names, kinds)} FROM {_unnest(names, kinds)} {conflict}"


class Update:
    """Changes rows by their key.  `key` and `changes` are "name type"; of the values, changes come first.

    A change "-name type" takes its value away from what is there.  `also` is a condition on the row as it is,
    on table `t`; `sets` are further changes without values.
    """

    def __init__(self, table: str, changes: str, key: str, *, also: str = "", sets: str = "") -> None:
        names, kinds = _columns(changes)
        keys, key_kinds = _columns(key)
        less = [name.startswith("-") for name in names]
        names = [name.removeprefix("-") for name in names]
        new = [
            f"{name} = {f't.{name} - ' if minus else ''}v.{name}{_cast(kind)}"
            for name, kind, minus in zip(names, kinds, less, strict=True)
        ]
        old = [f"{name} = {f'{name} - ' if minus else ''}?" for name, minus in zip(names, less, strict=True)]
        condition = f" AND {also}" if also else ""
        more = [sets] if sets else []
        self.sqlite = (
            f"UPDATE {table} AS t SET {', '.join(old + more)} "
            f"WHERE {' AND '.join(f't.{name} = ?' for name in keys)}{condition}"
        )
        self.postgresql = (
            f"UPDATE {table} AS t SET {', '.join(new + more)} "
            f"FROM {_unnest([*names, *(f'k_{name}' for name in keys)], [*kinds, *key_kinds])} "
            f"WHERE {' AND '.join(f't.{name} = v.k_{name}' for name in keys)}{condition}"
        )


def _columns(text: str) -> tuple[list[str], list[str]]:
    pairs = [part.split(maxsplit=1) for part in text.split(",") if part.strip()]
    return [name for name, _kind in pairs], [kind for _name, kind in pairs]


def _cast(kind: str) -> str:
    return "::json" if kind == "json" else ""


def _chosen(names: Sequence[str], kinds: Sequence[str]) -> str:
    return ", ".join(f"v.{name}{_cast(kind)}" for name, kind in zip(names, kinds, strict=True))


def _unnest(names: Sequence[str], kinds: Sequence[str]) -> str:
    arrays = ", ".join(f"%b::{'text' if kind == 'json' else kind}[]" for kind in kinds)
    return f"unnest({arrays}) AS v({', '.join(names)})"


class Later:
    """What a query will have found: asked for, and sent to the server together with others."""

    __slots__ = ("_bulk", "found")

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk
        self.found: list[Row] | None = None

    def rows(self) -> list[Row]:
        """What it finds; everything that waits is sent at the first one that is looked at."""
        if self.found is None:
            self._bulk.send()
        assert self.found is not None, "what waits is sent, in its order"
        return self.found

    def one(self) -> Row | None:
        """The first row, or None."""
        return next(iter(self.rows()), None)


class Bulk:
    """Executes within a transaction that SQLAlchemy began.  JSON values are texts on the way in.

    Statements are executed in the order in which they are asked for, also where they go to the server
    together; each sees what was committed before it began.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._postgresql = connection.dialect.name == "postgresql"
        driver: Any = connection.connection.driver_connection
        self._driver, self._cursor = driver, driver.cursor()
        self._waiting: list[tuple[Insert | Update, Sequence[Row], Exception | None]] | None = None
        self._asked: list[tuple[Query, tuple[Any, ...], Later]] = []

    def rows(self, query: Query, *values: Any) -> list[Row]:
        """What the query finds."""
        return self.later(query, *values).rows()

    def one(self, query: Query, *values: Any) -> Row | None:
        """The first row, or None."""
        return self.later(query, *values).one()

    def later(self, query: Query, *values: Any) -> Later:
        """What the query finds, sent to a server together with whatever else is asked for until one of them
        is looked at: one way there and back."""
        assert self._waiting is None, "nothing is read among writes that go together"
        found = Later(self)
        if self._postgresql:
            self._asked.append((query, values, found))
        else:
            found.found = self._cursor.execute(query.sqlite, query.for_sqlite(values)).fetchall()
        return found

    def send(self) -> None:
        """Sends what was asked for and waits for the answers."""
        asked, self._asked = self._asked, []
        if len(asked) == 1:
            query, values, later = asked[0]
            later.found = self._cursor.execute(query.postgresql, values).fetchall()
        elif asked:
            with self._driver.pipeline():
                cursors = [
                    self._driver.cursor().execute(query.postgresql, values) for query, values, _later in asked
                ]
            for cursor, (_query, _values, later) in zip(cursors, asked, strict=True):
                later.found = cursor.fetchall()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside goes to the server at once, faults come at the end; nothing is read."""
        if not self._postgresql or self._waiting is not None:
            yield
            return
        self._waiting = []
        try:
            yield
            self.send()
            waiting, self._waiting = self._waiting, None
            with self._driver.pipeline():
                sent = [(self._send(one, rows), len(rows), fault) for one, rows, fault in waiting]
            for cursor, wanted, fault in sent:
                if fault is not None and cursor.rowcount != wanted:
                    raise fault
        finally:
            self._waiting = None

    def _send(self, statement: Insert | Update, rows: Sequence[Row]) -> Any:
        cursor = self._driver.cursor()
        cursor.execute(statement.postgresql, [list(column) for column in zip(*rows, strict=True)])
        return cursor

    def write(self, statement: Insert | Update, rows: Sequence[Row], fault: Exception | None = None) -> None:
        """Inserts or changes all rows; raises `fault` when it is given and not every row was written."""
        if not rows:
            return
        if self._waiting is not None:
            self._waiting.append((statement, rows, fault))
            return
        self.send()
        if self._postgresql:
            written = self._send(statement, rows).rowcount
        else:
            self._cursor.executemany(statement.sqlite, rows)
            written = self._cursor.rowcount
        if fault is not None and written != len(rows):
            raise fault


def json_text(value: Any) -> str:
    """Compact JSON, as the columns keep it."""
    return to_json(value).decode()


def json_value(kept: Any) -> Any:
    """A JSON column as the driver gives it: PostgreSQL's has parsed it already."""
    return from_json(kept) if isinstance(kept, str) else kept
