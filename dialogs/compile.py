"""Compiles a talk track to a Rasa project: the same track gives the same bytes.

Rasa gets the intents, the guards and one rule for every reply that stands in the track, by intent and
combination of facts.  The slot `place` says where the reply to this intent stands for the stage that
the call is in: in the stage itself or in a group, which many stages share.  A rule's action is a
response that carries the step as data: ids of lines, the next stage, the command.  The response
`utter_plan` carries what the voice channel must know of the stages.  Texts of lines are not in it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from dialogs.bank import Bank
from dialogs.checks import check
from dialogs.rules import DOMAINS, EVENTS, START, Rule, cells
from dialogs.track import Track

PLAN = "utter_plan"
COMPONENTS = "dialogs.rasa"


def compile_track(track: Track, bank: Bank, out: Path) -> str:
    """Writes domain.yml, config.yml, data/rules.yml and data/nlu.yml into `out`.

    Returns the sha256 over these files.  TrackError when the track does not hold (dialogs.checks).
    """
    found = check(track)
    texts = {
        "config.yml": _yaml(_config(track)),
        "data/nlu.yml": _nlu(bank),
        "data/rules.yml": _yaml({"version": "3.1", "rules": _rules(found)}),
        "domain.yml": _yaml(_domain(track, bank, found)),
    }
    hashed = hashlib.sha256()
    for name, text in texts.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        hashed.update(f"{name}\0{text}\0".encode())
    return hashed.hexdigest()


def _yaml(data: Any) -> str:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=4096)


def step_data(rule: Rule) -> dict[str, Any]:
    """The step as the voice channel gets it: only what is set."""
    return rule.step.model_dump(exclude={"when"}, exclude_defaults=True)


def action_of(rule: Rule) -> str:
    """The response that carries the rule's step; equal steps share one."""
    data = json.dumps(step_data(rule), ensure_ascii=False, sort_keys=True)
    return f"utter_{hashlib.sha256(data.encode()).hexdigest()[:12]}"


def _rules(found: list[Rule]) -> list[dict[str, Any]]:
    """Each place once, whatever number of stages use it."""
    once = {(rule.place, rule.intent, rule.facts): rule for rule in found}
    return [_rule(number, rule) for number, rule in enumerate(once.values())]


def _rule(number: int, rule: Rule) -> dict[str, Any]:
    facts = [{"place": rule.place}, *({name: _fact(value)} for name, value in rule.facts)]
    return {
        "rule": f"{number:04d} {rule.place} {rule.intent}",
        "condition": [{"slot_was_set": facts}],
        "steps": [{"intent": rule.intent}, {"action": action_of(rule)}],
    }


def _fact(value: object) -> object:
    return value if isinstance(value, bool) else str(value)


def _domain(track: Track, bank: Bank, found: list[Rule]) -> dict[str, Any]:
    def categorical(values: list[str]) -> dict[str, Any]:
        return {"type": "categorical", "values": values, "mappings": [{"type": "custom"}]}

    slots: dict[str, Any] = {"place": categorical(list(dict.fromkeys(rule.place for rule in found)))}
    for name, values in DOMAINS.items():
        slots[name] = categorical([str(value) for value in values])
    for fact in (*(f"flag_{flag}" for flag in track.flags), *(f"said_{mark}" for mark in track.marks)):
        slots[fact] = {"type": "bool", "mappings": [{"type": "custom"}]}
    responses: dict[str, Any] = {PLAN: [{"custom": plan_of(track)}]}
    for rule in found:
        responses[action_of(rule)] = [{"custom": step_data(rule)}]
    return {
        "version": "3.1",
        "intents": [*bank.intents, START, *EVENTS],
        "slots": slots,
        "responses": responses,
        "session_config": {"session_expiration_time": 0, "carry_over_slots_to_new_session": False},
    }


def plan_of(track: Track) -> dict[str, Any]:
    """What the voice channel must know of the track beside its rules."""
    unlikely: dict[str, list[str]] = {name: [] for name in track.stages}
    places: dict[str, dict[str, str]] = {name: {} for name in track.stages}
    for cell in cells(track):
        places[cell.stage][cell.intent] = cell.place
        if cell.unlikely:
            unlikely[cell.stage].append(cell.intent)
    stages = {
        name: {
            **stage.model_dump(exclude={"replies", "group"}, exclude_none=True),
            "unlikely": unlikely[name],
            "places": places[name],
        }
        for name, stage in track.stages.items()
    }
    run = {
        name: {"values": list(spec.values), "days": spec.days, "default": spec.default}
        for name, spec in track.slots.items()
        if spec.when == "run"
    }
    lines = {line.id: [name for name in line.slots if name in run] for line in track.lines.values()}
    return {
        "digest": track.digest,
        "flags": list(track.flags),
        "thresholds": track.thresholds,
        "near_days": track.limits.get("near_days", 7),
        "stages": stages,
        "run_slots": run,
        "line_slots": {name: names for name, names in lines.items() if names},
        "asks": track.limits["asks"],
        "asking_lines": [line.id for line in track.lines.values() if line.asks],
        "most": {line.id: line.most for line in track.lines.values() if line.most},
        "fillers": [line.id for line in track.lines.values() if line.filler],
        "marks": {name: mark.model_dump(exclude_defaults=True) for name, mark in track.marks.items()},
    }


def _config(track: Track) -> dict[str, Any]:
    guards = [guard.model_dump(exclude_defaults=True) for guard in track.guards]
    return {
        "recipe": "default.v1",
        "assistant_id": f"{track.id}.v{track.version}.{track.digest[:12]}",
        "language": "zh",
        "pipeline": [
            {"name": f"{COMPONENTS}.intents.IntentModel"},
            {
                "name": f"{COMPONENTS}.guard.IntentGuard",
                "guards": guards,
                "unsure_below": track.thresholds["confidence"],
            },
        ],
        "policies": [{"name": f"{COMPONENTS}.stage_rules.StageRules", "check_for_contradictions": False}],
    }


def _nlu(bank: Bank) -> str:
    parts = ['version: "3.1"\nnlu:\n']
    for intent, texts in bank.intents.items():
        parts.append(f"- intent: {intent}\n  examples: |\n")
        parts.extend(f"    - {text}\n" for text in texts)
    return "".join(parts)
