"""What all machines together may use of a trunk and of a campaign's lines: granted at the claim.

A claim locks the trunk's row first, then its campaign's share, then anything else: one order for all.  Lines
in use are counted from the live attempts, so that no counter can drift from them.  Calls per second follow
the virtual-scheduling form of the generic cell rate algorithm: one number, the time of the next call.
"""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.models import TrunkRow

CAMPAIGN_LOCK = 7704
"""PostgreSQL advisory lock of a campaign's lines (class; the object is the hash of its id)."""

_TRUNK = Query("SELECT lines, cps, burst, next_ms FROM trunk WHERE name = ? {lock FOR NO KEY UPDATE}")
_USED = Query("SELECT count(*) FROM attempt WHERE phase = 1 AND trunk = ?")
_CAMPAIGN_USED = Query("SELECT count(*) FROM attempt WHERE phase = 1 AND campaign_id = ?")
_CAMPAIGN_LOCK = Query(f"SELECT pg_advisory_xact_lock({CAMPAIGN_LOCK}, hashtext(?))")
_NEXT = Query("UPDATE trunk SET next_ms = ? WHERE name = ?")


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

    def grant(self, bulk: Bulk, trunk: str, campaign_id: str, lines: int, wanted: int, now_ms: int) -> int:
        """How many of `wanted` calls may be claimed now; trunk and campaign are locked until the end."""
        row = bulk.one(_TRUNK, trunk)
        if row is not None:
            trunk_lines, cps, burst, next_ms = row
            in_use = bulk.rows(_USED, trunk)[0][0]
            wanted = min(wanted, trunk_lines - in_use, tokens(cps, burst, next_ms, now_ms))
        if wanted > 0:
            if self._store.is_postgresql:
                bulk.do(_CAMPAIGN_LOCK, campaign_id)
            wanted = min(wanted, lines - bulk.rows(_CAMPAIGN_USED, campaign_id)[0][0])
        return max(wanted, 0)

    def take(self, bulk: Bulk, trunk: str, calls: int, now_ms: int) -> None:
        """Notes that so many of the granted calls were claimed."""
        row = bulk.one(_TRUNK, trunk) if calls else None
        if row is not None:
            _lines, cps, burst, next_ms = row
            bulk.do(_NEXT, _earliest(cps, burst, next_ms, now_ms) + calls * 1000 / cps, trunk)


def tokens(cps: float, burst: int, next_ms: float, now_ms: int) -> int:
    """How many calls may start now: one when its time has come, more after a pause, up to `burst`."""
    earliest = _earliest(cps, burst, next_ms, now_ms)
    return int((now_ms - earliest) * cps / 1000) + 1 if earliest <= now_ms else 0


def _earliest(cps: float, burst: int, next_ms: float, now_ms: int) -> float:
    """The time of the next call, no further back than a burst allows."""
    return max(next_ms, now_ms - (burst - 1) * 1000 / cps)
