"""What the desk may ask of a run: numbers, wishes, what a wrap-up obliges us to, a word to a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from handoff.agents import Agent
from voicebot.campaign.at_desk import ACT_WITHIN_S
from voicebot.campaign.control import Controls, Wish
from voicebot.campaign.ledger import Ledger
from voicebot.campaign.progress import progress
from voicebot.campaign.supervisor import Supervisor
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.encryption import Unreadable

log = structlog.get_logger()


class DeskControls:
    """A RunControls over the run's supervisor and store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        supervisor: Supervisor,
        ledger: Ledger,
        campaign_id: str,
        roster: Callable[[], Sequence[Agent]],
    ) -> None:
        self._store, self._controls = store, Controls(store, clock)
        self._supervisor, self._ledger, self._campaign_id = supervisor, ledger, campaign_id
        self._roster = roster

    def numbers(self) -> dict[str, Any]:
        """The node's live numbers."""
        return self._supervisor.numbers()

    async def progress(self) -> dict[str, Any]:
        """Counts of the campaign, for a page."""
        counted = await self._supervisor.outcomes.in_store(progress, self._store, self._campaign_id)
        return {
            "planned": counted.planned,
            "live": counted.live,
            "done": counted.done,
            "refused": counted.refused,
            "answered": counted.answered,
            "dispositions": dict(counted.dispositions),
            "refused_by_reason": dict(counted.refused_by_reason),
        }

    async def wish(self, wish: Wish, by: str) -> None:
        """As the commands; in force once it is committed."""
        await self._supervisor.outcomes.in_store(self._controls.ask, self._campaign_id, wish, by)

    async def apply(self, attempt_id: str, effects: Mapping[str, str | None]) -> None:
        """Writes a wrap-up's stop list, hold, promise and call-back."""
        await self._supervisor.outcomes.in_store(self._ledger.apply_outcome, attempt_id, **effects)

    async def ask_worker(self, attempt_id: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """LookupError when no worker holds the attempt."""
        return await self._supervisor.ask_worker(attempt_id, kind, body, within_s=ACT_WITHIN_S)

    async def roster(self) -> Sequence[Agent] | None:
        """File and register as they are now; a fault in them leaves the agents as they were."""
        try:
            return await asyncio.to_thread(self._roster)
        except (InputError, Unreadable) as fault:
            log.warning("roster_not_read", fault=type(fault).__name__)
            return None
