"""One scenario: how a simulated callee answers, what they say when, and what the call must come to.

Scenarios are YAML files.  The last two digits of the called number choose one; the bot can't read them.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voicebot.errors import InputError
from voicebot.store.states import Disposition
from voicebot.yaml_document import YamlDocument

SCENARIOS = Path(__file__).parent / "scenarios"
"""The demo's scenarios."""
BOT_VOICE = "kokoro:zf_xiaoxiao"
"""Nobody in the simulated world speaks with the bot's voice."""

When = Literal["answered", "bot_started", "bot_paused", "agent_greeted", "at_once"]
AnswerKind = Literal["person", "voicemail", "announcement", "busy", "rejected", "no_answer"]
_SPEAKING = frozenset({"voicemail", "announcement"})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(_Part):
    """What happens to the INVITE."""

    kind: AnswerKind = "person"
    after_s: float = Field(default=1.2, ge=0, le=60)
    "Ringing before it happens; for `no_answer` it never does."
    text: str = ""
    "What a voicemail greets with, or a network announcement in early media (183) says."
    voice: str = "kokoro:zf_xiaoyi"
    "Who speaks that text."
    code: int = Field(default=404, ge=400, le=699)
    "Final code after an announcement."
    reason: str = ""

    @model_validator(mode="after")
    def _text_where_spoken(self) -> Self:
        if (self.kind in _SPEAKING) != bool(self.text):
            raise ValueError("`text` belongs to a voicemail or an announcement, and only there")
        return self


class Step(_Part):
    """One thing the callee does: exactly one of say, keys, wait_s, hang_up."""

    when: When = "bot_paused"
    """`bot_paused`: the bot has spoken since the last step and has been silent for a moment.
    `bot_started`: the bot has begun to speak since the last step.  `agent_greeted`: the agent's own voice
    was heard.  `at_once`: right after the last step."""
    after_s: float = Field(0.0, ge=0, le=30)
    "Seconds to let pass after that."
    say: str = ""
    keys: str = Field("", pattern=r"^[0-9*#]*$")
    wait_s: float = Field(0.0, ge=0, le=60)
    hang_up: bool = False

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum((bool(self.say), bool(self.keys), self.wait_s > 0, self.hang_up)) != 1:
            raise ValueError("a step does exactly one of say, keys, wait_s, hang_up")
        return self


class Expectation(_Part):
    """What the call must come to.  Words are compared by sound, for they went through telephone and ASR."""

    disposition: Disposition | None = None
    refused: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]*$")
    "Reason code of the gate: the number is never rung."
    promise_date: date | None = None
    handed_over: bool = False
    "An agent and the callee must have talked."
    barged_in: bool = False
    "The callee must have cut in and made the bot fall silent."
    heard: tuple[str, ...] = ()
    not_heard: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.disposition is None) == (self.refused is None):
            raise ValueError("give either disposition or refused")
        return self


class Scenario(_Part):
    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    number: str = Field(pattern=r"^\d\d$")
    "Last two digits of the called number."
    title: str = Field(min_length=1)
    voice: str = "kokoro:zm_yunxi"
    noise_dbfs: float = Field(-65.0, ge=-90, le=-55)
    "Level of the noise on the callee's line, speaking or not."
    answer: Answer = Field(default_factory=Answer)
    steps: tuple[Step, ...] = ()
    patience_s: float = Field(14.0, gt=0, le=120)
    "Without a word from the bot for this long, the callee hangs up."
    linger_s: float = Field(30.0, gt=0, le=120)
    "After the last step the callee waits this long for the bot to hang up."
    expects: Expectation

    @model_validator(mode="after")
    def _voices(self) -> Self:
        if BOT_VOICE in (self.voice, self.answer.voice):
            raise ValueError(f"{BOT_VOICE} is the bot's voice")
        if self.steps and self.answer.kind != "person":
            raise ValueError(f"a callee that is {self.answer.kind} does no steps")
        return self

    def speech(self) -> list[tuple[str, str]]:
        """(voice, text) of all that must be rendered before the call."""
        said = [(self.voice, step.say) for step in self.steps if step.say]
        return said + ([(self.answer.voice, self.answer.text)] if self.answer.text else [])


def load_scenarios(folder: Path = SCENARIOS) -> dict[str, Scenario]:
    """Scenarios by the last two digits of the number.

    Raises InputError: no file there, a bad key (with its line), or two scenarios for one number.
    """
    found: dict[str, Scenario] = {}
    for path in sorted(folder.glob("*.yaml")):
        document = YamlDocument.read(path)
        scenario = document.parse(Scenario)
        if scenario.number in found:
            raise document.error(
                f"the number {scenario.number} belongs to {found[scenario.number].id!r} already",
                ("number",),
                "Give each scenario two digits of its own.",
            )
        found[scenario.number] = scenario
    if not found:
        raise InputError("there are no scenarios", "Put one YAML file each there.", folder)
    return found


def number_of(uri: str) -> str:
    """The user part of a SIP URI or To header: `<sip:+8613800002001@host>` → `+8613800002001`."""
    return uri.split("sip:", 1)[-1].split("@", 1)[0].split(";", 1)[0].strip("<> ")


def suffix_of(number: str) -> str:
    """The last two digits of a number, masked or not: they choose the scenario."""
    return number[-2:]
