"""What an agent is shown of a case before there is audio: built by the worker, shown by the desk.

Nothing here names the debtor or a number: names are 张**, numbers 138****1234, digits of identities ****.
The name itself travels beside the card (`Briefing.name`), stays with the run, and is given out for a reason.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from handoff.states import DeskAct

Speaker = Literal["bot", "debtor", "agent", "network"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CardTurn(_Part):
    """One stretch of speech; `at_s` counts from the answer."""

    speaker: Speaker
    at_s: float
    text: str


class CardFact(_Part):
    """`key` is a slot's name (amount_due, due_date …), `text` its value for reading."""

    key: str
    text: str


class CardLine(_Part):
    """An approved line that fits, with this case's values."""

    id: str
    text: str


class Card(_Part):
    """One case at the moment at which the bot asks for a person."""

    attempt_id: str
    campaign: str
    case_id: str
    phone_masked: str
    name_masked: str
    to_contact: bool
    "The one who speaks is a contact: nothing of the debt may be said."
    queue: str
    reason: str
    "Why the bot hands over, in the track's closed words."
    priority: bool
    level: int
    "Verification: 0 nobody, 1 says it is them, 2 knowledge check passed."
    disposition: str
    facts: tuple[CardFact, ...] = ()
    agreed: tuple[CardFact, ...] = ()
    "What the bot promised or agreed."
    lines: tuple[CardLine, ...] = ()
    reminders: tuple[str, ...] = ()
    "Codes of the rules to be reminded of."
    turns: tuple[CardTurn, ...] = ()


class Briefing(_Part):
    """From the worker to its run: the card, and what only the run keeps."""

    card: Card
    name: str
    "The debtor's name."


class Deed(_Part):
    """To a worker: what an agent does on the desk about the call that they have, or are offered."""

    attempt_id: str
    agent_id: str
    act: DeskAct
    queue: str = ""
    "For pass_on: where to."


BRIEFING, TURNS, STEP = "desk_briefing", "desk_turns", "desk_step"
"""Kinds of message from a worker: Briefing; {attempt_id, turns}; {attempt_id, state, detail}."""
KINDS = frozenset({BRIEFING, TURNS, STEP})
ACT = "desk_act"
"""Kind of the question whether a Deed could be done: {done: bool}."""
