"""One simulated agent: whether and when they answer, accept, and what they say to the debtor."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voicebot.errors import InputError
from voicebot.simulate.scenario import BOT_VOICE
from voicebot.yaml_document import YamlDocument

AGENTS = Path(__file__).parent / "agents"


class AgentScript(BaseModel):
    """Times are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    "User part of the agent's address."
    voice: str = "kokoro:zm_yunxia"
    noise_dbfs: float = Field(-65.0, ge=-90, le=-55)
    does: Literal["accept", "decline", "ring_out", "ignore_whisper"] = "accept"
    "decline: 603 instead of an answer; ring_out: never answers; ignore_whisper: answers, presses nothing."
    answers_after_s: float = Field(1.2, ge=0)
    accept_key: str = Field("1", pattern=r"^[0-9*#]?$")
    "Pressed when the whisper is over; empty where answering is accepting."
    greets_after_s: float = Field(1.0, ge=0)
    "After the key: both legs are joined by then."
    greets: str
    greets_again_s: float = Field(6.0, gt=0)
    "The greeting is said again when nobody has answered it by then."
    answers: tuple[str, ...] = ()
    "One sentence after each thing the debtor says."
    says_goodbye: str
    waits_s: float = Field(12.0, gt=0)
    "A debtor who says nothing for this long is bidden goodbye."
    hangs_up: bool = True
    "After the goodbye; else the debtor must."

    @model_validator(mode="after")
    def _voice(self) -> Self:
        if self.voice == BOT_VOICE:
            raise ValueError(f"{BOT_VOICE} is the bot's voice")
        return self

    def speech(self) -> list[tuple[str, str]]:
        """(voice, text) of all that must be rendered before the call."""
        return [(self.voice, text) for text in (self.greets, *self.answers, self.says_goodbye)]


def load_agents(folder: Path = AGENTS) -> dict[str, AgentScript]:
    """Agents by id.  Raises InputError for a missing folder or a bad file."""
    found: dict[str, AgentScript] = {}
    for path in sorted(folder.glob("*.yaml")):
        document = YamlDocument.read(path)
        script = document.parse(AgentScript)
        if script.id in found:
            raise document.error(
                f"there is another agent {script.id!r}", ("id",), "Give each an id of its own."
            )
        found[script.id] = script
    if not found:
        raise InputError("there are no simulated agents", "Put one YAML file each there.", folder)
    return found
