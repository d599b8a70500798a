"""The closed lists of an attempt's life.  Illegal moves raise; a database constraint says the same."""

from __future__ import annotations

from enum import StrEnum


class AttemptState(StrEnum):
    """planned → claimed → dialling → ringing → answered → closed, with the side exits below."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    DIALLING = "dialling"
    RINGING = "ringing"
    ANSWERED = "answered"
    CLOSED = "closed"
    REFUSED = "refused"
    NOT_DIALLED = "notdialled"
    UNKNOWN = "unknown"


_S = AttemptState
MOVES: dict[AttemptState, frozenset[AttemptState]] = {
    _S.PLANNED: frozenset({_S.CLAIMED, _S.REFUSED}),
    _S.CLAIMED: frozenset({_S.DIALLING, _S.REFUSED, _S.NOT_DIALLED}),
    _S.DIALLING: frozenset({_S.RINGING, _S.ANSWERED, _S.CLOSED, _S.UNKNOWN}),
    _S.RINGING: frozenset({_S.ANSWERED, _S.CLOSED, _S.UNKNOWN}),
    _S.ANSWERED: frozenset({_S.CLOSED, _S.UNKNOWN}),
    _S.CLOSED: frozenset(),
    _S.REFUSED: frozenset(),
    _S.NOT_DIALLED: frozenset(),
    _S.UNKNOWN: frozenset({_S.CLOSED}),
}
"""Unknown is closed again only by a person."""
LIVE = frozenset({_S.CLAIMED, _S.DIALLING, _S.RINGING, _S.ANSWERED})


def phase_of(state: AttemptState) -> int:
    """0 planned, 1 live, 2 ended: what the indexes of the attempts go by."""
    return 0 if state is AttemptState.PLANNED else 1 if state in LIVE else 2


class IllegalMove(RuntimeError):
    """An attempt was asked to go where its state does not lead."""


def check_move(old: AttemptState, new: AttemptState) -> None:
    """Raises IllegalMove unless `new` may follow `old`."""
    if new not in MOVES[old]:
        raise IllegalMove(f"an attempt cannot go from {old} to {new}")


class Disposition(StrEnum):
    """What a call came to (DESIGN 5).  Refusals by the gate are no dispositions."""

    PTP = "PTP"
    PAID_CLAIM = "PAID_CLAIM"
    PLAN_SUBMITTED = "PLAN_SUBMITTED"
    CALLBACK = "CALLBACK"
    DECLINED_TO_PAY = "DECLINED_TO_PAY"
    DISPUTE = "DISPUTE"
    HARDSHIP = "HARDSHIP"
    VULNERABLE = "VULNERABLE"
    INFORMED = "INFORMED"
    "Heard the amount and the date; neither promised nor refused."
    COMPLAINT = "COMPLAINT"
    STOP_REQUEST = "STOP_REQUEST"
    HUMAN = "HUMAN"
    NOT_VERIFIED = "NOT_VERIFIED"
    WRONG_PARTY = "WRONG_PARTY"
    RELAYED = "RELAYED"
    CONTACT_REFUSED = "CONTACT_REFUSED"
    NO_INFORMATION = "NO_INFORMATION"
    "A contact who knows nothing or cannot be asked further."
    DECEASED = "DECEASED"
    MINOR = "MINOR"
    SILENT = "SILENT"
    NOT_UNDERSTOOD = "NOT_UNDERSTOOD"
    HUNG_UP = "HUNG_UP"
    VOICEMAIL = "VOICEMAIL"
    ASSISTANT = "ASSISTANT"
    BUSY = "BUSY"
    NO_ANSWER = "NO_ANSWER"
    REJECTED = "REJECTED"
    EMPTY_NUMBER = "EMPTY_NUMBER"
    POWERED_OFF = "POWERED_OFF"
    SUSPENDED = "SUSPENDED"
    UNREACHABLE = "UNREACHABLE"
    CARRIER_FAILED = "CARRIER_FAILED"
    NOT_DIALLED = "NOT_DIALLED"
    UNKNOWN = "UNKNOWN"
