"""Scripts of rehearsals: calls with what is said and what must come of it, in one YAML file.

a promise:
  flags: [before_due]                                   # facts of the case that hold; optional
  said: ["是我", "<verified>", "下周三还|date=2025-12-03", "对"]
  lines: ["C.verify", "A.post", "A.ptp", "C.bye"]       # ids that answer, several joined by +; optional
  stages: ["verify", "matter", "promise", "promise"]    # where the call stands then; optional
  command: {action: hangup, disposition: PTP}           # of the last answer; null: none; optional
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel, model_validator

from dialogs.manifest import Manifest
from dialogs.policy import DialogPolicy
from dialogs.rehearsal import Answer, Rehearsal
from voicebot.speech.understanding import values_in
from voicebot.yaml_document import YamlDocument

ANY = "any"
"""In `lines` or `stages`: whatever it is."""


class ScriptedCall(BaseModel):
    """One call of a script.  `command` left out: anything may come of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flags: tuple[str, ...] = ()
    said: tuple[str, ...]
    lines: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    command: dict[str, Any] | None = None

    @model_validator(mode="after")
    def one_for_each(self) -> ScriptedCall:
        for name in ("lines", "stages"):
            given = getattr(self, name)
            if given and len(given) != len(self.said):
                raise ValueError(f"{name} has {len(given)} entries for {len(self.said)} things said")
        return self


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
    """Plays one scripted call.  TrackError for a fact or event that there is not, DialogUnavailable."""
    faults: list[str] = []
    flags = {flag: True for flag in call.flags}
    async with Rehearsal(policy, manifest, today=today, flags=flags, read=values_in) as talk:
        for number, said in enumerate(call.said):
            if talk.over:
                faults.append(f"{said!r} is not heard any more: the call was over")
                break
            answer = await talk.hear(said)
            faults += _differs(call, number, answer)
        faults += _ended(call, talk.now)
        return Outcome(name, tuple(talk.answers), tuple(faults))


def _differs(call: ScriptedCall, number: int, answer: Answer) -> list[str]:
    faults = []
    if answer.reply.degraded:
        faults.append(f"{answer.heard!r}: the engine did not answer")
    for what, wanted, given in (
        ("lines", call.lines[number : number + 1], answer.ids),
        ("stage", call.stages[number : number + 1], answer.stage),
    ):
        if wanted and wanted[0] not in (ANY, given):
            heard = f"{answer.heard!r}, taken for {answer.intent or 'an event'}"
            faults.append(f"{heard}: {what} {given or 'none'}, not {wanted[0] or 'none'}")
    return faults


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
