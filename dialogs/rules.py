"""From stages and groups to single rules: for every stage, intent and combination of facts, one step.

A stage's own replies come first (by name, then by a pattern such as `A.*`), then those of its groups in
order and of the group `everywhere` (by name in any of them, then by pattern).  The steps of a cell are tried
in order and become rules with disjoint conditions, so that the engine never has to choose between two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dialogs.track import Track
from dialogs.track_file import StepModel, WhenModel
from dialogs.yaml_lines import Loc

EVENTS = (
    "event.silence",
    "event.not_understood",
    "event.key",
    "event.machine",
    "event.verified",
    "event.not_verified",
    "event.handoff_failed",
    "event.returned",
    "event.time_up",
    "event.hangup",
)
START = "event.start"
START_STAGE = "start"
DOMAINS: dict[str, tuple[object, ...]] = {
    "nth": (1, 2, 3),
    "asks": (0, 1, 2),
    "date": ("none", "near", "far"),
    "time": ("none", "given", "outside"),
    "offer": ("none", "below", "alt", "plan"),
    "machine": ("voicemail", "assistant"),
}
Facts = tuple[tuple[str, object], ...]
Place = tuple[Loc, dict[str, list[StepModel]]]


@dataclass(frozen=True)
class Cell:
    """What one stage does with one intent or event.  `unlikely`: covered by a pattern only."""

    stage: str
    intent: str
    loc: Loc
    steps: tuple[StepModel, ...]
    unlikely: bool

    @property
    def place(self) -> str:
        """Where the reply stands: a stage or a group that many stages share."""
        return f"{self.loc[0]}.{self.loc[1]}"


@dataclass(frozen=True)
class Rule:
    """In `stage`, with `facts`, after `intent`: `step`, which stands at `place`."""

    stage: str
    place: str
    intent: str
    facts: Facts
    step: StepModel
    loc: Loc
    "Where the reply stands in the files."


def cells(track: Track) -> Iterator[Cell]:
    """Every cell of the track.  TrackError names the first stage and intent without a reply."""
    for stage in track.stages:
        wanted = (START,) if stage == START_STAGE else (*track.bank.intents, *EVENTS)
        for intent in wanted:
            if intent not in track.stages[stage].reads:
                yield _cell(track, stage, intent)


def rules(track: Track) -> Iterator[Rule]:
    """Every rule, in the order of the files.  TrackError when a combination of facts has no step."""
    for cell in cells(track):
        yield from _expand(track, cell, cell.steps, {})


def _cell(track: Track, name: str, intent: str) -> Cell:
    stage = track.stages[name]
    for group in stage.group:
        if group not in track.groups:
            raise track.error(f"there is no group {group!r}", ("stages", name, "group"), "Correct the name.")
    own: Place = (("stages", name, "replies"), stage.replies)
    shared: list[Place] = [
        (("groups", group), track.groups.get(group, {})) for group in (*stage.group, "everywhere")
    ]
    for (loc, replies), key in _order(intent, own, shared):
        if key in replies:
            return Cell(name, intent, (*loc, key), tuple(replies[key]), unlikely="*" in key)
    raise track.error(f"stage {name} has no reply to {intent}", ("stages", name), "Add one.")


def _order(intent: str, own: Place, shared: list[Place]) -> Iterator[tuple[Place, str]]:
    """Where a reply is looked for: the stage by name and pattern, the groups by name, then by pattern."""
    pattern = f"{intent.split('.')[0]}.*"
    yield own, intent
    yield own, pattern
    for key in (intent, pattern):
        for place in shared:
            yield place, key


def _expand(track: Track, cell: Cell, steps: Sequence[StepModel], known: dict[str, object]) -> Iterator[Rule]:
    """One rule for each way through the steps, asking only for the facts that decide."""
    if not steps:
        said = ", ".join(f"{name} {value}" for name, value in known.items())
        raise track.error(f"no step for {said}", cell.loc, "Add a last step without `when`.")
    wanted = _wanted(steps[0].when)
    if any(name in known and known[name] != value for name, value in wanted.items()):
        yield from _expand(track, cell, steps[1:], known)
        return
    open_fact = next((name for name in wanted if name not in known), None)
    if open_fact is None:
        facts = tuple(sorted(known.items()))
        yield Rule(cell.stage, cell.place, cell.intent, facts, steps[0], cell.loc)
        return
    for value in DOMAINS.get(open_fact, (True, False)):
        yield from _expand(track, cell, steps, {**known, open_fact: value})


def _wanted(when: WhenModel) -> dict[str, object]:
    wanted = {name: value for name in DOMAINS if (value := getattr(when, name)) is not None}
    wanted |= {f"flag_{flag}": True for flag in when.flag}
    wanted |= {f"flag_{flag}": False for flag in when.no_flag}
    if when.said is not None:
        wanted[f"said_{when.said}"] = True
    return wanted
