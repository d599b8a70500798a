"""What the pacing must not forget: written to the store as increments, so that several machines add up.

Each machine adds what is new with it under a row lock and takes back what all of them know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from voicebot.campaign.pacing.campaign_pacing import PacingChanges, PacingKnown
from voicebot.campaign.pacing.flow import Totals
from voicebot.campaign.pacing.number_pool import NumberChange
from voicebot.campaign.pacing.reputation import Reputation, Sign
from voicebot.clock import Clock
from voicebot.store.audit import moment_ms
from voicebot.store.database import Store
from voicebot.store.models import NumberReputationRow, PacingTotalRow


class PacingMemory:
    """Tables number_reputation and pacing_total.  For the store's thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._callers: set[str] = set()

    def load(self, campaign_id: str, callers: Sequence[str]) -> PacingKnown:
        """What is known of a campaign that is in the store, and of its caller numbers."""
        self._callers.update(callers)
        return self.sync(campaign_id, PacingChanges(Totals(), {}))

    def sync(self, campaign_id: str, changes: PacingChanges) -> PacingKnown:
        """Adds what is new and returns what is known then of the campaign and of all its numbers.

        Whole or not at all: when it raises, nothing was written.
        """
        self._callers.update(changes.numbers)
        with self._store.begin() as connection:
            totals = self._add_totals(connection, campaign_id, changes.totals)
            numbers = {
                number: self._add_number(connection, number, changes.numbers.get(number, NumberChange()))
                for number in sorted(self._callers)  # in one order: two machines never wait for each other
            }
        return PacingKnown(totals, numbers)

    def _add_totals(self, connection: Connection, campaign_id: str, new: Totals) -> Totals:
        table = PacingTotalRow
        self._ensure(connection, table, {"campaign_id": campaign_id, "wanted": 0, "abandoned": 0})
        of_campaign = table.campaign_id == campaign_id
        row = connection.execute(self._locked(select(table.wanted, table.abandoned).where(of_campaign))).one()
        known = Totals(row.wanted, row.abandoned) + new
        if new != Totals():
            values = {"wanted": known.wanted, "abandoned": known.abandoned}
            connection.execute(update(table).where(of_campaign).values(values))
        return known

    def _add_number(self, connection: Connection, number: str, change: NumberChange) -> Reputation:
        table = NumberReputationRow
        self._ensure(connection, table, {"number": number, **_columns(Reputation())})
        row = (
            connection.execute(self._locked(select(table.__table__).where(table.number == number)))
            .mappings()
            .one()
        )
        signs = {Sign(name): count for name, count in row["signs"].items()}
        columns = {name: value for name, value in row.items() if name not in ("number", "signs")}
        known = change.on(Reputation(signs=signs, **columns), moment_ms(self._clock.now()))
        if change != NumberChange():
            connection.execute(update(table).where(table.number == number).values(_columns(known)))
        return known

    def _ensure(self, connection: Connection, table: type[Any], values: dict[str, Any]) -> None:
        """The row is there afterwards, also when two machines begin at once."""
        if self._store.is_postgresql:
            connection.execute(postgresql.insert(table).values(values).on_conflict_do_nothing())
        else:
            connection.execute(sqlite.insert(table).values(values).on_conflict_do_nothing())

    def _locked(self, query: Any) -> Any:
        """SQLite has one writer at a time anyway."""
        return query.with_for_update() if self._store.is_postgresql else query


def _columns(reputation: Reputation) -> dict[str, Any]:
    return {**reputation.__dict__, "signs": {sign.value: count for sign, count in reputation.signs.items()}}
