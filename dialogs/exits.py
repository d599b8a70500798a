"""Every way out of a track, and for each a script that leads to it: computed from the track's own rules.

An exit is a reply that hangs up or asks for a person.  Tests and reviewers go through all of them with the
real engine (dialogs.rehearsal), so that none is approved that nobody has tried.
"""

from __future__ import annotations

import copy
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations, cycle

from dialogs.compile import plan_of, step_data
from dialogs.rasa.call_state import CallState
from dialogs.rules import START, START_STAGE, Rule, rules
from dialogs.track import Track
from dialogs.track_file import StepModel
from dialogs.wording import spoken
from dialogs.yaml_lines import Loc

NEAR_DAYS, FAR_DAYS = 3, 45
TIMES = {"given": "18:00", "outside": "23:30"}
SAMPLE_FEN = "50000"
NOTHING = "。"
"""What a recogniser writes when it made nothing of what was said."""
REPEATS = 3
"""`nth` tells one, two, and three or more times apart."""
EXTRA_FLAGS = 2
"""So many flags beside those of the reply itself are tried to come to its stage."""
DETOUR = 3
"""The most turns that lead back to a stage which a reply has left."""
GAP = 4
"""The most characters that `*` in a phrase stands for."""


@dataclass(frozen=True)
class Heard:
    """One turn of a script: an intent with the values and words that the reply asks for."""

    intent: str
    values: tuple[tuple[str, str], ...]
    texts: tuple[str, ...]
    "What people say for it; empty for an event."

    def script(self, choice: int = 0) -> str:
        """A line for Rehearsal.hear; `choice` takes another of the texts."""
        if not self.texts:
            kind = self.intent.removeprefix("event.")
            detail = dict(self.values).get("machine", "")
            unlike = {"key": "<#>", "not_understood": NOTHING}
            return unlike.get(kind) or f"<{kind} {detail}>".replace(" >", ">")
        text = self.texts[choice % len(self.texts)]
        return "|".join([text, *(f"{name}={value}" for name, value in self.values)])


@dataclass(frozen=True)
class Exit:
    """A reply that ends the call or hands it over: step `number` at the place `loc` of the files."""

    intent: str
    loc: Loc
    step: StepModel = field(hash=False)
    number: int

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.loc))} #{self.number}: {self.step.end or self.step.handoff}"


@dataclass(frozen=True)
class Way:
    """What must be heard after the opening, with which flags, for the call to come to `exit`."""

    exit: Exit
    flags: tuple[str, ...]
    heard: tuple[Heard, ...]


@dataclass
class _Walk:
    """A call that was simulated up to here."""

    state: CallState
    heard: tuple[Heard, ...] = ()

    def copy(self) -> _Walk:
        state = copy.copy(self.state)
        state.slots, state.counts = dict(state.slots), dict(state.counts)
        state.spoken, state.last_said = dict(state.spoken), list(state.last_said)
        return _Walk(state, self.heard)


def ways(track: Track, today: date) -> tuple[list[Way], list[Exit]]:
    """A way to every exit of the track, and the exits to which none was found."""
    return _Finder(track, today).all()


