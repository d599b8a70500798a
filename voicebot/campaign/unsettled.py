"""Claims and permissions whose commit was not acknowledged: looked up by their ids before anything else.

Whoever asked was told that the store is down, and dials nothing.  If the store did commit, the attempts are
closed as not dialled: their slots go back, and they are planned again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from voicebot.campaign import attempts
from voicebot.campaign.closing import Closing, Outcome
from voicebot.campaign.events import Events
from voicebot.clock import Clock
from voicebot.store.audit import moment_ms
from voicebot.store.bulk import Bulk
from voicebot.store.database import CommitUnknown, Store
from voicebot.store.states import AttemptState

WHY = "the commit was not acknowledged"


class Unsettled:
    """Remembers them until they are settled; what a process takes with it is left to the reaper."""

    def __init__(self, store: Store, clock: Clock, closing: Closing) -> None:
        self._store, self._clock, self._closing = store, clock, closing
        self._open: dict[str, frozenset[str]] = {}

    @contextmanager
    def claims(self) -> Iterator[set[str]]:
        """The set is filled with a group's ids while it commits."""
        with self._watching(frozenset({AttemptState.CLAIMED, AttemptState.DIALLING})) as unsure:
            yield unsure

    @contextmanager
    def permissions(self) -> Iterator[set[str]]:
        """The same; an attempt that is still only claimed may ask again."""
        with self._watching(frozenset({AttemptState.DIALLING})) as unsure:
            yield unsure

    @contextmanager
    def _watching(self, states: frozenset[str]) -> Iterator[set[str]]:
        unsure: set[str] = set()
        try:
            yield unsure
        except CommitUnknown:
            self._open |= dict.fromkeys(unsure, states)
            self.settle()
            raise

    def settle(self) -> None:
        """Takes back what was committed unseen.  StoreDown when the store is still away: ask again."""
        if not self._open:
            return
        with self._store.begin() as connection:
            bulk, now, events = Bulk(connection), self._clock.now(), Events()
            found = attempts.find(bulk, list(self._open))
            rows = [row for row in found.values() if row.state in self._open[row.id]]
            self._closing.not_dialled(bulk, rows, WHY, now, events, halted=True)
            events.write(bulk, moment_ms(now))
        self._open.clear()

    def closed(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Which of these outcomes were committed after all."""
        with self._store.reading() as connection:
            return attempts.ended_as(Bulk(connection), {one.attempt_id: one.disposition for one in outcomes})
