"""Scripts of rehearsals: calls with what is said and what must come of it, in one YAML file.

a promise:
  flags: [before_due]                                   # facts of the case that hold; optional
  today: 2025-11-24                                     # the day of the call; optional
  said: ["是我", "<verified>", "下周三还|date=2025-12-03", [对, 对的]]
  intents: [C.yes_self, any, A.will_date, C.yes]        # what each is taken for; optional
  lines: ["C.verify", "A.post", "A.ptp", "C.bye"]       # ids that answer, several joined by +; optional
  stages: ["verify", "matter", "promise", "promise"]    # where the call stands then; optional
  command: {action: hangup, disposition: PTP}           # of the last answer; null: none; optional

Several texts in one place are other ways to say the same: a call is as written when one of them comes out so.
`any` in intents, lines or stages is whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from dialogs.manifest import Manifest
from dialogs.policy import DialogPolicy
from dialogs.rehearsal import Answer, Rehearsal
from voicebot.speech.understanding import values_in
from voicebot.yaml_document import YamlDocument

ANY = "any"
"""In `intents`, `lines` or `stages`: whatever it is."""
Texts = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(lambda one: [one] if isinstance(one, str) else one),
]


class ScriptedCall(BaseModel):
    """One call of a script.  `command` left out: anything may come of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flags: tuple[str, ...] = ()
    today: date | None = None
    said: tuple[Texts, ...]
    intents: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    command: dict[str, Any] | None = None

    @model_validator(mode="after")
    def one_for_each(self) -> ScriptedCall:
        for name in ("intents", "lines", "stages"):
            given = getattr(self, name)
            if given and len(given) != len(self.said):
                raise ValueError(f"{name} has {len(given)} entries for {len(self.said)} things said")
        return self

    def spoken(self) -> Iterator[tuple[str, ...]]:
        """The things said, in as many ways as the place with the most texts has."""
        for number in range(max((len(texts) for texts in self.said), default=1)):
            yield tuple(texts[number % len(texts)] for texts in self.said)


class Script(RootModel[dict[str, ScriptedCall]]):
    """The calls by name."""


@dataclass(frozen=True)
class Outcome:
    """What a scripted call came to; `faults` say where it went another way than written."""

    name: str
    answers: tuple[Answer, ...]
    faults: tuple[str, ...]

    @property
    def exit(self) -> str:
        """The way out that the call took, as `exits_of` writes them; empty when it is still going on."""
        command = self.answers[-1].command
        return _exit(command.action, command.disposition, command.stop_list) if command else ""

    @property
    def exits(self) -> set[str]:
        """Every way out that the call took: a handoff that failed goes on."""
        commands = [answer.command for answer in self.answers if answer.command]
        return {_exit(one.action, one.disposition, one.stop_list) for one in commands}


def load_script(path: Path) -> Mapping[str, ScriptedCall]:
    """InputError with file and line when the script is written wrongly."""
    return YamlDocument.read(path).parse(Script).root


async def rehearse(
    policy: DialogPolicy, manifest: Manifest, name: str, call: ScriptedCall, today: date
) -> Outcome:
    """Plays one scripted call until it comes out as written, said in each of the ways that the script has for
    it; else the first of them tells what went otherwise.

    TrackError for a fact or event that there is not, DialogUnavailable.
    """
    first: Outcome | None = None
    for spoken in call.spoken():
        outcome = await _once(policy, manifest, name, call, spoken, call.today or today)
        if not outcome.faults:
            return outcome
        first = first or outcome
    assert first is not None, "a call is played once at least"
    return first


async def _once(
    policy: DialogPolicy,
    manifest: Manifest,
    name: str,
    call: ScriptedCall,
    spoken: tuple[str, ...],
    today: date,
) -> Outcome:
    faults: list[str] = []
    flags = {flag: True for flag in call.flags}
    async with Rehearsal(policy, manifest, today=today, flags=flags, read=values_in) as talk:
        for number, said in enumerate(spoken):
            if talk.over:
                faults.append(f"{said!r} is not heard any more: the call was over")
                break
            answer = await talk.hear(said)
            faults += _differs(call, number, answer)
            faults += _unspeakable(manifest, answer)
        faults += _ended(call, talk.now)
        return Outcome(name, tuple(talk.answers), tuple(faults))


def _differs(call: ScriptedCall, number: int, answer: Answer) -> list[str]:
    faults = []
    if answer.reply.degraded:
        faults.append(f"{answer.heard!r}: the engine did not answer")
    for what, wanted, given in (
        ("intent", call.intents[number : number + 1], answer.intent),
        ("lines", call.lines[number : number + 1], answer.ids),
        ("stage", call.stages[number : number + 1], answer.stage),
    ):
        if wanted and wanted[0] not in (ANY, given):
            heard = f"{answer.heard!r}, taken for {answer.intent or 'an event'}"
            faults.append(f"{heard}: {what} {given or 'none'}, not {wanted[0] or 'none'}")
    return faults


def _unspeakable(manifest: Manifest, answer: Answer) -> list[str]:
    """Lines that the player would refuse at this level, or to this listener."""
    lines = [manifest.lines[one.id] for one in answer.lines]
    return [
        f"{answer.heard!r}: {line.id} needs {line.listener} at v{line.level}; "
        f"here is {answer.listener} at v{answer.level}"
        for line in lines
        if line.level > answer.level or line.listener not in ("unknown", answer.listener)
    ]


def _ended(call: ScriptedCall, last: Answer) -> list[str]:
    if "command" not in call.model_fields_set:
        return []
    if call.command is None:
        return [] if last.command is None else [f"it ended with {last.command.disposition}"]
    if last.command is None:
        return [f"it did not end: {call.command}"]
    return [
        f"{key} {getattr(last.command, key, None)!r}, not {wanted!r}"
        for key, wanted in call.command.items()
        if getattr(last.command, key, None) != wanted
    ]


def _exit(action: str, disposition: str, stop_list: str | None) -> str:
    return f"{action} {disposition}" + (f" + {stop_list}" if stop_list else "")


def exits_of(steps: list[Any]) -> set[str]:
    """The ways out that a track's steps have: hang-ups and handoffs, with what they write."""
    ends = {_exit("hangup", step.end, step.stop_list) for step in steps if step.end}
    return ends | {_exit("handoff", step.handoff, step.stop_list) for step in steps if step.handoff}
