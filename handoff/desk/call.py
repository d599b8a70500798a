"""A call as the desk sees it: where its handoff stands, whom it is offered to, what may be pressed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from handoff.card import Card, CardTurn
from handoff.states import DeskAct, HandoffState

OFFERED = "offered"
"""State of a call whose agent was chosen and is not rung yet."""
ALLOWED: Mapping[str, frozenset[DeskAct]] = {
    HandoffState.RINGING: frozenset({DeskAct.ACCEPT, DeskAct.DECLINE}),
    HandoffState.WHISPER: frozenset({DeskAct.ACCEPT, DeskAct.DECLINE}),
    HandoffState.BRIDGED: frozenset(
        {
            DeskAct.HANG_UP,
            DeskAct.RETURN,
            DeskAct.PASS_ON,
            DeskAct.HOLD,
            DeskAct.RESUME,
            DeskAct.MUTE,
            DeskAct.UNMUTE,
        }
    ),
}
"""What an agent may do in each state of the handoff."""


@dataclass
class Offer:
    """A call is offered to an agent, or is theirs."""

    agent_id: str
    bridged: bool = False
    log_number: int | None = None
    "None: the look is not recorded yet, and the card is not shown."
    talk_kept: bool = False
    "The log says that they talk."
    order: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    "What is written of it is written one after the other."

    @property
    def kept(self) -> bool:
        """The log knows all of it."""
        return self.log_number is not None and self.talk_kept == self.bridged


@dataclass
class Call:
    """A case that is with the queue or an agent."""

    card: Card
    turns: list[CardTurn]
    state: str = HandoffState.REQUESTED
    offer: Offer | None = None
    since: float = 0.0
    held: bool = False
    muted: bool = False
    accepted: bool = False
    warnings: list[str] = field(default_factory=list)
    "Why words of the agent were forbidden."

    @property
    def agent_id(self) -> str | None:
        """Whose it is."""
        return self.offer.agent_id if self.offer else None

    @property
    def shown(self) -> bool:
        """The look is recorded: the card may be shown."""
        return self.offer is not None and self.offer.log_number is not None

    @property
    def bridged(self) -> bool:
        """Agent and debtor talk."""
        return self.offer is not None and self.offer.bridged

    def offered(self, offer: Offer, now: float) -> None:
        """To an agent; or, told by a run that comes back, it is theirs already."""
        self.offer, self.since, self.warnings = offer, now, []
        self.state = HandoffState.BRIDGED if offer.bridged else OFFERED
        self.held = self.muted = self.accepted = False

    def take_step(self, state: str, detail: str) -> None:
        """What the call's worker told."""
        self.state = state
        match detail:
            case DeskAct.HOLD | DeskAct.RESUME:
                self.held, self.muted = detail == DeskAct.HOLD, False
            case DeskAct.MUTE | DeskAct.UNMUTE:
                self.muted = detail == DeskAct.MUTE
            case _:
                pass
