"""How a handoff ended, for the call's record and its owner's next step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from handoff.states import HandoffState, SeatOutcome


@dataclass
class TransferResult:
    """How a handoff ended.  Times are the event loop's seconds; None when the step was not reached."""

    state: HandoffState
    "wrap-up, returned, passed-on, callback or abandoned."
    asked_at: float
    reason: str = ""
    "Why nobody could be had; empty otherwise."
    agent_id: str | None = None
    "Who talked; without a talk, who was rung last."
    ringing_at: float | None = None
    "The first agent's INVITE."
    whisper_at: float | None = None
    bridged_at: float | None = None
    ended_at: float | None = None
    ended_by: Literal["debtor", "agent"] | None = None
    "Who hung up first; None when nobody did."
    passed_to: str = ""
    "The queue that the agent gave the debtor to."
    tried: list[tuple[str, SeatOutcome]] = field(default_factory=list)
    "Every agent that was reserved, with what became of it."

    @property
    def bridged(self) -> bool:
        """Debtor and agent talked, however it ended."""
        return self.bridged_at is not None

    @property
    def returned(self) -> bool:
        """The agent gave the debtor back to the bot."""
        return self.state is HandoffState.RETURNED

    @property
    def passed_on(self) -> bool:
        """The agent gave the debtor to another queue: who runs this must hand over again."""
        return self.state is HandoffState.PASSED_ON

    @property
    def wait_s(self) -> float:
        """How long the debtor waited: until the bridge, or until the end without one."""
        return (self.bridged_at or self.ended_at or self.asked_at) - self.asked_at
