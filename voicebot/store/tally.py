"""How many attempts of a campaign are in which state, without counting rows.

Whoever moves attempts says by how much each number changes, in the same transaction: bulk writers here, the
ledger in its outbox rows, which sealing adds up.  A million planned attempts cost the live table nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from voicebot.store.bulk import Bulk, Query
from voicebot.store.models import TallyRow

WAS_ANSWERED = "was answered"
"""Beside the states: calls that were answered, whatever state they are in now."""

_READ = Query(
    """SELECT what, CAST(n AS text) FROM tally WHERE campaign_id = ?
       UNION ALL SELECT '', CAST(counts AS text) FROM outbox WHERE link IS NULL"""
)


def read(connection: Connection, campaign_id: str) -> Counter[str]:
    """The numbers of a campaign, sealed or not, as of one instant."""
    found: Counter[str] = Counter()
    for what, value in Bulk(connection).rows(_READ, campaign_id):
        if what:
            found[what] += int(value)
        else:
            found.update(json.loads(value).get(campaign_id, {}))
    return found


def add_in(connection: Connection, campaign_id: str, changes: Mapping[str, int]) -> None:
    """Adds changes (state → by how many), within the transaction that makes them."""
    engine_insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    for what, n in sorted(changes.items()):  # one order for all: two writers cannot wait for each other
        new = engine_insert(TallyRow).values(campaign_id=campaign_id, what=what, n=n)
        connection.execute(
            new.on_conflict_do_update(
                index_elements=["campaign_id", "what"], set_={"n": TallyRow.n + new.excluded.n}
            )
        )
