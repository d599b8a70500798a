"""What a track must keep before it is compiled.  Lint of the wording stands in scripts_review."""

from __future__ import annotations

from collections.abc import Iterator

from dialogs.asks import asked_too_often
from dialogs.debt_words import DebtWords
from dialogs.errors import TrackError
from dialogs.rules import START_STAGE, Rule, rules
from dialogs.track import Track
from dialogs.track_file import StageModel, StepModel
from dialogs.yaml_lines import Loc

MUST_HAND_OVER = ("C.ask_human", "C.dispute", "C.vulnerable", "C.self_harm")
MUST_STOP = ("C.stop_calling", "C.wrong_number", "D.refuse_contact")
COMPLAINT = "C.complaint"
DUTIES = (*MUST_HAND_OVER, *MUST_STOP, COMPLAINT)
"""What every stage of every track must understand and answer with an exit."""
LIMITS = {"asks": 2, "persuading_s": 90, "call_s": 180}
"""Every track names these limits; the most that each may be."""
YES_HERE = {"C.yes_self", "C.yes"}
"""Intents that may raise the level to 1; C.yes only as the answer to the opening question."""
GATES = "Lead to a stage of the level that was reached."
SPOKEN_BY_THE_CALL = {"C.hold", "C.handover_fault", "C.fault_bye", "C.end"}
"""Lines that the call speaks by itself: while an agent rings, on a fault, when the time is over."""


def check(track: Track, debt: DebtWords | None = None) -> list[Rule]:
    """All rules of the track.  TrackError for the first fault, at its line; `more` has the others.

    `debt`: what nobody but the verified debtor may hear; read from the lint rules when it is not given.
    """
    _raise_all(_names(track, debt or DebtWords.load()))
    found = list(rules(track))
    _raise_all(_behaviour(track, found))
    return found


def _raise_all(faults: Iterator[TrackError]) -> None:
    """One fault a place: many stages share a group, and would all say the same of it."""
    once = {(fault.where, fault.line, fault.key): fault for fault in reversed(list(faults))}
    if once:
        first, *more = reversed(once.values())
        first.more = tuple(more)
        raise first


def _names(track: Track, debt: DebtWords) -> Iterator[TrackError]:
    yield from _limits(track)
    yield from _lines(track, debt)
    yield from _phrases(track)
    for loc, step in track.steps():
        yield from _step(track, loc, step)
    for name, stage in track.stages.items():
        for line in stage.ask:
            if line not in track.lines:
                yield track.error(f"there is no line {line}", ("stages", name, "ask"), "Correct the id.")
        yield from _reads(track, name, stage)


def _behaviour(track: Track, found: list[Rule]) -> Iterator[TrackError]:
    for rule in found:
        yield from _levels(track, rule)
        yield from _duties(track, rule)
        yield from _silent(track, rule)
    yield from asked_too_often(track, found)
    yield from _reachable(track, found)
    yield from _used(track)


def _limits(track: Track) -> Iterator[TrackError]:
    for name, most in LIMITS.items():
        if name not in track.limits:
            yield track.error(f"the limit {name} is missing", ("limits",), f"Give {name}: {most} or less.")
        elif not 0 < track.limits[name] <= most:
            yield track.error(f"the limit {name} is at most {most}", ("limits", name), "Lower it.")
    for intent in DUTIES:
        if intent not in track.bank.intents:
            yield track.error(
                f"no utterances for {intent}, which every track must understand",
                ("utterances",),
                "Name the file that has them.",
            )


def _lines(track: Track, debt: DebtWords) -> Iterator[TrackError]:
    for line in track.lines.values():
        loc = ("lines", line.id)
        for slot in line.slots:
            if slot not in track.slots:
                yield track.error(f"the slot {{{slot}}} is not declared", loc, "Declare or correct it.")
        for flag in line.flags:
            if flag not in track.flags:
                yield track.error(f"the flag {flag!r} is not declared", loc, "Declare or correct it.")
        if line.listener == "agent" or (line.listener == "debtor" and line.level == 2):
            continue
        if (told := debt.found_in(line.text)) is not None:
            yield track.error(
                f"{told} may be heard by the {line.listener} at level {line.level}",
                loc,
                "Only the debtor at level 2 may hear of a debt: take it out, or raise the level.",
            )


def _phrases(track: Track) -> Iterator[TrackError]:
    for guard in track.guards:
        for intent in (guard.intent, *guard.over):
            if intent not in track.bank.intents:
                yield track.error(f"a guard names the unknown intent {intent}", ("guards",), "Correct it.")
    asked = {step.when.said for _, step in track.steps()}
    for name in track.marks:
        if name not in asked:
            yield track.error("no rule asks for this mark", ("marks", name), "Use or remove it.")


def _step(track: Track, loc: Loc, step: StepModel) -> Iterator[TrackError]:
    for name in step.say:
        if name not in track.lines:
            yield track.error(f"there is no line {name}", loc, "Correct the id or add the line.")
    if step.go is not None and step.go not in track.stages:
        yield track.error(f"there is no stage {step.go}", loc, "Correct the name or add the stage.")
    for flag in (*step.when.flag, *step.when.no_flag):
        if flag not in track.flags:
            yield track.error(f"the flag {flag!r} is not declared", loc, "Declare or correct it.")
    if step.when.said is not None and step.when.said not in track.marks:
        yield track.error(f"there is no mark {step.when.said}", loc, "Add it under `marks`.")
    if step.reason and step.reason not in track.slots["whisper_reason"].values:
        yield track.error(f"{step.reason!r} is not one of the whisper reasons", loc, "Use one of the list.")
    for name in (*step.slots, *step.sets):
        if name not in track.slots or track.slots[name].when != "run":
            yield track.error(f"{name!r} is no run-time slot", loc, "Name a slot with `when: run`.")
        elif name in step.sets and step.sets[name] not in track.slots[name].values:
            yield track.error(f"{step.sets[name]!r} is no value of {name}", loc, "Use one of its values.")


