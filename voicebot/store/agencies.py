"""Outside agencies: on the list, with a mandate of named institutions, evaluated on a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from voicebot.store.database import Store
from voicebot.store.models import AgencyRow


class Agencies:
    """The register of agencies."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, name: str, *, listed: bool, mandates: Sequence[str], evaluated: date | None) -> None:
        """Adds or replaces an agency."""
        values = {
            "name": name,
            "listed": listed,
            "mandates": list(mandates),
            "evaluated": evaluated.toordinal() if evaluated else None,
        }
        with self._store.begin() as connection:
            connection.execute(delete(AgencyRow).where(AgencyRow.name == name))
            connection.execute(insert(AgencyRow).values(values))

    def facts_in(
        self, connection: Connection, name: str, institution: str, day: date
    ) -> dict[str, Any] | None:
        """The gate's facts about an agency; None when it is unknown."""
        return self.facts_of(connection, [name], institution, day).get(name)

    def facts_of(
        self, connection: Connection, names: Iterable[str], institution: str, day: date
    ) -> dict[str, dict[str, Any]]:
        """The same for several agencies; unknown ones are left out.

        An evaluation that lies in the future has not been made.
        """
        found: dict[str, dict[str, Any]] = {}
        query = select(AgencyRow.__table__).where(AgencyRow.name.in_(sorted(set(names))))
        for row in connection.execute(query):
            facts: dict[str, Any] = {"listed": row.listed, "mandate_covers_case": institution in row.mandates}
            if row.evaluated is not None and row.evaluated <= day.toordinal():
                facts["days_since_evaluation"] = day.toordinal() - row.evaluated
            found[row.name] = facts
        return found
