"""Caller numbers (作业工具): registered by one person, approved by another, valid for a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, delete, insert, select, update

from voicebot.errors import InputError
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.models import ToolRow
from voicebot.store.people import People
from voicebot.store.signatures import is_signed_by, sign

MAY_REGISTER = ("operations", "compliance")
MAY_APPROVE = ("compliance",)
_TOOLS = Query(
    """SELECT number, institution, agency, genuine_cli, valid_from, valid_to, registered_by, approved_by
         FROM tool WHERE number IN ?text[]"""
)
OTHER_PERSON = "a tool is approved by another person than registered it"


@dataclass(frozen=True)
class Tool:
    """A registered caller number.  `agency` None: the institution's own."""

    number: str
    institution: str
    agency: str | None
    genuine_cli: bool
    valid_from: date
    valid_to: date
    registered_by: str
    approved_by: str | None

    def usable(self, day: date) -> bool:
        """Whether somebody may be called from it on `day`."""
        return self.approved_by is not None and self.genuine_cli and self.valid_from <= day <= self.valid_to

    def filing(self) -> dict[str, Any]:
        """What registrar and approver sign: everything but who they are."""
        return {
            "kind": "tool",
            "number": self.number,
            "institution": self.institution,
            "agency": self.agency,
            "genuine_cli": self.genuine_cli,
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to.isoformat(),
        }


