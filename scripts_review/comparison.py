"""What changed in meaning between two versions of a talk track: line by line and step by step.

Order and comments of the files do not count.  What a reader must not miss carries a warning: a line that
more people may hear, a fact that need not be vouched for any more, a way out that is gone.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dialogs.track import Line, Track
from dialogs.track_file import StageModel, StepModel
from scripts_review.reading import LISTENERS, condition, groups_of, step_line

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
SHORTEST_KEPT = 2
"""Fewer equal characters between two changes are shown as changed: single ones make it unreadable."""
EXAMPLES = 4
WAYS_OUT = ("end", "handoff", "stop_list", "hold")
Steps = Mapping[str, Mapping[str, Sequence[StepModel]]]


@dataclass(frozen=True)
class Change:
    """`section`: header, limit, slot, line, stage, reply, guard or utterances.  `detail` is for a person."""

    section: str
    place: str
    change: str
    detail: str
    warning: str = ""

    def as_dict(self) -> dict[str, str]:
        """For --json."""
        return asdict(self)

    def __str__(self) -> str:
        sign = {ADDED: "+", REMOVED: "-", CHANGED: "~"}[self.change]
        warning = f"\n    ⚠ {self.warning}" if self.warning else ""
        return f"{sign} {self.section} {self.place}: {self.detail}{warning}"


def compare(old: Track, new: Track) -> list[Change]:
    """Every change, from the header down to the utterances; empty when they mean the same."""
    return [
        *_header(old, new),
        *_values("limit", old.limits, new.limits),
        *_values("threshold", old.thresholds, new.thresholds),
        *_values(
            "slot", {k: _slot(v) for k, v in old.slots.items()}, {k: _slot(v) for k, v in new.slots.items()}
        ),
        *_lines(old, new),
        *_stages(old, new),
        *_replies(old, new),
        *_guards(old, new),
        *_utterances(old, new),
    ]


def marked(old: str, new: str) -> str:
    """The new text with the changed words marked: [-gone-] and {+new+}."""
    out, gone, come = [], "", ""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    operations = matcher.get_opcodes()
    for at, (kind, a, b, c, d) in enumerate(operations):
        inner = 0 < at < len(operations) - 1
        if kind == "equal" and not (inner and b - a < SHORTEST_KEPT):
            out.append(_mark(gone, come) + old[a:b])
            gone = come = ""
        else:
            gone, come = gone + old[a:b], come + new[c:d]
    return "".join(out) + _mark(gone, come)


def _mark(gone: str, come: str) -> str:
    return (f"[-{gone}-]" if gone else "") + (f"{{+{come}+}}" if come else "")


def _header(old: Track, new: Track) -> Iterator[Change]:
    for name in ("id", "version", "purpose", "institution", "lint", "language", "voices", "flags"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            detail = marked(before, after) if name == "purpose" else f"{_said(before)} → {_said(after)}"
            yield Change("header", name, CHANGED, detail)


def _values(section: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[Change]:
    for name in _names(old, new):
        if name not in new:
            yield Change(section, name, REMOVED, _said(old[name]))
        elif name not in old:
            yield Change(section, name, ADDED, _said(new[name]))
        elif old[name] != new[name]:
            yield Change(section, name, CHANGED, f"{_said(old[name])} → {_said(new[name])}")


def _slot(spec: Any) -> str:
    values = f", one of {len(spec.values)}: {_said(spec.values[:6])}" if spec.values else ""
    days = f", the next {spec.days} days" if spec.days else ""
    return f"{spec.type}, {spec.when}-time{values}{days}" + (
        f", default {spec.default}" if spec.default else ""
    )


def _lines(old: Track, new: Track) -> Iterator[Change]:
    for name in _names(old.lines, new.lines):
        if name not in new.lines:
            yield Change("line", name, REMOVED, old.lines[name].text)
        elif name not in old.lines:
            yield Change("line", name, ADDED, _whole_line(new.lines[name]))
        elif old.lines[name] != new.lines[name]:
            yield _changed_line(old.lines[name], new.lines[name])


def _changed_line(old: Line, new: Line) -> Change:
    parts, warnings = [], []
    if old.text != new.text:
        parts.append(marked(old.text, new.text))
        if fresh := [slot for slot in new.slots if slot not in old.slots]:
            warnings.append(f"it says {', '.join(fresh)} now")
    if old.level != new.level:
        parts.append(f"level v{old.level} → v{new.level}")
        if new.level < old.level:
            warnings.append(f"it may be heard earlier: from v{new.level} on")
    if old.listener != new.listener:
        parts.append(f"to {LISTENERS[old.listener]} → {LISTENERS[new.listener]}")
        if new.listener == "unknown":
            warnings.append("anybody may hear it")
    if old.flags != new.flags:
        parts.append(f"facts {_said(old.flags)} → {_said(new.flags)}")
        if gone := sorted(set(old.flags) - set(new.flags)):
            warnings.append(f"the ledger need not vouch for {', '.join(gone)} any more")
    told = {"id", "text", "level", "listener", "flags"}
    before, after = asdict(old), asdict(new)
    parts += [
        f"{name} {before[name]} → {after[name]}"
        for name in after
        if name not in told and before[name] != after[name]
    ]
    return Change("line", new.id, CHANGED, "; ".join(parts), "; ".join(warnings))


def _whole_line(line: Line) -> str:
    flags = f", facts {_said(line.flags)}" if line.flags else ""
    return f"{line.text}  (v{line.level}, to {LISTENERS[line.listener]}{flags})"


def _stages(old: Track, new: Track) -> Iterator[Change]:
    for name in _names(old.stages, new.stages):
        if name not in new.stages:
            yield Change("stage", name, REMOVED, f"with {len(old.stages[name].replies)} replies of its own")
        elif name not in old.stages:
            yield Change("stage", name, ADDED, f"with {len(new.stages[name].replies)} replies of its own")
        else:
            yield from _changed_stage(name, old.stages[name], new.stages[name])


def _changed_stage(name: str, old: StageModel, new: StageModel) -> Iterator[Change]:
    before = {**old.model_dump(exclude={"replies"}), "group": groups_of(old.group)}
    after = {**new.model_dump(exclude={"replies"}), "group": groups_of(new.group)}
    parts = [
        f"{key} {_said(before[key])} → {_said(after[key])}" for key in after if before[key] != after[key]
    ]
    if parts:
        rises = (new.level or 0) > (old.level or 0)
        warning = f"lines up to v{new.level} may be spoken here now" if rises else ""
        yield Change("stage", name, CHANGED, "; ".join(parts), warning)


def _replies(old: Track, new: Track) -> Iterator[Change]:
    """Steps, by the group or stage that they stand in and the intent that leads to them."""
    olds, news = _cells(old), _cells(new)
    for place in _names(olds, news):
        before, after = olds.get(place), news.get(place)
        if after is None:
            assert before is not None
            yield Change("reply", place, REMOVED, _told(old, before), _lost(before, ()))
        elif before is None:
            yield Change("reply", place, ADDED, _told(new, after))
        elif [_meaning(step) for step in before] != [_meaning(step) for step in after]:
            detail = f"\n      was {_told(old, before)}\n      now {_told(new, after)}"
            yield Change("reply", place, CHANGED, detail + _redirected(before, after), _lost(before, after))


def _cells(track: Track) -> dict[str, tuple[StepModel, ...]]:
    cells: dict[str, tuple[StepModel, ...]] = {}
    for loc, step in track.steps():
        place = f"{loc[1]} [{loc[-1]}]"
        cells[place] = (*cells.get(place, ()), step)
    return cells


def _meaning(step: StepModel) -> dict[str, Any]:
    return step.model_dump(exclude_defaults=True)


def _told(track: Track, steps: Sequence[StepModel]) -> str:
    return " ｜ ".join(step_line(track, step) for step in steps)


def _redirected(old: Sequence[StepModel], new: Sequence[StepModel]) -> str:
    goes = {condition(step): step.go for step in old}
    parts = [
        f"{goes[condition(step)]} → {step.go}"
        for step in new
        if condition(step) in goes and goes[condition(step)] != step.go
    ]
    return f"\n      redirected: {'; '.join(parts)}" if parts else ""


def _lost(old: Sequence[StepModel], new: Sequence[StepModel]) -> str:
    """Ways out that the old steps had and the new ones have not."""
    lost = [
        f"{name} {value}"
        for name in WAYS_OUT
        for value in sorted({str(getattr(step, name)) for step in old if getattr(step, name)})
        if value not in {str(getattr(step, name)) for step in new}
    ]
    return f"gone: {', '.join(lost)}" if lost else ""


def _guards(old: Track, new: Track) -> Iterator[Change]:
    befores = {f"{guard.intent} {_said(guard.phrases)}": guard for guard in old.guards}
    afters = {f"{guard.intent} {_said(guard.phrases)}": guard for guard in new.guards}
    for place in _names(befores, afters):
        before, after = befores.get(place), afters.get(place)
        if before != after:
            change = CHANGED if before and after else ADDED if after else REMOVED
            yield Change("guard", place.split()[0], change, place.partition(" ")[2])


def _utterances(old: Track, new: Track) -> Iterator[Change]:
    for intent in _names(old.bank.intents, new.bank.intents):
        before = old.bank.intents.get(intent, ())
        after = new.bank.intents.get(intent, ())
        come = [text for text in after if text not in before]
        gone = [text for text in before if text not in after]
        if come or gone:
            change = CHANGED if before and after else ADDED if after else REMOVED
            parts = [f"{len(before)} → {len(after)}"]
            parts += [f"+{len(come)} {_said(come[:EXAMPLES])}"] if come else []
            parts += [f"-{len(gone)} {_said(gone[:EXAMPLES])}"] if gone else []
            yield Change("utterances", intent, change, "; ".join(parts))


def _names(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys([*old, *new]))


def _said(value: object) -> str:
    if isinstance(value, list | tuple | frozenset | set):
        return "、".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)
