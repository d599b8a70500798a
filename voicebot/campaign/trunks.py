"""What all machines together may use of a trunk and of a campaign's lines: granted at the claim.

A claim locks the trunk's row first, then its campaign's share, then anything else: one order for all.  Lines
in use are counted from the live attempts, so that no counter can drift from them.  Calls per second follow
the virtual-scheduling form of the generic cell rate algorithm: one number, the time of the next call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from voicebot.store.bulk import Bulk, Query, Update
from voicebot.store.database import Store
from voicebot.store.models import TrunkRow

CAMPAIGN_LOCK = 7704
"""PostgreSQL advisory lock of a campaign's lines (class; the object is the hash of its id)."""

_TRUNK = Query("SELECT lines, cps, burst, next_ms FROM trunk WHERE name = ? {lock FOR NO KEY UPDATE}")
_USED = Query(
    """SELECT coalesce(sum(CASE WHEN trunk = ? THEN 1 ELSE 0 END), 0),
              coalesce(sum(CASE WHEN campaign_id = ? THEN 1 ELSE 0 END), 0)
         FROM attempt WHERE phase = 1"""
)
_CAMPAIGN_LOCK = Query(f"SELECT pg_advisory_xact_lock({CAMPAIGN_LOCK}, hashtext(?))")
_NEXT = Update("trunk", "next_ms double precision", "name text")


@dataclass(frozen=True)
class Grant:
    """`calls` may be claimed now; `earliest_ms` and `cps` are the trunk's, when it has limits."""

    trunk: str
    calls: int
    earliest_ms: float = 0.0
    cps: float | None = None

    def take(self, bulk: Bulk, calls: int) -> None:
        """Notes that so many of them were claimed."""
        if calls and self.cps is not None:
            bulk.write(_NEXT, [(self.earliest_ms + calls * 1000 / self.cps, self.trunk)])


class Trunks:
    """The limits of trunks, and what they leave for a claim."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._insert = postgresql_insert if store.is_postgresql else sqlite_insert

    def limit(self, name: str, *, lines: int, cps: float, burst: int = 1) -> None:
        """Sets what all machines together may use of a trunk; in force for the next claim.

        A trunk without limits here is limited by whoever dials on it.
        """
        if lines < 0 or cps <= 0 or burst < 1:
            raise ValueError("a trunk has lines ≥ 0, calls per second > 0 and a burst ≥ 1")
        values = {"lines": lines, "cps": cps, "burst": burst}
        new = self._insert(TrunkRow).values(name=name, next_ms=0.0, **values)
        with self._store.begin() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))

    def grant(
        self, bulk: Bulk, trunk: str, campaign_id: str, lines: int, wanted: int, now_ms: int
    ) -> Callable[[], Grant]:
        """How many of `wanted` calls may be claimed now; trunk and campaign are locked until the end.
        Asked for here, answered when what is returned is called."""
        limits = bulk.later(_TRUNK, trunk)
        if self._store.is_postgresql:
            bulk.later(_CAMPAIGN_LOCK, campaign_id)
        in_use = bulk.later(_USED, trunk, campaign_id)

        def granted() -> Grant:
            row = limits.one()
            trunk_used, campaign_used = in_use.rows()[0]
            calls = min(wanted, lines - campaign_used)
            if row is None:
                return Grant(trunk, max(calls, 0))
            trunk_lines, cps, burst, next_ms = row
            calls = min(calls, trunk_lines - trunk_used, tokens(cps, burst, next_ms, now_ms))
            return Grant(trunk, max(calls, 0), _earliest(cps, burst, next_ms, now_ms), cps)

        return granted


def tokens(cps: float, burst: int, next_ms: float, now_ms: int) -> int:
    """How many calls may start now: one when its time has come, more after a pause, up to `burst`."""
    earliest = _earliest(cps, burst, next_ms, now_ms)
    return int((now_ms - earliest) * cps / 1000) + 1 if earliest <= now_ms else 0


def _earliest(cps: float, burst: int, next_ms: float, now_ms: int) -> float:
    """The time of the next call, no further back than a burst allows."""
    return max(next_ms, now_ms - (burst - 1) * 1000 / cps)
