"""The life of one handoff, as a closed list.  Illegal moves raise.

from        → to          when
─────────── ───────────── ───────────────────────────────────────────────────────────────
requested   → reserving   the debtor is on the line and hears hold
            → abandoned   the debtor is gone already
reserving   → ringing     a seat is reserved, the INVITE of the consult leg is out
            → reserving   the INVITE could not be sent: next seat
            → callback    nobody is free within the wait, nobody is qualified, no line for the consult leg
            → abandoned   the debtor hung up
ringing     → whisper     the agent answered; only the agent hears the briefing
            → reserving   declined, busy, no answer, unreachable: next seat
            → callback    the wait is over
            → abandoned   the debtor hung up: the consult leg is cancelled
whisper     → bridged     accepted: both hear each other
            → reserving   the agent hung up or did not accept in time: next seat
            → callback    the wait is over
            → abandoned   the debtor hung up: the agent is told
bridged     → wrap-up     either side hung up
            → returned    the agent gave the debtor back to the bot
            → passed-on   the agent gave the debtor to another queue: a handoff of its own follows
wrap-up, returned, passed-on, callback, abandoned: the end
"""

from __future__ import annotations

from enum import StrEnum


class HandoffState(StrEnum):
    """Where a handoff is; the last five are its possible ends."""

    REQUESTED = "requested"
    RESERVING = "reserving"
    RINGING = "ringing"
    WHISPER = "whisper"
    BRIDGED = "bridged"
    WRAP_UP = "wrap-up"
    RETURNED = "returned"
    PASSED_ON = "passed-on"
    CALLBACK = "callback"
    ABANDONED = "abandoned"


_S = HandoffState
MOVES: dict[HandoffState, frozenset[HandoffState]] = {
    _S.REQUESTED: frozenset({_S.RESERVING, _S.ABANDONED}),
    _S.RESERVING: frozenset({_S.RINGING, _S.RESERVING, _S.CALLBACK, _S.ABANDONED}),
    _S.RINGING: frozenset({_S.WHISPER, _S.RESERVING, _S.CALLBACK, _S.ABANDONED}),
    _S.WHISPER: frozenset({_S.BRIDGED, _S.RESERVING, _S.CALLBACK, _S.ABANDONED}),
    _S.BRIDGED: frozenset({_S.WRAP_UP, _S.RETURNED, _S.PASSED_ON}),
    _S.WRAP_UP: frozenset(),
    _S.RETURNED: frozenset(),
    _S.PASSED_ON: frozenset(),
    _S.CALLBACK: frozenset(),
    _S.ABANDONED: frozenset(),
}
ENDS = frozenset(state for state, following in MOVES.items() if not following)


class IllegalHandoffMove(RuntimeError):
    """A handoff was asked to go where its state does not lead."""


class HandoffMachine:
    """Holds the state of one handoff and lets it move only as the table says."""

    def __init__(self) -> None:
        self._state = HandoffState.REQUESTED

    @property
    def state(self) -> HandoffState:
        return self._state

    @property
    def over(self) -> bool:
        """True once one of the ends was reached."""
        return self._state in ENDS

    def move(self, new: HandoffState) -> None:
        """Goes to `new`; raises IllegalHandoffMove when the table has no such move."""
        if new not in MOVES[self._state]:
            raise IllegalHandoffMove(f"a handoff cannot go from {self._state} to {new}")
        self._state = new


class SeatOutcome(StrEnum):
    """What became of one agent's reservation."""

    TALKED = "talked"
    RETURNED = "returned"
    PASSED_ON = "passed_on"
    DECLINED = "declined"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    DROPPED = "dropped_in_whisper"
    NOT_ACCEPTED = "not_accepted"
    WAIT_OVER = "wait_over"
    DEBTOR_GONE = "debtor_gone"
    NO_LINE = "no_line"
    WITHDRAWN = "withdrawn"


TALKED = frozenset({SeatOutcome.TALKED, SeatOutcome.RETURNED, SeatOutcome.PASSED_ON})
"""The agent spoke with the debtor: wrap-up follows."""
NOT_TAKEN = frozenset(
    {
        SeatOutcome.DECLINED,
        SeatOutcome.BUSY,
        SeatOutcome.NO_ANSWER,
        SeatOutcome.UNREACHABLE,
        SeatOutcome.DROPPED,
        SeatOutcome.NOT_ACCEPTED,
    }
)
"""The agent was asked and did not take the call: a rest, lest the next debtor waits for the same phone."""


class DeskAct(StrEnum):
    """What an agent does on the desk about the call that they have, or are offered."""

    ACCEPT = "accept"
    DECLINE = "decline"
    HANG_UP = "hang_up"
    RETURN = "return"
    PASS_ON = "pass_on"
    HOLD = "hold"
    RESUME = "resume"
    MUTE = "mute"
    UNMUTE = "unmute"
