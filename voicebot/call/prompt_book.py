"""The only way from an approved line to sound.

A prompt is a line of the pinned digest with its typed slots filled in, joined from clauses that were
rendered before the call.  The book refuses a line of another digest, a line above the level that the
callee has reached, and a slot value outside its closed set: nothing else can be spoken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from dialogs.manifest import Manifest
from voicebot.speech.spoken.slots import speak
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.tts.clauses import split, spoken_length

CaseSlots = Mapping[str, tuple[str, str]]
"""Name → (type, value) of the ledger."""


class LineRefused(RuntimeError):
    """This line may not be spoken here and now.  Names the line and the rule, never a slot's value."""


@dataclass(frozen=True)
class Prompt:
    """A line ready to be played."""

    line_id: str
    text: str
    wav: Path
    seconds: float


class PromptBook:
    """The prompts of one call.  `folder` receives the joined files; it belongs to the call."""

    def __init__(
        self,
        manifest: Manifest,
        cache: PromptCache,
        voice: str,
        case_slots: CaseSlots,
        flags: Mapping[str, bool],
        today: date,
        folder: Path,
    ) -> None:
        if voice not in manifest.voices:
            raise LineRefused(f"voice {voice} is not approved for {manifest.track} {manifest.version}")
        self._manifest, self._cache, self._voice = manifest, cache, voice
        self._case, self._flags, self._today, self._folder = case_slots, flags, today, folder
        self._run_slots = frozenset(n for n, s in manifest.slots.items() if s.when == "run")
        self._numbers = itertools.count(1)

    def missing_clauses(self) -> list[str]:
        """Texts of this case that are not rendered yet."""
        return self._cache.missing(self._voice, self.clauses())

    def clauses(self) -> list[str]:
        """Every clause that any line of the track could need for this case, without run-time slots.

        Raises LineRefused when the ledger lacks a slot: then there is no call.
        """
        texts: dict[str, None] = {}
        for line in self._manifest.lines.values():
            if not self._missing_flags(line.flags):
                for clause in self._parts(line.text):
                    if not self._is_run_slot(clause):
                        texts[self._filled(line.id, clause)] = None
        return list(texts)

    def prompt(self, line_id: str, run_slots: Mapping[str, str], *, level: int, listener: str) -> Prompt:
        """The line as a playable file.  Raises LineRefused, or FileNotFoundError for an unrendered clause."""
        spoken = self._spoken(line_id, run_slots, level, listener)
        wav = self._folder / f"{next(self._numbers):03d}-{line_id}.wav"
        seconds = self._cache.assemble(self._voice, spoken, wav)
        return Prompt(line_id, "".join(spoken), wav, seconds)

    def text(self, line_id: str, run_slots: Mapping[str, str], *, level: int, listener: str) -> str:
        """The line as it would be spoken, for a person to read.  Raises LineRefused."""
        return "".join(self._spoken(line_id, run_slots, level, listener))

    def _spoken(self, line_id: str, run_slots: Mapping[str, str], level: int, listener: str) -> list[str]:
        line = self._manifest.lines.get(line_id)
        if line is None:
            raise LineRefused(f"line {line_id} does not belong to digest {self._manifest.digest[:12]}")
        if line.level > level:
            raise LineRefused(f"line {line_id} needs level {line.level}, the call has reached {level}")
        if line.listener not in ("unknown", listener):
            raise LineRefused(f"line {line_id} is for the {line.listener}, not for the {listener}")
        if missing := self._missing_flags(line.flags):
            raise LineRefused(f"line {line_id} needs the ledger's word for {', '.join(missing)}")
        return [self._clause(line_id, clause, run_slots) for clause in self._parts(line.text)]

    def _clause(self, line_id: str, clause: str, run_slots: Mapping[str, str]) -> str:
        if not self._is_run_slot(clause):
            return self._filled(line_id, clause)
        name = clause.strip("{}")
        if name not in run_slots:
            raise LineRefused(f"line {line_id} needs a value for {name}")
        return speak_run_slot(self._manifest, name, run_slots[name], self._today)

    def _parts(self, template: str) -> list[str]:
        """The line's clauses; punctuation that stands alone behind a run-time slot has no sound."""
        return [part for part in split(template, self._run_slots) if spoken_length(part) > 0]

    def _is_run_slot(self, clause: str) -> bool:
        return clause[:1] == "{" and clause.strip("{}") in self._run_slots

    def _missing_flags(self, flags: Iterable[str]) -> list[str]:
        return [flag for flag in flags if not self._flags.get(flag)]

    def _filled(self, line_id: str, clause: str) -> str:
        for name, spec in self._manifest.slots.items():
            if spec.when == "case" and f"{{{name}}}" in clause:
                if name not in self._case or self._case[name][1] == "":
                    raise LineRefused(
                        f"line {line_id} needs the case's {name}, which the ledger does not have"
                    )
                kind, value = self._case[name]
                clause = clause.replace(f"{{{name}}}", speak(kind, value, self._today))
        if "{" in clause:
            raise LineRefused(f"line {line_id} has a slot that is not declared")
        return clause


def speak_run_slot(manifest: Manifest, name: str, value: str, today: date) -> str:
    """The words for a run-time value.  Raises LineRefused when the value is outside the slot's closed set."""
    if value not in run_values(manifest, name, today):
        raise LineRefused(f"{name} has a value outside its closed set")
    return speak(manifest.slots[name].type, value, today)


def run_values(manifest: Manifest, name: str, today: date) -> list[str]:
    """The closed set of a run-time slot: its listed values, or the dates of its next `days` days."""
    spec = manifest.slots[name]
    if spec.days:
        return [(today + timedelta(days=ahead)).isoformat() for ahead in range(spec.days)]
    return list(spec.values)


def run_clauses(manifest: Manifest, today: date) -> list[str]:
    """The words of every run-time value, to be rendered once for all calls of a day."""
    return [
        speak(spec.type, value, today)
        for name, spec in manifest.slots.items()
        if spec.when == "run"
        for value in run_values(manifest, name, today)
    ]