class _Finder:
    def __init__(self, track: Track, today: date) -> None:
        self._track, self._today, self._plan = track, today, plan_of(track)
        self._rules: dict[tuple[str, str], list[Rule]] = {}
        self._by_stage: dict[str, list[Rule]] = {}
        for rule in rules(track):
            self._rules.setdefault((rule.stage, rule.intent), []).append(rule)
            self._by_stage.setdefault(rule.stage, []).append(rule)
        self._marks = {
            name: (_pattern(mark.phrases), _pattern(mark.unless)) for name, mark in track.marks.items()
        }
        self._known: dict[frozenset[str], list[_Walk]] = {}

    def all(self) -> tuple[list[Way], list[Exit]]:
        targets: dict[Exit, list[Rule]] = {}
        numbers: dict[Loc, list[StepModel]] = {}
        for rule in (one for found in self._rules.values() for one in found):
            steps = numbers.setdefault(rule.loc, [])
            if rule.step not in steps:
                steps.append(rule.step)
            if rule.step.end or rule.step.handoff:
                exit = Exit(rule.intent, rule.loc, rule.step, steps.index(rule.step) + 1)
                targets.setdefault(exit, []).append(rule)
        found, missing = [], []
        for exit, leading in targets.items():
            way = self._way(exit, leading)
            if way is not None:
                found.append(way)
            else:
                missing.append(exit)
        return found, missing

    def _way(self, exit: Exit, leading: list[Rule]) -> Way | None:
        for extra in range(EXTRA_FLAGS + 1):
            for rule in leading:
                for flags in self._flag_sets(rule, extra):
                    for walk in self._reached(flags):
                        if walk.state.stage == rule.stage and (heard := self._last(walk, rule)) is not None:
                            return Way(exit, tuple(sorted(flags)), heard)
        return None

    def _flag_sets(self, rule: Rule, extra: int) -> Iterator[frozenset[str]]:
        facts = dict(rule.facts)
        wanted = frozenset(flag for flag in self._track.flags if facts.get(f"flag_{flag}") is True)
        free = [flag for flag in self._track.flags if f"flag_{flag}" not in facts]
        for more in combinations(free, extra):
            yield wanted | set(more)

    def _reached(self, flags: frozenset[str]) -> list[_Walk]:
        """The shortest walk to every stage and number of asks that a call with these flags can be in."""
        if flags not in self._known:
            state = CallState(self._plan, dict.fromkeys(flags, True), self._today)
            begun = self._next(_Walk(state), self._rules[START_STAGE, START])
            walks = [] if begun is None else list(self._spread(_Walk(begun.state)))
            self._known[flags] = walks
        return self._known[flags]

    def _spread(self, start: _Walk, longest: int = 99) -> Iterator[_Walk]:
        seen, todo = {_place(start)}, deque([start])
        while todo:
            walk = todo.popleft()
            yield walk
            if len(walk.heard) - len(start.heard) >= longest:
                continue
            for rule in self._by_stage[walk.state.stage]:
                if rule.step.end:
                    continue
                after = self._next(walk, [rule])
                if after is not None and _place(after) not in seen:
                    seen.add(_place(after))
                    todo.append(after)

    def _last(self, walk: _Walk, rule: Rule) -> tuple[Heard, ...] | None:
        """The turns of the whole way, when `rule` can be brought about from here."""
        for _ in range(REPEATS):
            after = self._next(walk, [rule])
            if after is not None:
                return after.heard
            # Not yet: it wants the intent to have come more often.
            again = self._next(walk, self._rules[rule.stage, rule.intent], like=rule)
            if again is None:
                return None
            back = (one for one in self._spread(again, DETOUR) if one.state.stage == rule.stage)
            following = next(back, None)
            if following is None:
                return None
            walk = following
        return None

    def _next(self, walk: _Walk, wanted: list[Rule], like: Rule | None = None) -> _Walk | None:
        """The walk after hearing what one of the `wanted` rules asks for, when it is that rule that answers.

        `like`: another rule of the same intent that leads to no end, heard with that rule's words.
        """
        for rule in wanted:
            asked = like or rule
            if like is not None and rule.step.end:
                continue
            values = self._values(asked)
            after = walk.copy()
            intent, said = after.state.take(rule.intent, values)
            marks = {name for name in self._marks if dict(asked.facts).get(f"said_{name}")}
            facts = after.state.facts(intent, said, values.get("machine", "voicemail"), marks)
            if intent != rule.intent or not all(
                facts[name] == (value if isinstance(value, bool) else str(value))
                for name, value in rule.facts
            ):
                continue
            reply = after.state.apply(step_data(rule))
            if any(self._lacks(line["id"], after.state) for line in reply["lines"]):
                continue
            texts = self._texts(asked)
            if texts is None:
                continue
            after.heard = (*walk.heard, Heard(rule.intent, tuple(values.items()), texts))
            return after
        return None

    def _lacks(self, line: str, state: CallState) -> bool:
        return any(not state.flags.get(flag) for flag in self._track.lines[line].flags)

    def _values(self, rule: Rule) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, value in rule.facts:
            if name == "date" and value != "none":
                days = NEAR_DAYS if value == "near" else FAR_DAYS
                values["date"] = (self._today + timedelta(days=days)).isoformat()
            elif name == "time" and value != "none":
                values["time"] = TIMES[str(value)]
            elif name == "offer" and value != "none":
                values |= {"money": SAMPLE_FEN, "offer": str(value)}
            elif name == "machine":
                values["machine"] = str(value)
        return values

    def _texts(self, rule: Rule) -> tuple[str, ...] | None:
        """What people say for the rule: with its marks and without those it must not have.  None: nothing."""
        if rule.intent.startswith("event."):
            return ()
        facts = dict(rule.facts)
        known = self._track.bank.intents[rule.intent]
        wanted = {name: facts[f"said_{name}"] for name in self._marks if f"said_{name}" in facts}
        texts = [text for text in known if all(self._said(n, text) == v for n, v in wanted.items())]
        if not texts and (must := [name for name, value in wanted.items() if value]):
            phrases = cycle(one.replace("*", "") for one in self._track.marks[must[0]].phrases)
            clearest = sorted(known, key=len, reverse=True)  # beside the mark's words, more is clearer
            joined = (text + phrase for text, phrase in zip(clearest, phrases, strict=False))
            texts = [spoken(text) for text in joined if self._said(must[0], text)]
        return tuple(texts) or None

    def _said(self, mark: str, text: str) -> bool:
        phrases, exceptions = self._marks[mark]
        found = phrases is not None and phrases.search(text) is not None
        return found and not (exceptions is not None and exceptions.search(text))


def _pattern(phrases: list[str]) -> re.Pattern[str] | None:
    gap = f".{{0,{GAP}}}"
    parts = (gap.join(map(re.escape, phrase.split("*"))) for phrase in phrases)
    return re.compile("|".join(parts)) if phrases else None


def _place(walk: _Walk) -> tuple[str, int]:
    return walk.state.stage, min(walk.state.asks, 2)
