"""A talk track: what a reviewer approves.  Lines, typed slots, stages, and for every stage what follows
each intent and event.  The digest names exactly these bytes, the utterance bank, the lint version and
the voices."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialogs.bank import Bank
from dialogs.errors import TrackError
from dialogs.track_file import GuardModel, MarkModel, SlotModel, StageModel, StepModel, TrackFile
from dialogs.yaml_lines import Loc, YamlFile

SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Line:
    """An approved text.  `listener`: unknown (anybody), debtor, contact or agent; `level` 0..2."""

    id: str
    text: str
    listener: str
    level: int
    flags: tuple[str, ...] = ()
    asks: bool = False
    "True when the line asks for a promise (at most two of these a call)."
    most: int = 0
    "`ask` speaks it so often in a call at most; 0: without limit."
    filler: bool = False
    "True when it carries nothing by itself."

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots in the text, in order."""
        return tuple(SLOT.findall(self.text))


@dataclass(frozen=True)
class SlotSpec:
    """A typed slot.  Run-time slots take a value of `values`, or a date of the next `days` days."""

    type: str
    when: str
    values: tuple[str, ...] = ()
    days: int = 0
    default: str = ""


@dataclass(frozen=True)
class Track:
    """A whole track with its included files.  `places` finds the file and line of a line or stage."""

    path: Path
    id: str
    version: int
    purpose: str
    institution: str
    lint: int
    language: str
    voices: tuple[str, ...]
    digest: str
    lines: dict[str, Line]
    slots: dict[str, SlotSpec]
    flags: tuple[str, ...]
    thresholds: dict[str, float]
    limits: dict[str, int]
    groups: dict[str, dict[str, list[StepModel]]]
    stages: dict[str, StageModel]
    marks: dict[str, MarkModel]
    guards: list[GuardModel]
    bank: Bank
    files: tuple[YamlFile, ...] = field(repr=False)

    @classmethod
    def load(cls, path: Path | str) -> Track:
        """Reads the track, what it includes and its utterances.  TrackError with file and line."""
        return _Reader(Path(path)).track()

    def error(self, what: str, loc: Loc, do: str = "") -> TrackError:
        """A TrackError at `loc`, in whichever file holds it."""
        for file in self.files:
            if file.line_of(loc) is not None and _holds(file.data, loc):
                return file.error(what, loc, do)
        return TrackError(what, do, self.path, None, ".".join(map(str, loc)))

    def steps(self) -> Iterator[tuple[Loc, StepModel]]:
        """Every step of every group and stage, with its place."""
        for name, group in self.groups.items():
            for intent, steps in group.items():
                for step in steps:
                    yield ("groups", name, intent), step
        for name, stage in self.stages.items():
            for intent, steps in stage.replies.items():
                for step in steps:
                    yield ("stages", name, "replies", intent), step


def _holds(data: Any, loc: Loc) -> bool:
    for part in loc:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        main = YamlFile(path)
        self.files = [main]
        self.head = main.parse(TrackFile)
        if self.head.track is None:
            raise main.error(
                "the header `track` is missing", (), "Give id, version, purpose, institution, lint."
            )
        for name in self.head.include:
            self.files.append(YamlFile(path.parent / name))
        self.parts = [self.head, *(file.parse(TrackFile) for file in self.files[1:])]

    def track(self) -> Track:
        head = self.head.track
        assert head is not None
        lines = {
            name: Line(
                name,
                model.text,
                model.to,
                model.level,
                tuple(model.flags),
                model.asks,
                model.most,
                model.filler,
            )
            for name, model in self._joined("lines")
        }
        slots = {name: _slot(model) for name, model in self._joined("slots")}
        bank = Bank.load([self.path.parent / name for part in self.parts for name in part.utterances])
        thresholds = {"confidence": 0.3, "margin": 0.03, "unlikely": 0.3}
        for part in self.parts:
            thresholds.update(part.thresholds)
        return Track(
            path=self.path,
            id=head.id,
            version=head.version,
            purpose=head.purpose,
            institution=head.institution,
            lint=head.lint,
            language=head.language,
            voices=tuple(head.voices),
            digest=self._digest(bank),
            lines=lines,
            slots=slots,
            flags=tuple(dict.fromkeys(flag for part in self.parts for flag in part.flags)),
            thresholds=thresholds,
            limits=self.head.limits,
            groups=dict(self._joined("groups")),
            stages=dict(self._joined("stages")),
            marks=dict(self._joined("marks")),
            guards=[guard for part in self.parts for guard in part.guards],
            bank=bank,
            files=tuple(self.files),
        )

    def _joined(self, section: str) -> list[tuple[str, Any]]:
        """The entries of all files in file order; a name given in two files is refused."""
        entries: dict[str, Any] = {}
        for file, part in zip(self.files, self.parts, strict=True):
            for name, model in getattr(part, section).items():
                if name in entries:
                    raise file.error("this name is also in an including file", (section, name), "Keep one.")
                entries[name] = model
        return list(entries.items())

    def _digest(self, bank: Bank) -> str:
        return digest_of((file.path.name, file.raw) for file in [*self.files, *bank.files])


def digest_of(files: Iterable[tuple[str, bytes]]) -> str:
    """sha256 over names and bytes of a track's files, then its bank's; the header in the first file carries
    lint version and voices."""
    hashed = hashlib.sha256()
    for name, raw in files:
        hashed.update(f"{name}\0{len(raw)}\0".encode())
        hashed.update(raw)
    return hashed.hexdigest()


def _slot(model: SlotModel) -> SlotSpec:
    values = tuple(model.values)
    if model.every_min:
        first, last = (_minutes(text) for text in model.between)
        values = tuple(f"{m // 60:02d}:{m % 60:02d}" for m in range(first, last + 1, model.every_min))
    return SlotSpec(
        model.type, model.when, values, model.days, model.default or (values[0] if values else "")
    )


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)
