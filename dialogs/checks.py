"""What a track must keep before it is compiled.  Lint of the wording stands in scripts_review."""

from __future__ import annotations

from dialogs.rules import START_STAGE, Rule, rules
from dialogs.track import Track
from dialogs.track_file import StageModel, StepModel
from dialogs.yaml_lines import Loc

MUST_HAND_OVER = ("C.ask_human", "C.dispute", "C.vulnerable", "C.self_harm")
MUST_STOP = ("C.stop_calling", "C.wrong_number", "D.refuse_contact")
YES_HERE = {"C.yes_self", "C.yes"}
"""Intents that may raise the level to 1; C.yes only as the answer to the opening question."""


def check(track: Track) -> list[Rule]:
    """All rules of the track; TrackError for the first fault, at its line."""
    _lines(track)
    _guards(track)
    for loc, step in track.steps():
        _step(track, loc, step)
    for name, stage in track.stages.items():
        _reads(track, name, stage)
    found = list(rules(track))
    for rule in found:
        _levels(track, rule)
        _duties(track, rule)
    _reachable(track, found)
    _used(track, found)
    return found


def _lines(track: Track) -> None:
    for line in track.lines.values():
        for slot in line.slots:
            if slot not in track.slots:
                raise track.error(
                    f"the slot {{{slot}}} is not declared", ("lines", line.id), "Declare or correct it."
                )
        for flag in line.flags:
            if flag not in track.flags:
                raise track.error(f"the flag {flag!r} is not declared", ("lines", line.id))


def _guards(track: Track) -> None:
    for guard in track.guards:
        for intent in (guard.intent, *guard.over):
            if intent not in track.bank.intents:
                raise track.error(f"a guard names the unknown intent {intent}", ("guards",))


def _step(track: Track, loc: Loc, step: StepModel) -> None:
    for name in step.say:
        if name not in track.lines:
            raise track.error(f"there is no line {name}", loc, "Correct the id or add the line.")
    if step.go is not None and step.go not in track.stages:
        raise track.error(f"there is no stage {step.go}", loc)
    for flag in (step.when.flag, step.when.no_flag):
        if flag is not None and flag not in track.flags:
            raise track.error(f"the flag {flag!r} is not declared", loc)
    if step.reason and step.reason not in track.slots["whisper_reason"].values:
        raise track.error(f"{step.reason!r} is not one of the whisper reasons", loc)
    for name in step.slots:
        if name not in track.slots or track.slots[name].when != "run":
            raise track.error(f"{name!r} is no run-time slot", loc)


def _reads(track: Track, name: str, stage: StageModel) -> None:
    """A stage may read a small word as something else, but never a duty away or an identity into being."""
    for intent, other in stage.reads.items():
        loc = ("stages", name, "reads", intent)
        if intent not in track.bank.intents or other not in track.bank.intents or other in stage.reads:
            raise track.error(f"{intent} cannot be read as {other}", loc, "Use two intents of the bank.")
        if intent in (*MUST_HAND_OVER, *MUST_STOP, "C.complaint") or other in YES_HERE:
            raise track.error(f"{intent} may not be read as {other}", loc)


def _levels(track: Track, rule: Rule) -> None:
    """Debt lines at level 2 only, to the debtor only; levels rise by the two gates only."""
    here, loc = track.stages[rule.stage], ("stages", rule.stage)
    target = track.stages[rule.step.go] if rule.step.go else here
    level = target.level if target.level is not None else (here.level or 0)
    listener = target.listener or here.listener or "unknown"
    if rule.stage != START_STAGE and level > (here.level or 0):
        if level == 2 and rule.intent != "event.verified":
            raise track.error(f"{rule.intent} leads to level 2; only event.verified may", loc)
        if level == 1 and (
            rule.intent not in YES_HERE or (rule.intent == "C.yes" and here.listener != "unknown")
        ):
            raise track.error(f"{rule.intent} leads to level 1; only C.yes_self may", loc)
    spoken = [*rule.step.say, *(target.ask if rule.step.ask else [])]
    for name in spoken:
        line = track.lines[name]
        if line.level > level:
            raise track.error(
                f"{rule.intent} speaks {name}, which needs level {line.level}; the call may be at {level}",
                loc,
            )
        if line.listener not in ("unknown", listener):
            raise track.error(
                f"{rule.intent} speaks {name} to the {listener}; it is for the {line.listener}", loc
            )


def _duties(track: Track, rule: Rule) -> None:
    """In every stage: a human when asked for, and an end that writes the stop list."""
    if rule.stage == START_STAGE:
        return
    loc = ("stages", rule.stage)
    if rule.intent in MUST_HAND_OVER and not rule.step.handoff:
        raise track.error(f"{rule.intent} must lead to a human", loc)
    if rule.intent == "C.complaint" and not (rule.step.end or rule.step.handoff):
        raise track.error("C.complaint must end or lead to a human", loc)
    stays_for_a_human = rule.step.handoff and rule.step.priority  # a crisis: the bot never hangs up first
    if rule.intent in MUST_STOP and not ((rule.step.end or stays_for_a_human) and rule.step.stop_list):
        raise track.error(f"{rule.intent} must end and write the stop list", loc)


def _reachable(track: Track, found: list[Rule]) -> None:
    seen, todo = {START_STAGE}, [START_STAGE]
    while todo:
        stage = todo.pop()
        for rule in found:
            if rule.stage != stage:
                continue
            goes = rule.step.go or ("handoff" if rule.step.handoff else None)
            if goes in track.stages and goes not in seen:
                seen.add(goes)
                todo.append(goes)
    for name in track.stages:
        if name not in seen:
            raise track.error("nothing leads to this stage", ("stages", name), "Remove it or lead to it.")


def _used(track: Track, found: list[Rule]) -> None:
    spoken = {name for rule in found for name in rule.step.say}
    spoken |= {name for stage in track.stages.values() for name in stage.ask}
    for line in track.lines.values():
        if line.id not in spoken and line.listener != "agent" and line.id not in SPOKEN_BY_THE_CALL:
            raise track.error("nothing speaks this line", ("lines", line.id), "Remove it or use it.")


SPOKEN_BY_THE_CALL = {"C.hold", "C.handover_fault", "C.fault_bye"}
"""Lines that the call speaks by itself: while an agent rings, and when the engine fails."""
