"""The results of the simulated world: one JSON line a call, of each end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from sip.cause import Cause

CALLEES, AGENTS = "callees.jsonl", "agents.jsonl"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @classmethod
    def read(cls, path: Path) -> Iterator[Self]:
        """The lines of a file; none when it isn't there."""
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                yield cls.model_validate_json(line)

    def append_to(self, path: Path) -> None:
        """Adds the line in one write: several processes share the file."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, (self.model_dump_json() + "\n").encode())
        finally:
            os.close(handle)


class Said(_Line):
    """One utterance.  Seconds since the answer."""

    text: str
    start_s: float
    end_s: float


class SipResult(_Line):
    code: int
    reason: str

    @classmethod
    def of(cls, cause: Cause) -> SipResult:
        return cls(code=cause.code, reason=cause.reason)


class CalleeResult(_Line):
    """One call as its callee saw it."""

    scenario: str
    suffix: str
    "The last two digits of the called number."
    process: str
    sip_call_id: str
    attempt_id: str = ""
    "Of the INVITE's X-Voicebot-Attempt: benchmarks send it, to lay both ends' measurements side by side."
    sip: SipResult
    answered: bool
    hung_up_by: Literal["bot", "callee"]
    seconds: float
    "From the answer (or, unanswered, from the INVITE) to the end."
    gave_up: bool = False
    "The callee hung up because the bot said nothing any more or did not hang up."
    repeated: int = 0
    "How often the callee said something again because the bot did not answer."
    steps_left: int = 0
    said: list[Said] = Field(default_factory=list)
    keys: str = ""
    first_bot_s: float | None = None
    greeting: dict[str, Any] | None = None
    turns: list[dict[str, Any]] = Field(default_factory=list)
    "As `measurement.Turn`."
    barge_ins: list[dict[str, Any]] = Field(default_factory=list)
    "As `measurement.BargeIn`."
    agent_greeted_s: float | None = None
    audio: dict[str, str] = Field(default_factory=dict)
    "`heard`: WAV of what came in; `stereo`: own side on the right.  Relative to the run's folder."


class AgentResult(_Line):
    """One call as the agent's phone saw it."""

    agent: str
    sip_call_id: str
    attempt_id: str
    "From the INVITE's X-Voicebot-Attempt."
    sip: SipResult
    answered: bool
    whisper_s: float | None = None
    "Answer → end of the whisper."
    accepted: bool = False
    debtor_spoke: bool = False
    said: list[Said] = Field(default_factory=list)
    hung_up_by: Literal["agent", "bot"]
    seconds: float
    audio: dict[str, str] = Field(default_factory=dict)
