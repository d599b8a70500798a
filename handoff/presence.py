"""What a queue shows of itself: where each agent is, who waits, what became of reservations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from handoff.states import SeatOutcome


class Presence(StrEnum):
    """What an agent does, as the queue sees it."""

    FREE = "free"
    RESERVED = "reserved"
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    RESTING = "resting"
    ELSEWHERE = "elsewhere"
    BREAK = "break"
    LOGGED_OUT = "logged_out"
    UNQUALIFIED = "unqualified"


@dataclass(frozen=True)
class WaitingRow:
    """For a table: one call in line, and for how long."""

    attempt_id: str
    queue: str
    waits_s: float


@dataclass(frozen=True)
class AgentRow:
    """For a table: one agent now, and why not when not."""

    agent_id: str
    name: str
    presence: Presence
    detail: str
    calls: int


@dataclass(frozen=True)
class QueueStats:
    """How many wait, and what became of the queue's reservations so far."""

    waiting: int
    outcomes: Mapping[SeatOutcome, int]
    expired: int
    "Reservations whose end nobody told: a fault to look into."
