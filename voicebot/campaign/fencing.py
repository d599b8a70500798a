"""Dead workers: told, found by their lease, or left over from a process that ended.  Nothing is redialled."""

from __future__ import annotations

from collections.abc import Sequence

from voicebot.campaign import workers
from voicebot.campaign.closing import Closing
from voicebot.campaign.workers import LEASE_S, LONGEST_CALL_S, LeaseClock
from voicebot.clock import Clock
from voicebot.store.bulk import Bulk
from voicebot.store.database import Store


class Fencing:
    """Leases and what becomes of a dead worker's attempts; see Ledger."""

    def __init__(self, store: Store, clock: Clock, closing: Closing, lease_clock: LeaseClock) -> None:
        self._store, self._clock, self._closing = store, clock, closing
        self._lease_clock = lease_clock

    def renew(self, names: Sequence[str], ttl_s: float = LEASE_S) -> None:
        """See Ledger.renew."""
        with self._store.begin() as connection:
            bulk = Bulk(connection)
            workers.renew(bulk, names, self._lease_clock(bulk), round(ttl_s * 1000))

    def lose(self, worker: str) -> list[str]:
        """The process is known to be dead."""
        with self._store.begin() as connection:
            return self._closing.lose(Bulk(connection), worker, self._clock.now(), dialled_too=True)

    def lose_node(self, prefix: str) -> list[str]:
        """All workers whose names begin so are known to be dead."""
        return [lost for worker in self._at_work() if worker.startswith(prefix) for lost in self.lose(worker)]

    def lose_others(self, own: str) -> list[str]:
        """All workers but one's own are known to be dead."""
        return [
            lost for worker in self._at_work() if not worker.startswith(own) for lost in self.lose(worker)
        ]

    def _at_work(self) -> list[str]:
        with self._store.reading() as connection:
            return workers.at_work(Bulk(connection))

    def reap(self, longest_call_s: float = LONGEST_CALL_S) -> list[str]:
        """See Ledger.reap."""
        self._store.end_stuck()
        with self._store.reading() as connection:
            bulk = Bulk(connection)
            now_ms = self._lease_clock(bulk)
            late = workers.expired(bulk, now_ms)
            gone = workers.gone(bulk, now_ms - round(longest_call_s * 1000))
        for worker in late:
            self._fence_late(worker)
        return [lost for worker in gone for lost in self.lose(worker)]

    def _fence_late(self, worker: str) -> None:
        """Fenced unless it has renewed its lease since.  Its calls may still be heard of: they stay open."""
        with self._store.begin() as connection:
            bulk = Bulk(connection)
            if workers.is_late(bulk, worker, self._lease_clock(bulk)):
                self._closing.lose(bulk, worker, self._clock.now(), dialled_too=False)