def _reads(track: Track, name: str, stage: StageModel) -> Iterator[TrackError]:
    """A stage may read a small word as something else, but never a duty away or an identity into being."""
    for intent, other in stage.reads.items():
        loc = ("stages", name, "reads", intent)
        if intent not in track.bank.intents or other not in track.bank.intents or other in stage.reads:
            yield track.error(f"{intent} cannot be read as {other}", loc, "Use two intents of the bank.")
        if intent in DUTIES or other in YES_HERE:
            yield track.error(f"{intent} may not be read as {other}", loc, "Leave it as it is.")


def _levels(track: Track, rule: Rule) -> Iterator[TrackError]:
    """Debt lines at level 2 only, to the debtor only; levels rise by the two gates only."""
    here = track.stages[rule.stage]
    target = track.stages[rule.step.go] if rule.step.go else here
    level = target.level if target.level is not None else (here.level or 0)
    listener = target.listener or here.listener or "unknown"
    if rule.stage != START_STAGE and level > (here.level or 0):
        if level == 2 and rule.intent != "event.verified":
            yield track.error(f"{rule.intent} leads to level 2; only event.verified may", rule.loc, GATES)
        if level == 1 and (
            rule.intent not in YES_HERE or (rule.intent == "C.yes" and here.listener != "unknown")
        ):
            yield track.error(f"{rule.intent} leads to level 1; only C.yes_self may", rule.loc, GATES)
    for name in [*rule.step.say, *(target.ask if rule.step.ask else [])]:
        line = track.lines[name]
        if line.level > level:
            yield track.error(
                f"in stage {rule.stage}, {rule.intent} speaks {name}, which needs level {line.level}; "
                f"the call may be at {level}",
                rule.loc,
                "Say a line of that level.",
            )
        if line.listener not in ("unknown", listener):
            yield track.error(
                f"in stage {rule.stage}, {rule.intent} speaks {name} to the {listener}; "
                f"it is for the {line.listener}",
                rule.loc,
                "Say a line for them.",
            )


def _duties(track: Track, rule: Rule) -> Iterator[TrackError]:
    """In every stage: a human when asked for, and an end that writes the stop list."""
    step = rule.step
    if rule.intent in MUST_HAND_OVER and not step.handoff:
        what = f"in stage {rule.stage}, {rule.intent} must lead to a human"
        yield track.error(what, rule.loc, "Give it a handoff.")
    if rule.intent == COMPLAINT and not (step.end or step.handoff):
        what = f"in stage {rule.stage}, {COMPLAINT} must end or lead to a human"
        yield track.error(what, rule.loc, "Give it an end or a handoff.")
    stays_for_a_human = step.handoff and step.priority  # a crisis: the bot never hangs up first
    if rule.intent in MUST_STOP and not ((step.end or stays_for_a_human) and step.stop_list):
        what = f"in stage {rule.stage}, {rule.intent} must end and write the stop list"
        yield track.error(what, rule.loc, "Give it an end and a stop_list.")


def _silent(track: Track, rule: Rule) -> Iterator[TrackError]:
    """`ask` leaves out a question that was put often enough: then something else must be said."""
    target = track.stages[rule.step.go or rule.stage]
    if rule.step.ask and not target.ask:
        what = f"in stage {rule.stage}, {rule.intent} asks again, but the stage has no question"
        yield track.error(what, rule.loc, "Give the stage an `ask`.")
        return
    limited = all(track.lines[name].asks or track.lines[name].most for name in target.ask)
    few_asks = dict(rule.facts).get("asks") in (0, 1) and not any(track.lines[n].most for n in target.ask)
    if rule.step.ask and not rule.step.say and limited and not few_asks:
        yield track.error(
            f"in stage {rule.stage}, {rule.intent} may say nothing when the question was put often enough",
            rule.loc,
            "Give a line to say before it, or another step for `asks: 2`.",
        )


def _reachable(track: Track, found: list[Rule]) -> Iterator[TrackError]:
    leads: dict[str, set[str]] = {}
    for rule in found:
        goes = rule.step.go or ("handoff" if rule.step.handoff else None)
        if goes in track.stages:
            leads.setdefault(rule.stage, set()).add(goes)
    seen, todo = {START_STAGE}, [START_STAGE]
    while todo:
        for stage in leads.get(todo.pop(), set()) - seen:
            seen.add(stage)
            todo.append(stage)
    for name in track.stages:
        if name not in seen:
            yield track.error("nothing leads to this stage", ("stages", name), "Remove it or lead to it.")


def _used(track: Track) -> Iterator[TrackError]:
    """Lines that no reply names.  One that a shared part names and this track never comes to is no fault."""
    spoken = {name for _, step in track.steps() for name in step.say}
    spoken |= {name for stage in track.stages.values() for name in stage.ask}
    for line in track.lines.values():
        if line.id not in spoken and line.listener != "agent" and line.id not in SPOKEN_BY_THE_CALL:
            yield track.error("nothing speaks this line", ("lines", line.id), "Remove it or use it.")
