"""Workers and their leases: who may claim and dial, and who is taken to be dead.

A worker whose process its owner watches needs no lease: its death is reported.  One on another machine renews
its lease; when it does not, it is fenced, and what it dialled is given up once no call can last any longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from voicebot.campaign.attempts import LostWorker
from voicebot.store.bulk import Bulk, Insert, Query, Update

LEASE_S = 15.0
"""Time to live of a lease that is not renewed."""
STOP_DIALLING_AT = 0.7
"""Part of the lease after which its holder must not dial: a store out of its reach may have fenced it."""
LONGEST_CALL_S = 1800.0
"""No call lasts longer, ringing and wrap-up included: after lease and this, an unheard call is over."""

_NEW = Insert("worker", "id text, dead boolean, seen_ms bigint, epoch integer", "ON CONFLICT (id) DO NOTHING")
_FENCE = Query("SELECT dead, ttl_ms, expires_ms FROM worker WHERE id = ? {lock FOR SHARE}")
_RENEW = Update("worker", "seen_ms bigint, ttl_ms bigint, expires_ms bigint", "id text", also="NOT t.dead")
_KILL = Update("worker", "seen_ms bigint", "id text", sets="dead = TRUE")
_EXPIRED = Query(
    "SELECT id FROM worker WHERE NOT dead AND expires_ms IS NOT NULL AND expires_ms <= ? ORDER BY id"
)
_LATE = Query("SELECT 1 FROM worker WHERE id = ? AND NOT dead AND expires_ms <= ? {lock FOR NO KEY UPDATE}")
_GONE = Query(
    """SELECT DISTINCT a.worker FROM attempt AS a JOIN worker AS w ON w.id = a.worker
        WHERE a.phase = 1 AND w.dead AND w.expires_ms IS NOT NULL AND w.expires_ms <= ? ORDER BY a.worker"""
)
_AT_WORK = Query("SELECT DISTINCT worker FROM attempt WHERE phase = 1 ORDER BY worker")


LeaseClock = Callable[[Bulk], int]
"""Real time in milliseconds, of one clock for all holders of leases."""

_SERVER_MS = Query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")


def server_ms(bulk: Bulk) -> int:
    """PostgreSQL's own clock: the machines' may differ."""
    return int(bulk.rows(_SERVER_MS)[0][0])


def machine_ms(_bulk: Bulk) -> int:
    """This machine's clock: a SQLite store has no other users."""
    return int(time.time() * 1000)


def fence(bulk: Bulk, worker: str, now_ms: int, lease_clock: LeaseClock) -> Callable[[], None]:
    """Locks the worker against being fenced; what is returned is called before anything is done for it.

    It raises LostWorker when the worker was declared dead or its lease is too old to dial by; a new one is
    noted.
    """
    asked = bulk.later(_FENCE, worker)

    def check() -> None:
        row = asked.one()
        if row is None:
            bulk.write(_NEW, [(worker, False, now_ms, 1)])
            row = bulk.one(_FENCE, worker)
            assert row is not None
        dead, ttl_ms, expires_ms = row
        if dead:
            raise LostWorker(worker)
        if expires_ms is not None and lease_clock(bulk) > expires_ms - (1 - STOP_DIALLING_AT) * ttl_ms:
            raise LostWorker(f"{worker}: its lease was not renewed")

    return check


def renew(bulk: Bulk, workers: Sequence[str], now_ms: int, ttl_ms: int) -> None:
    """Leases from now on.  LostWorker when one of the workers was fenced."""
    bulk.write(_NEW, [(worker, False, now_ms, 1) for worker in sorted(workers)])
    rows = [(now_ms, ttl_ms, now_ms + ttl_ms, worker) for worker in sorted(workers)]
    bulk.write(_RENEW, rows, LostWorker("a worker was declared dead while it did not renew its lease"))


def kill(bulk: Bulk, worker: str, now_ms: int) -> None:
    """Declares a worker dead: from now on it claims and dials nothing."""
    bulk.write(_NEW, [(worker, True, now_ms, 1)])
    bulk.write(_KILL, [(now_ms, worker)])


def expired(bulk: Bulk, now_ms: int) -> list[str]:
    """Workers whose lease ran out and who are not fenced yet."""
    return [row[0] for row in bulk.rows(_EXPIRED, now_ms)]


def is_late(bulk: Bulk, worker: str, now_ms: int) -> bool:
    """Locks the worker: whether its lease has run out, unless it was fenced already."""
    return bulk.one(_LATE, worker, now_ms) is not None


def gone(bulk: Bulk, before_ms: int) -> list[str]:
    """Fenced workers with attempts on their lines whose lease ran out before that."""
    return [row[0] for row in bulk.rows(_GONE, before_ms)]


def at_work(bulk: Bulk) -> list[str]:
    """Workers that hold live attempts."""
    return [row[0] for row in bulk.rows(_AT_WORK)]
