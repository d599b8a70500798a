"""What one transaction did to attempts: events for the audit chain, and by how much the tally changes.

They go into the outbox as one row, in the same transaction; the audit chain takes them up batch by batch, so
that no claim waits for another one's link.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from voicebot.store.bulk import Bulk
from voicebot.store.outbox import Event, post


class Events:
    """`note` is what the audit keeps; `count` what the live table shows."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))

    def note(self, kind: str, attempt_id: str, data: Mapping[str, Any]) -> None:
        """One event.  `data` holds ids and codes, nothing personal."""
        self._events.append((kind, attempt_id, data))

    def moved(self, campaign_id: str, old: str | None, new: str | None, n: int = 1) -> None:
        """`n` attempts went from one state to another; None stands for none."""
        counts = self._counts[campaign_id]
        if old is not None:
            counts[old] -= n
        if new is not None:
            counts[new] += n

    def count(self, campaign_id: str, what: str, n: int = 1) -> None:
        """A number that is no state: dispositions, reasons, answered."""
        self._counts[campaign_id][what] += n

    def write(self, bulk: Bulk, now_ms: int) -> None:
        """Keeps them; nothing happens when there are none."""
        counts = {
            campaign_id: {what: n for what, n in changes.items() if n}
            for campaign_id, changes in self._counts.items()
        }
        if self._events or any(counts.values()):
            post(bulk, now_ms, self._events, counts)
