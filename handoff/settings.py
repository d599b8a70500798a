"""How each queue behaves: `configs/queues.yaml`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voicebot.yaml_document import YamlDocument


class Strategy(StrEnum):
    """Who of the free agents is rung first."""

    LONGEST_IDLE = "longest_idle"
    FEWEST_CALLS = "fewest_calls"


class QueueSettings(BaseModel):
    """One queue.  Times are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    "Taken from the key in the file."
    skill: str
    "An agent needs it to be rung for this queue."
    strategy: Strategy = Strategy.LONGEST_IDLE
    priority: int = 0
    "Debtors of a queue with a greater number are served first where queues share agents."
    max_wait_s: float = Field(default=20.0, gt=0)
    "From asked to accepted; at most the policy pack's transfer.max_wait_s."
    ring_s: float = Field(default=8.0, gt=0)
    "An agent's phone rings no longer than this."
    tries: int = Field(default=2, ge=1)
    "So many agents are rung for one handoff."
    accept_key: str | None = Field(default="1", pattern=r"^[0-9*#]$")
    "Pressed by the agent during or after the whisper; null: to answer is to accept, after the whisper."
    accept_s: float = Field(default=6.0, gt=0)
    "Time to press the key after the whisper's end."
    return_key: str | None = Field(default="*", pattern=r"^[0-9*#]$")
    "The agent presses it while talking to give the debtor back to the bot; null: cannot."
    wrap_up_s: float = Field(default=15.0, ge=0)
    "After a talk the agent is left alone so long."
    rest_s: float = Field(default=5.0, ge=0)
    "After a call not taken, so long before the next one rings there."
    max_talk_s: float = Field(default=3600.0, gt=0)
    "A seat that is said to be talking longer than this is freed: the word of its end was lost."
    hold: str = "tone"
    "What a waiting debtor hears: `tone` (made by us) or a WAV file, 8 kHz mono 16 bit."
    hold_line: str | None = None
    "Approved line spoken before hold; null: the talk track has said it."
    whisper_line: str = "W.brief"
    "Approved line with which the agent is briefed."
    gone_line: str | None = None
    "Approved line for an agent whose debtor hung up; null: only the hang-up."
    fallback: Literal["callback", "bot"] = "callback"
    "When nobody could be had: a call-back is agreed, or the bot goes on."

    @model_validator(mode="after")
    def _fits(self) -> QueueSettings:
        if self.ring_s * self.tries > self.max_wait_s:
            raise ValueError(
                f"ring_s x tries is {self.ring_s * self.tries:g} s, max_wait_s only {self.max_wait_s:g} s"
            )
        if self.accept_key is not None and self.accept_key == self.return_key:
            raise ValueError("accept_key and return_key are the same key")
        return self

    @property
    def lease_s(self) -> float:
        """A reservation that was neither released nor bridged after this is void."""
        return self.max_wait_s + _LEASE_MARGIN_S


_LEASE_MARGIN_S = 5.0
"""For the answers of worker and supervisor to cross; a living worker releases long before."""


class _QueuesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    queues: dict[str, QueueSettings] = Field(min_length=1)


def load_queues(path: Path, wait_limit_s: float | None = None) -> dict[str, QueueSettings]:
    """Reads queues.yaml.  `wait_limit_s` is the policy pack's transfer.max_wait_s; a worker, whose supervisor
    has checked the same file, leaves it out.

    InputError with file, line and key for whatever is wrong.
    """
    document = YamlDocument.read(path)
    found = document.parse(_QueuesFile).queues
    for name, queue in found.items():
        if wait_limit_s is not None and queue.max_wait_s > wait_limit_s:
            raise document.error(
                f"a wait of {queue.max_wait_s:g} s is longer than the policy pack allows",
                ("queues", name, "max_wait_s"),
                f"Its transfer.max_wait_s is {wait_limit_s:g}.",
            )
    return {name: queue.model_copy(update={"name": name}) for name, queue in found.items()}
