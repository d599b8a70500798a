"""What a node does to the store once a second beside its calls: leases, the audit's seal, what pacing
learned, the campaign file's edits, and settling what dead nodes left.

Leases are for stores that several machines share: a node that cannot renew them must not dial, and one that
was away for so long that others fenced it ends.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from voicebot.campaign.edited_file import EditedFile
from voicebot.campaign.ledger import Ledger, LostWorker
from voicebot.campaign.nodes import Nodes
from voicebot.campaign.pacing.campaign_pacing import CampaignPacing
from voicebot.campaign.pacing_memory import PacingMemory
from voicebot.campaign.supervisor import Supervisor
from voicebot.campaign.workers import LONGEST_CALL_S
from voicebot.store.checkpoints import Checkpoints
from voicebot.store.database import StoreDown

log = structlog.get_logger()

REAP_EVERY = 5
"""Beats from one look for dead nodes to the next."""
SIGN_EVERY = 60
"""Beats from one signed checkpoint of the audit chain to the next."""
FENCED = "this node was cut off from the store for longer than its lease; others took over"


class Upkeep:
    """One node's.  `second` is called after each heartbeat that the store took."""

    def __init__(
        self,
        supervisor: Supervisor,
        ledger: Ledger,
        campaign_id: str,
        nodes: Nodes,
        memory: PacingMemory,
        pacing: CampaignPacing,
        edited: EditedFile | None,
        checkpoints: Checkpoints,
        *,
        shared: bool,
        longest_call_s: float = LONGEST_CALL_S,
    ) -> None:
        self._supervisor, self._ledger, self._campaign_id = supervisor, ledger, campaign_id
        self._nodes, self._memory, self._pacing, self._edited = nodes, memory, pacing, edited
        self._checkpoints = checkpoints
        self._shared, self._longest_call_s = shared, longest_call_s
        self._beats = 0

    async def second(self) -> None:
        """Raises StoreDown when the store went away in the middle."""
        in_store = self._supervisor.outcomes.in_store
        if self._shared:
            await self.renew()
        await in_store(self._ledger.seal)
        if self._beats % SIGN_EVERY == 0:
            await in_store(self._checkpoints.sign)
        await self._share_what_pacing_learned()
        if self._edited is not None:
            await in_store(self._edited.look, self._supervisor.campaign)
        if self._beats % REAP_EVERY == 0:
            await in_store(self._settle_the_dead)
        self._beats += 1

    async def renew(self) -> None:
        """Leases for the workers of now.  A node that others fenced dials no more; its calls go on."""
        try:
            await self._supervisor.outcomes.in_store(self._ledger.renew, self._supervisor.workers)
        except LostWorker:
            self._supervisor.stop(FENCED)

    async def _share_what_pacing_learned(self) -> None:
        changes = self._pacing.take_changes()
        try:
            known = await self._supervisor.outcomes.in_store(self._memory.sync, self._campaign_id, changes)
        except StoreDown:
            self._pacing.give_back(changes)
            raise
        self._pacing.restore(known)

    def _settle_the_dead(self) -> None:
        """Nodes whose process is gone are dead now; those that nobody hears of, when their leases say so."""
        settle_dead_nodes(self._ledger, self._nodes, log.warning)
        if self._shared and (unknown := self._ledger.reap(self._longest_call_s)):
            log.warning("leases_ran_out", unknown=len(unknown))


def settle_dead_nodes(ledger: Ledger, nodes: Nodes, tell: Callable[[str], object]) -> None:
    """What processes of this machine that are gone held on their lines is unknown now; blocking."""
    for node in nodes.open():
        if node.known_dead:
            unknown = ledger.lose_node(node.id)
            nodes.end(node.id, node.numbers)
            if unknown:
                tell(
                    f"{len(unknown)} calls of a process that broke off: closed as UNKNOWN, "
                    "for a person to decide (voicebot unresolved)"
                )
