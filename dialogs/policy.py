"""The engine-neutral interface of a dialog policy.

Rasa stands behind it today (`dialogs/client.py`); nothing else in the project names Rasa's words.
A policy is told what happened and answers with ids of approved lines: never with text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol

EventKind = Literal[
    "start",  # the callee answered (first human evidence, or 1.2 s of silence)
    "speech",  # a final transcript
    "silence",  # the callee said nothing for the no-input time
    "dtmf",  # one key
    "machine",  # voicemail or a phone assistant answered
    "verified",  # the knowledge check passed
    "not_verified",  # digits were given and do not match
    "handoff_failed",  # no agent could be had
    "returned",  # an agent gave the call back
    "time_up",  # persuading, or the whole call, has lasted as long as the track allows
    "hangup",  # the callee is gone
]
Expects = Literal["yes_no", "digits", "date", "time", "open", "story"]


@dataclass(frozen=True)
class TurnEvent:
    """What happened.  `values` are normalised by our own readers: date (ISO), time (HH:MM), money (fen), and
    offer (plan, alt, below), how the money compares with the case's approved instalments."""

    kind: EventKind
    text: str = ""
    confidence: float = 1.0
    values: Mapping[str, str] = field(default_factory=dict)
    digit: str = ""


@dataclass(frozen=True)
class LineRef:
    """An approved line to speak, with its run-time slots (normalised values from closed sets)."""

    id: str
    slots: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """What the call does after the lines were spoken."""

    action: Literal["hangup", "handoff"]
    disposition: str
    "The disposition when the call ends with this command (for a handoff: when it succeeds)."
    queue: str = "general"
    reason: str = ""
    "Closed list of the track's whisper reasons, for a handoff."
    priority: bool = False
    stop_list: str | None = None
    "Reason code to write to the stop list, at once."
    hold: str | None = None
    "Case hold to set: open_complaint, open_dispute, paid_unconfirmed, legal_hold."
    slots: Mapping[str, str] = field(default_factory=dict)
    "promise_date, callback_time, as far as agreed."


@dataclass(frozen=True)
class Reply:
    """The policy's answer to one event."""

    lines: tuple[LineRef, ...]
    command: Command | None
    stage: str
    level: int
    "Verification after this turn: 0, 1 or 2."
    listener: Literal["unknown", "debtor", "contact"]
    expects: Expects = "open"
    persuading: bool = False
    "The time until the next turn counts as persuading."
    keeps_open: bool = False
    "No time limit may end the call now."
    asks: int = 0
    "Asks for a promise in this call so far."
    intent: str | None = None
    confidence: float | None = None
    took_ms: float = 0.0
    degraded: bool = False
    "True when the engine failed and the approved hand-over line is spoken instead."


class Conversation(Protocol):
    """One call.  One turn in flight at a time; every turn answers, whatever happens to the engine."""

    async def turn(self, event: TurnEvent) -> Reply: ...

    async def close(self) -> None: ...


class DialogPolicy(Protocol):
    """A running policy engine that serves all approved versions."""

    async def open(
        self, call_id: str, digest: str, *, flags: Mapping[str, bool], slots: Mapping[str, str], today: date
    ) -> Conversation:
        """Pins the call to `digest`.  `slots` are the run-time values fixed before the call
        (callback_time, agent_eta), never personal data.  Raises DialogUnavailable when it is not served."""
        ...

    async def ready(self) -> bool:
        """True when one real turn was answered just now."""
        ...


class DialogUnavailable(RuntimeError):
    """The policy engine is down or does not serve this digest: no call may start."""
