"""The states of a talk track's version, as a closed list with its transition table.

    draft ──submit──▶ submitted ──approve──▶ approved ──supersede──▶ superseded
      ▲                   │                     │                        │
      └──────reject───────┘                     └────────revoke──▶ revoked ◀──revoke

An approval that is not the last one needed leaves a version submitted.  Superseded: a newer version of the
track was approved since; campaigns that name this version may still speak it, a revoked one nobody may.
"""

from __future__ import annotations

from enum import StrEnum


class TrackState(StrEnum):
    """Where a version stands.  What was never submitted is a draft too."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class Action(StrEnum):
    """What a person signs."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    REVOKE = "revoke"
    SUPERSEDE = "supersede"


SPEAKABLE = frozenset({TrackState.APPROVED, TrackState.SUPERSEDED})
"""Nothing is dialled or spoken in any other state."""
MOVES: dict[tuple[TrackState, Action], TrackState] = {
    (TrackState.DRAFT, Action.SUBMIT): TrackState.SUBMITTED,
    (TrackState.SUBMITTED, Action.APPROVE): TrackState.APPROVED,
    (TrackState.SUBMITTED, Action.REJECT): TrackState.DRAFT,
    (TrackState.APPROVED, Action.SUPERSEDE): TrackState.SUPERSEDED,
    (TrackState.APPROVED, Action.REVOKE): TrackState.REVOKED,
    (TrackState.SUPERSEDED, Action.REVOKE): TrackState.REVOKED,
}


class IllegalTrackMove(RuntimeError):
    """A move that the table does not have."""


def moved(state: TrackState, action: Action) -> TrackState:
    """The state after `action`.  IllegalTrackMove when the table does not have it."""
    if (state, action) not in MOVES:
        raise IllegalTrackMove(f"a version that is {state} cannot be moved by {action}")
    return MOVES[state, action]
