"""What others commit while a campaign runs: wishes, stop-list entries, revocations; seen within a second.

PostgreSQL tells of it (LISTEN) and is looked at again now and then in case a notice was lost; an embedded
store is looked at five times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from voicebot.campaign.control import Asked, Controls
from voicebot.clock import Clock
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store, StoreDown
from voicebot.store.models import CampaignRow
from voicebot.store.stop_list import StopList

log = structlog.get_logger()

LOOK_EVERY_S = 0.2
"""An embedded store: the longest that a commit of another process stays unseen."""
FLOOR_S = 0.5
"""PostgreSQL: looked at so often although no notice came."""
CHANNELS = ("voicebot_control", "voicebot_stop_list", "voicebot")


@dataclass(frozen=True)
class StoppedHere:
    """A live attempt of this node whose number or debtor is on the stop list now."""

    attempt_id: str
    state: str
    reason: str


@dataclass(frozen=True)
class Sight:
    """The store as it stood at one look."""

    asked: Asked
    state: str
    approved: bool
    stopped: tuple[StoppedHere, ...] = ()


class StoreWatch:
    """Looks, on a thread of its own; `on_sight` is told on the event loop whenever something is different.

    Each of `registers` is asked whether `digest` may still be spoken.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        campaign_id: str,
        node: str,
        digest: str,
        registers: Sequence[Approvals],
        on_sight: Callable[[Sight], None],
    ) -> None:
        self._store, self._campaign_id, self._node, self._digest = store, campaign_id, node, digest
        self._controls, self._stop_list = Controls(store, clock), StopList(store, clock)
        self._registers, self._on_sight = registers, on_sight
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._line: psycopg.Connection | None = None
        self._seen: Sight | None = None
        self._closed = False

    async def run(self) -> None:
        """Until cancelled.  A store that is away for a while is looked at again; others count the outage."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                sight = await loop.run_in_executor(self._thread, self.look)
            except StoreDown as fault:
                log.warning("store_not_seen", fault=type(fault).__name__)
                await asyncio.sleep(FLOOR_S)
                continue
            # A call may be on its way to where it can be ended: what must end is told at every look.
            if sight != self._seen or sight.stopped or not sight.approved:
                self._seen = sight
                self._on_sight(sight)
            if self._store.is_postgresql:
                await loop.run_in_executor(self._thread, self._await_notice)
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> Sight:
        """One look; blocking."""
        with self._store.reading() as connection:
            asked = self._controls.asked_in(connection, self._campaign_id)
            row = select(CampaignRow.state).where(CampaignRow.id == self._campaign_id)
            state = str(connection.execute(row).scalar_one())
        approved = all(register.is_approved(self._digest) for register in self._registers)
        stopped = tuple(
            StoppedHere(call.attempt_id, call.state, call.reason)
            for call in self._stop_list.stopped_live()
            if (call.worker or "").startswith(f"{self._node}/")
        )
        return Sight(asked, state, approved, stopped)

    def _await_notice(self) -> None:
        """Until a notice comes, at most FLOOR_S.  A lost line is opened again at the next call."""
        if self._closed:
            return
        try:
            if self._line is None:
                self._line = _listening(self._store)
            for _ in self._line.notifies(timeout=FLOOR_S, stop_after=1):
                return
        except (psycopg.Error, SQLAlchemyError) as fault:
            log.warning("notices_lost", fault=type(fault).__name__)
            self._hang_up()
            time.sleep(LOOK_EVERY_S)

    def _hang_up(self) -> None:
        if self._line is not None:
            with contextlib.suppress(psycopg.Error):
                self._line.close()
            self._line = None

    def close(self) -> None:
        """Ends the thread, after a last wait of FLOOR_S at most."""
        self._closed = True
        self._thread.submit(self._hang_up)
        self._thread.shutdown(wait=True)


def _listening(store: Store) -> psycopg.Connection:
    """A connection of its own, outside of the pool, with the pool's own way of connecting."""
    raw = store.engine.raw_connection()
    line = raw.driver_connection
    raw.detach()
    assert isinstance(line, psycopg.Connection)
    line.rollback()
    line.autocommit = True
    for channel in CHANNELS:
        line.execute(f"LISTEN {channel}".encode())
    return line
