"""What all tables share: their base, column types, and the conditions of partial indexes."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    text,
)
from sqlalchemy.orm import DeclarativeBase

from voicebot.store.states import LIVE, AttemptState, phase_of

Big = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows only in columns of type INTEGER."""


def one_of(column: str, values: Any) -> str:
    """SQL that holds a column to a closed list."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in sorted(values))})"


def index_where(name: str, where: str, *columns: str, unique: bool = False) -> Index:
    """A partial index, on both engines."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


PLANNED_SQL = "phase = 0"
LIVE_SQL = "phase = 1"
OPEN_SQL = "phase < 2"
PHASE_SQL = f"phase = CASE WHEN state = 'planned' THEN 0 WHEN {one_of('state', LIVE)} THEN 1 ELSE 2 END"
CLOSED_SQL = one_of("state", {AttemptState.CLOSED, AttemptState.NOT_DIALLED, AttemptState.UNKNOWN})


def phase_of_values(context: Any) -> int:
    """The phase that a new row's state says."""
    return phase_of(AttemptState(context.get_current_parameters()["state"]))


class Base(DeclarativeBase):
    """All tables of the store."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON,
        list[Any]: JSON,
        bytes: LargeBinary,
    }
