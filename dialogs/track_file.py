"""The shape of a talk-track file, as people write it.  Every key is checked; unknown keys are refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SlotType = Literal["money", "date", "name", "text", "tail", "time", "count", "number"]
Listener = Literal["unknown", "debtor", "contact"]
Expects = Literal["yes_no", "digits", "date", "time", "open", "story"]
Time = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class HeaderModel(_Part):
    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    purpose: str
    institution: Literal["bank", "agency"]
    "bank speaks for itself; agency must say on whose behalf it calls."
    lint: int
    "Version of the lint rules that the track was written for."
    language: str = "zh-CN"
    voices: list[str] = Field(min_length=1)
    "Voices that may speak the track; the first is the usual one."


class LineModel(_Part):
    to: Literal["unknown", "debtor", "contact", "agent"]
    level: int = Field(ge=0, le=2)
    text: str = Field(min_length=1)
    flags: list[str] = Field(default_factory=list)
    "Facts that the ledger must vouch for before the line may be spoken."
    asks: bool = False
    "The line asks for a promise: at most `limits.asks` of these are spoken in a call."
    most: int = Field(0, ge=0)
    "`ask` speaks it so often in a call at most; 0: without limit."
    filler: bool = False
    "It carries nothing by itself: it is not what is said again to somebody who did not hear."


class SlotModel(_Part):
    type: SlotType
    when: Literal["case", "run"]
    values: list[str] = Field(default_factory=list)
    days: int = Field(0, ge=0, le=90)
    between: tuple[Time, Time] = ("08:00", "21:45")
    every_min: int = Field(0, ge=0)
    default: str = ""

    @model_validator(mode="after")
    def _closed(self) -> SlotModel:
        if self.when == "run" and not (self.values or self.days or self.every_min):
            raise ValueError("a run-time slot needs a closed set: values, days or every_min")
        if self.type == "text" and not self.values:
            raise ValueError("a text comes from a closed list: give its values, or use the type name")
        if self.default and self.values and self.default not in self.values:
            raise ValueError("the default is not one of the values")
        return self


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


OneOrMore = BeforeValidator(_listed, json_schema_input_type=str | list[str])
Flags = Annotated[tuple[str, ...], OneOrMore]


class WhenModel(_Part):
    """Conditions of a step; a missing key matches everything."""

    nth: Literal[1, 2, 3] | None = None
    "How often this intent came in this call (silence and not_understood: in a row); 3 means 3 or more."
    asks: Literal[0, 1, 2] | None = None
    "Asks for a promise so far; 2 means 2 or more."
    date: Literal["none", "near", "far"] | None = None
    "The date that was just named: near is within the limit `near_days`."
    time: Literal["none", "given", "outside"] | None = None
    "The time of day that was just named: outside is a time at which nobody may be called."
    offer: Literal["none", "below", "alt", "plan"] | None = None
    "What was just offered a month: enough for the approved plan, for the smaller one (alt), or below both."
    said: str | None = None
    "A mark of the track: these words were among what was said, whatever the intent."
    machine: Literal["voicemail", "assistant"] | None = None
    flag: Flags = ()
    "All of these hold for the case."
    no_flag: Flags = ()
    "None of these holds."


class StepModel(_Part):
    """What the bot says and does next."""

    when: WhenModel = WhenModel()
    say: list[str] = Field(default_factory=list)
    ask: bool = False
    "Speaks the stage's own question again, after `say`."
    repeat: bool = False
    "Speaks again what was said last in this stage, after `say`."
    go: str | None = None
    "The next stage; without it the call stays where it is."
    end: str | None = None
    "Hangs up with this disposition."
    handoff: str | None = None
    "Asks for an agent; the disposition when that succeeds."
    keeps_matter: bool = False
    "With `end`: the disposition of a failed handoff stays, when it said more than HUMAN."
    queue: str = "general"
    reason: str = ""
    priority: bool = False
    stop_list: str | None = None
    hold: Literal["open_complaint", "open_dispute", "paid_unconfirmed", "legal_hold"] | None = None
    slots: list[str] = Field(default_factory=list)
    "Run-time slots that the command carries."
    today: bool = False
    "Takes today as the promised date when none was named."
    sets: dict[str, str] = Field(default_factory=dict)
    "Run-time slots that take a value of their closed set."

    @model_validator(mode="after")
    def _one_way_out(self) -> StepModel:
        if self.end and self.handoff:
            raise ValueError("a step ends or hands over, not both")
        if self.end and (self.go or self.ask or self.repeat):
            raise ValueError("a step that ends leads nowhere else")
        if self.repeat and (self.go or self.ask or self.handoff):
            raise ValueError("a step that repeats stays where it is")
        if self.handoff and not self.reason:
            raise ValueError("a handoff needs a reason of the closed list")
        return self


def _steps(value: object) -> object:
    return value if isinstance(value, list) else [value]


Steps = Annotated[
    list[StepModel],
    Field(min_length=1),
    BeforeValidator(_steps, json_schema_input_type=StepModel | list[StepModel]),
]


class TakeModel(_Part):
    """A value that was said makes the turn this intent, unless the intent is clearly another one."""

    intent: str
    over: list[str]


class StageModel(_Part):
    group: Annotated[tuple[str, ...], Field(min_length=1), OneOrMore]
    "Where replies are looked for that the stage does not give itself: one group or several, in order."
    level: int | None = Field(None, ge=0, le=2)
    "Verification in this stage.  None: a side stage, which keeps what was reached."
    listener: Listener | None = None
    expects: Expects = "open"
    "What is asked for; `story`: the callee is to talk freely and is given time."
    persuading: bool = False
    "The time spent here counts against `limits.persuading_s`."
    keeps_open: bool = False
    "No time limit ends the call here: a person is on the way."
    ask: list[str] = Field(default_factory=list)
    reads: dict[str, str] = Field(default_factory=dict)
    "Here the one intent means the other, and counts as it."
    takes: dict[Literal["date", "time", "money"], TakeModel] = Field(default_factory=dict)
    replies: dict[str, Steps] = Field(default_factory=dict)


class GuardModel(_Part):
    """Phrases that decide an intent whatever the classifier says, matched by sound."""

    intent: str
    phrases: list[str] = Field(min_length=1)
    "Characters as heard; `*` stands for up to four syllables between them."
    unless: list[str] = Field(default_factory=list)
    over: list[str] = Field(default_factory=list)
    "Only these results are overruled; empty: all."
    whole: bool = False
    "The phrase must be all that was said."


class MarkModel(_Part):
    """Words that a rule may ask for beside the intent, matched as guards are."""

    phrases: list[str] = Field(min_length=1)
    unless: list[str] = Field(default_factory=list)


class TrackFile(_Part):
    track: HeaderModel | None = None
    include: list[str] = Field(default_factory=list)
    utterances: list[str] = Field(default_factory=list)
    thresholds: dict[str, float] = Field(default_factory=dict)
    "confidence: least for an intent; margin to the second; weight of an `unlikely` intent."
    limits: dict[str, int] = Field(default_factory=dict)
    "asks (for a promise), persuading_s and call_s (seconds), near_days (a date within is taken as it is)."
    flags: list[str] = Field(default_factory=list)
    slots: dict[str, SlotModel] = Field(default_factory=dict)
    lines: dict[str, LineModel] = Field(default_factory=dict)
    groups: dict[str, dict[str, Steps]] = Field(default_factory=dict)
    stages: dict[str, StageModel] = Field(default_factory=dict)
    marks: dict[str, MarkModel] = Field(default_factory=dict)
    guards: list[GuardModel] = Field(default_factory=list)

    @model_validator(mode="after")
    def _known_numbers(self) -> TrackFile:
        for given, known in (
            (self.thresholds, {"confidence", "margin", "unlikely"}),
            (self.limits, {"asks", "persuading_s", "call_s", "near_days"}),
        ):
            if unknown := set(given) - known:
                raise ValueError(f"unknown {sorted(unknown)[0]!r}; allowed: {', '.join(sorted(known))}")
        return self
