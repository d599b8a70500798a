"""The people who take calls, and whether the rules let them.

`configs/agents.yaml` names them.  Whether a certificate is good enough is not decided here: the facts go
to the gate `transfer` of the policy pack, and an agent whom it refuses is never rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from voicebot.clock import Clock, today
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.yaml_document import YamlDocument

SIMULATED = "simulated"
"""In place of a SIP address: the simulated world says where this agent's phone is."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Certificates(_Part):
    """The day on which each was last passed or signed; a day that is left out means never."""

    prejob_passed: date | None = None
    confidentiality_signed: date | None = None
    business_exam: date | None = None
    security_exam: date | None = None


class Agent(_Part):
    """One agent or supervisor.  `sip` is a SIP URI or the word `simulated`."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
    name: str = Field(min_length=1)
    sip: str
    skills: frozenset[str] = Field(min_length=1)
    role: Literal["agent", "supervisor"] = "agent"
    agency: str = Field(min_length=1)
    enabled: bool = True
    presence: Literal["phone", "desk"] = "phone"
    "desk: rung only while logged in there and not on a break; phone: the phone is all there is."
    certificates: Certificates = Certificates()

    @field_validator("sip")
    @classmethod
    def _sip_uri(cls, text: str) -> str:
        if text != SIMULATED and not (text.startswith(("sip:", "sips:")) and "@" in text):
            raise ValueError(f"write sip:name@host or the word {SIMULATED}")
        return text

    def facts(self, on: date) -> dict[str, Any]:
        """What the gate `transfer` asks of a person, on the day `on`.

        A date in the future counts as not given (the gate then fails closed): nobody has passed it yet.
        """
        held = self.certificates
        facts: dict[str, Any] = {
            "id": self.id,
            "prejob_passed": _past(held.prejob_passed, on),
            "confidentiality_signed": _past(held.confidentiality_signed, on),
        }
        for name, day in (("business", held.business_exam), ("security", held.security_exam)):
            if day is not None and day <= on:
                facts[f"days_since_{name}_exam"] = (on - day).days
        return facts


def _past(day: date | None, on: date) -> bool:
    return day is not None and day <= on


class _AgentsFile(_Part):
    agents: tuple[Agent, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_of_each(self) -> _AgentsFile:
        seen: set[str] = set()
        for agent in self.agents:
            if agent.id in seen:
                raise ValueError(f"the agent {agent.id} is there twice")
            seen.add(agent.id)
        return self


def load_agents(path: Path) -> tuple[Agent, ...]:
    """Reads agents.yaml.  InputError with file, line and key for whatever is wrong."""
    return YamlDocument.read(path).parse(_AgentsFile).agents


def place_simulated(agents: Sequence[Agent], uris: Mapping[str, str]) -> tuple[Agent, ...]:
    """Gives simulated agents the address of their phone in the simulated world: {agent id: sip uri}.

    InputError when a simulated agent has none: it would be reserved and could never be rung.
    """
    placed = []
    for agent in agents:
        if agent.sip == SIMULATED:
            if agent.id not in uris:
                raise InputError(
                    f"agent {agent.id} is simulated, and the simulated world has no such phone",
                    "Give the agent a SIP address, disable it, or add its phone to the simulated world.",
                    key=f"agents.{agent.id}.sip",
                )
            agent = agent.model_copy(update={"sip": uris[agent.id]})
        placed.append(agent)
    return tuple(placed)


@dataclass(frozen=True)
class Unqualified:
    """Why an agent is not rung: the rule, its reason code and the words for a person."""

    rule: str
    reason: str
    zh: str

    @property
    def shown(self) -> str:
        """For a person."""
        return f"{self.zh} ({self.rule})"


class Qualification(Protocol):
    """Says why an agent may not take calls now, or None when they may."""

    def __call__(self, agent: Agent) -> Unqualified | None: ...


class GateQualification:
    """Asks the gate `transfer` about the person before each reservation: certificates expire at midnight."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate, self._clock = gate, clock

    def __call__(self, agent: Agent) -> Unqualified | None:
        # The debtor's wait is judged when it is over; here it has not begun to count against the person.
        decision = self._gate.decide("transfer", {"agent": agent.facts(today(self._clock)), "wait_s": 0.0})
        if decision.allowed:
            return None
        first = decision.refusals[0]
        return Unqualified(first.rule, first.reason, first.zh)
