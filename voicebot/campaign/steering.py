"""How a node obeys: what the store shows, the supervisor does, and says when it is done.

A wish is carried out when no INVITE follows it any more: the gate permits nothing after the commit, and the
INVITEs that were permitted a moment before have left.  Then its number stands in the node's heartbeat, which
the command waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

import structlog

from voicebot.campaign.control import Wish
from voicebot.campaign.journal import is_away
from voicebot.campaign.nodes import BEAT_S, Nodes
from voicebot.campaign.outcomes import STORE, Outcomes
from voicebot.campaign.store_watch import Sight, StoppedHere

log = structlog.get_logger()

SETTLED_WITHIN_S = 0.5
"""An INVITE leaves milliseconds after its permit; a worker that takes longer does not hold up the others."""
PERSON = "a person"
"""What holds dialling up when a campaign is paused, as the status names it."""
REVOKED = "the approval of its talk track was revoked"


class Steered(Protocol):
    """What steering needs of the supervisor."""

    outcomes: Outcomes

    def pause(self, part: str) -> None: ...

    def resume(self, part: str) -> None: ...

    def stop(self, fault: str = "") -> None: ...

    def end_calls(self, reason: str, attempt_ids: Collection[str] | None = None) -> int: ...

    def cancel_ringing(self, attempt_ids: Collection[str], reason: str) -> int: ...

    async def settled(self, within_s: float) -> bool: ...

    def numbers(self) -> dict[str, Any]: ...


class Steering:
    """One node's.  `heard_seq` is the newest wish at its start; `edited` reads the campaign again."""

    def __init__(
        self,
        supervisor: Steered,
        nodes: Nodes,
        node: str,
        heard_seq: int,
        *,
        edited: Callable[[], Awaitable[None]],
        every_beat: Callable[[], Awaitable[None]],
    ) -> None:
        self._supervisor, self._nodes, self._node = supervisor, nodes, node
        self._edited, self._every_beat = edited, every_beat
        self._heard = heard_seq
        self._revoked = False
        self._sight: Sight | None = None
        self._news = asyncio.Event()

    def on_sight(self, sight: Sight) -> None:
        """Told by the watch; carried out by `run`."""
        self._sight = sight
        self._news.set()

    async def run(self) -> None:
        """Until cancelled: obeys at once, beats once a second."""
        beat = asyncio.get_running_loop().create_task(self._beat_on())
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                assert self._sight is not None
                await self._obey(self._sight)
        finally:
            beat.cancel()

    async def _obey(self, sight: Sight) -> None:
        supervisor = self._supervisor
        if sight.state == "running":
            supervisor.resume(PERSON)
        else:
            supervisor.pause(PERSON)
        if sight.state == "done":  # another node finished it, or it was given up
            supervisor.stop()
        if not sight.approved:
            self._on_revoked()
        if sight.stopped:
            self._on_stop_list(sight.stopped)
        if sight.asked.seq > self._heard:
            await self._carry_out(sight)

    async def _carry_out(self, sight: Sight) -> None:
        asked, supervisor = sight.asked, self._supervisor
        log.info("asked", wish=asked.wish, seq=asked.seq)
        await self._edited()
        if asked.wish in (Wish.DRAIN, Wish.STOP):
            supervisor.stop()
        if not await supervisor.settled(SETTLED_WITHIN_S):
            log.warning("invite_not_seen_leaving")
        if asked.wish is Wish.STOP:
            log.info("calls_told_to_end", calls=supervisor.end_calls("STOPPED"))
        self._heard = asked.seq
        await self._beat()

    def _on_revoked(self) -> None:
        """No new call; those that ring are cancelled, those that talk say the closing line."""
        if not self._revoked:
            self._revoked = True
            self._supervisor.stop(REVOKED)
        self._supervisor.end_calls("TRACK_REVOKED")

    def _on_stop_list(self, stopped: tuple[StoppedHere, ...]) -> None:
        """Who talks already goes on talking: the list forbids to dial, and the bot does what it is told."""
        cancelled = self._supervisor.cancel_ringing([one.attempt_id for one in stopped], "STOP_LIST")
        if cancelled:
            log.info("ringing_cancelled", calls=cancelled)

    async def _beat_on(self) -> None:
        while True:
            await self._beat()
            await asyncio.sleep(BEAT_S)

    async def _beat(self) -> None:
        """The heartbeat; the first one that the store takes after an outage brings in what was kept."""
        outcomes, supervisor = self._supervisor.outcomes, self._supervisor
        try:
            await outcomes.in_store(self._nodes.beat, self._node, self._heard, supervisor.numbers())
            if outcomes.away:
                await outcomes.settle()
                supervisor.resume(STORE)
            await self._every_beat()
        except Exception as fault:
            if not is_away(fault):
                log.error("heartbeat_failed", fault=type(fault).__name__)