class Tools:
    """The register of caller numbers.  A change is a new filing: it is approved anew."""

    def __init__(self, store: Store) -> None:
        self._store, self._people = store, People(store)

    def register(self, tool: Tool) -> None:
        """Adds or replaces a tool as a file describes it; one that was changed by command stays as it is.

        InputError when its registrar approved it or its dates are reversed.
        """
        with self._store.begin() as connection:
            query = select(ToolRow.by_command).where(ToolRow.number == tool.number)
            if not connection.execute(query).scalar():
                self._put(connection, tool, [])

    def file_in(self, connection: Connection, tool: Tool, key: Ed25519PrivateKey) -> None:
        """Files a tool under its registrar's signature; it waits for approval."""
        self._people.signatory(tool.registered_by, key, MAY_REGISTER)
        self._put(connection, tool, [[tool.registered_by, sign(key, tool.filing())]])

    def _put(self, connection: Connection, tool: Tool, signatures: list[list[str]]) -> None:
        if tool.approved_by is not None and tool.approved_by == tool.registered_by:
            raise InputError(OTHER_PERSON, key=tool.number)
        if tool.valid_to < tool.valid_from:
            raise InputError("the tool's validity ends before it begins", key=tool.number)
        values = {
            **tool.__dict__,
            "valid_from": tool.valid_from.toordinal(),
            "valid_to": tool.valid_to.toordinal(),
            "signatures": signatures,
            "by_command": bool(signatures),
        }
        connection.execute(delete(ToolRow).where(ToolRow.number == tool.number))
        connection.execute(insert(ToolRow).values(values))

    def approve(self, number: str, approved_by: str) -> None:
        """Approves a registered tool.  InputError when it is unknown or registered by the same person."""
        with self._store.begin() as connection:
            self._approve(connection, self._row(connection, number), approved_by, [])

    def approve_in(
        self, connection: Connection, number: str, approved_by: str, key: Ed25519PrivateKey
    ) -> Tool:
        """Approves it under a second signature over the same filing.

        InputError also when the filing was changed after its registrar signed it, or one key signed both.
        """
        person = self._people.signatory(approved_by, key, MAY_APPROVE)
        if person.agency is not None:
            raise InputError(
                f"{approved_by} works for an outside agency", "The institution approves.", key="--by"
            )
        row = self._row(connection, number)
        filing = _tool(row).filing()
        signers = self._people.signers_in(connection)
        for signed_by, signature in row.signatures:
            signer = signers.get(signed_by)
            held = (
                [one for one in signer.public_keys if is_signed_by(one, filing, signature)] if signer else []
            )
            if not held:
                raise InputError(
                    "the filing is not as its registrar signed it", "Register it again.", key=number
                )
            if person.public_key in held:
                raise InputError(OTHER_PERSON, key=number)
        self._approve(connection, row, approved_by, [*row.signatures, [approved_by, sign(key, filing)]])
        return _tool(self._row(connection, number))

    def _approve(
        self, connection: Connection, row: Row[Any], approved_by: str, signatures: list[list[str]]
    ) -> None:
        if row.registered_by == approved_by:
            raise InputError(OTHER_PERSON, key=row.number)
        values = {"approved_by": approved_by, "signatures": signatures, "by_command": bool(signatures)}
        connection.execute(update(ToolRow).where(ToolRow.number == row.number).values(values))

    def expire_in(self, connection: Connection, number: str, last_day: date) -> Tool:
        """Ends a tool's validity with `last_day`.  InputError when that is later than its filing says."""
        tool = _tool(self._row(connection, number))
        if last_day > tool.valid_to:
            raise InputError(
                f"the number is valid until {tool.valid_to} only", "Register it anew.", key=number
            )
        statement = update(ToolRow).where(ToolRow.number == number)
        connection.execute(statement.values(valid_to=last_day.toordinal(), by_command=True))
        return _tool(self._row(connection, number))

    def _row(self, connection: Connection, number: str) -> Row[Any]:
        row = connection.execute(select(ToolRow.__table__).where(ToolRow.number == number)).first()
        if row is None:
            raise InputError("this caller number is not registered", "Register it first.", key=number)
        return row

    def facts_in(
        self, connection: Connection, number: str | None, institution: str, agency: str | None, day: date
    ) -> dict[str, bool] | None:
        """The gate's facts about a caller number; None when it is not registered."""
        if number is None:
            return None
        return self.facts(Bulk(connection), [number], institution, agency, day)().get(number)

    def facts(
        self, bulk: Bulk, numbers: Iterable[str], institution: str, agency: str | None, day: date
    ) -> Callable[[], dict[str, dict[str, bool]]]:
        """The same for several numbers, without those that are not registered; asked for here and answered
        when what is returned is called."""
        asked = bulk.later(_TOOLS, sorted(set(numbers)))
        return lambda: {row[0]: _facts(_of_cells(*row), institution, agency, day) for row in asked.rows()}

    def all(self) -> list[Tool]:
        """Every tool, by number."""
        with self._store.reading() as connection:
            rows = connection.execute(select(ToolRow.__table__).order_by(ToolRow.number)).all()
        return [_tool(row) for row in rows]

    def by_command(self) -> frozenset[str]:
        """The numbers that were filed, approved or ended by command: files do not change them any more."""
        query = select(ToolRow.number).where(ToolRow.by_command)
        with self._store.reading() as connection:
            return frozenset(connection.execute(query).scalars())

    def signed(self) -> Mapping[str, tuple[str, ...]]:
        """Who signed each filing, by number; nobody when a file brought it in."""
        with self._store.reading() as connection:
            rows = connection.execute(select(ToolRow.number, ToolRow.signatures)).all()
        return {row.number: tuple(person for person, _ in row.signatures) for row in rows}


def _facts(tool: Tool, institution: str, agency: str | None, day: date) -> dict[str, bool]:
    return {
        "approved": tool.approved_by is not None,
        "in_validity": tool.valid_from <= day <= tool.valid_to,
        "agency_matches": tool.agency == agency and tool.institution == institution,
        "genuine_cli": tool.genuine_cli,
    }


def _tool(row: Row[Any]) -> Tool:
    return _of_cells(*(getattr(row, name) for name in Tool.__annotations__))


def _of_cells(
    number: str,
    institution: str,
    agency: str | None,
    genuine_cli: bool | int,
    valid_from: int,
    valid_to: int,
    registered_by: str,
    approved_by: str | None,
) -> Tool:
    """SQLite's own driver says 1 for true."""
    return Tool(
        number,
        institution,
        agency,
        bool(genuine_cli),
        date.fromordinal(valid_from),
        date.fromordinal(valid_to),
        registered_by,
        approved_by,
    )
