"""After a run: did each call come to what its scenario expects, at both ends?

    python -m voicebot.simulate.judge --world DIR --outcomes FILE [--models DIR] [--scenarios DIR]

`FILE` holds the bot's side as JSON, by the last two digits of the number:
{"01": {"disposition": "PTP", "promise_date": "2026-03-06", "bridged": false}, "23": {"refused": "STOP_LIST"}}
Prints one line a scenario; exit code 1 when one is not as expected.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, TypeAdapter

from voicebot.call.record import CallRecord
from voicebot.errors import InputError
from voicebot.simulate import hearing
from voicebot.simulate.result import AGENTS, CALLEES, AgentResult, CalleeResult
from voicebot.simulate.scenario import SCENARIOS, Expectation, Scenario, load_scenarios, suffix_of
from voicebot.speech.asr.engine import load_engine

Recogniser = Callable[[Path], Sequence[str]]
"""Texts of the pieces of a recording."""
NO_OUTCOME = "the bot has no outcome for a call that was made"
"""The fault of a call whose worker died."""


class Outcome(BaseModel):
    """What the bot says that a number came to."""

    model_config = ConfigDict(extra="forbid")

    disposition: str | None = None
    promise_date: str | None = None
    bridged: bool = False
    refused: str | None = None


@dataclass
class Verdict:
    """`faults` is empty when the call was as expected; `heard` is what the callee heard, as recognised."""

    number: str
    scenario: str
    faults: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        return not self.faults


def outcomes_of(records: Iterable[CallRecord], refused: Iterable[tuple[str, str]] = ()) -> dict[str, Outcome]:
    """Outcomes by the last two digits.  `refused`: (masked number, reason code) of rows never dialled."""
    found = {
        suffix_of(record.phone_masked): Outcome(
            disposition=record.disposition.value,
            promise_date=record.promise_date,
            bridged=record.handoff is not None and record.handoff.bridged_s is not None,
        )
        for record in records
    }
    return found | {suffix_of(phone): Outcome(refused=reason) for phone, reason in refused}


def judge(
    scenarios: Mapping[str, Scenario],
    outcomes: Mapping[str, Outcome],
    callees: Sequence[CalleeResult],
    agents: Sequence[AgentResult] = (),
    recognise: Recogniser | None = None,
    folder: Path = Path(),
) -> list[Verdict]:
    """One verdict a scenario that the run has an outcome or a call for.

    `folder` is what the callees' audio paths count from.  Without `recognise`, words are not checked.
    """
    verdicts = []
    talks = sum(agent.accepted and agent.debtor_spoke for agent in agents)
    for number, scenario in sorted(scenarios.items()):
        calls = [call for call in callees if call.suffix == number]
        outcome = outcomes.get(number)
        if outcome is None and not calls:
            continue
        verdict = Verdict(number, scenario.id)
        verdict.faults += _end(scenario.expects, outcome, calls)
        if len(calls) == 1:
            verdict.faults += _call(scenario, calls[0], talks)
            if recognise is not None and (scenario.expects.heard or scenario.expects.not_heard):
                _words(verdict, scenario.expects, calls[0], recognise, folder)
        verdicts.append(verdict)
    return verdicts


def _end(expects: Expectation, outcome: Outcome | None, calls: Sequence[CalleeResult]) -> list[str]:
    """The bot's side."""
    if outcome is None:
        return [NO_OUTCOME]
    faults = []
    if expects.refused is not None:
        if outcome.refused != expects.refused:
            got = outcome.refused or outcome.disposition
            faults.append(f"expected the refusal {expects.refused}, got {got}")
        if calls:
            faults.append("a refused number was rung")
        return faults
    if outcome.disposition != expects.disposition:
        got = outcome.disposition or f"refused {outcome.refused}"
        faults.append(f"expected {expects.disposition}, got {got}")
    if expects.promise_date and outcome.promise_date != expects.promise_date.isoformat():
        faults.append(f"expected a promise for {expects.promise_date}, got {outcome.promise_date}")
    if outcome.bridged != expects.handed_over:
        faults.append("handed over" if outcome.bridged else "not handed over")
    if len(calls) != 1:
        faults.append(f"rung {len(calls)} times instead of once")
    return faults


def _call(scenario: Scenario, call: CalleeResult, talks: int) -> list[str]:
    """The callee's side."""
    faults = []
    if call.answered != (scenario.answer.kind in ("person", "voicemail")):
        faults.append("answered" if call.answered else "never answered")
    if call.gave_up:
        faults.append(f"the callee gave up with {call.steps_left} steps left")
    if scenario.expects.handed_over and (call.agent_greeted_s is None or not talks):
        faults.append("callee and agent did not both speak")
    if scenario.expects.barged_in and not any(one["silence_ms"] is not None for one in call.barge_ins):
        faults.append("the bot did not fall silent for the callee")
    return faults


def _words(
    verdict: Verdict, expects: Expectation, call: CalleeResult, recognise: Recogniser, folder: Path
) -> None:
    """What was heard at the callee's end."""
    if "heard" not in call.audio:
        verdict.faults.append("nothing was recorded at the callee")
        return
    verdict.heard = list(recognise(folder / call.audio["heard"]))
    text = "".join(verdict.heard)
    lacking = [word for word in expects.heard if not hearing.seems_to_say(text, word)]
    leaked = [word for word in expects.not_heard if hearing.says(text, word)]
    verdict.faults += [f"not heard: {word}" for word in lacking]
    verdict.faults += [f"heard, and must not be: {word}" for word in leaked]


def main(
    world: Annotated[Path, typer.Option(help="Folder with callees.jsonl, agents.jsonl and audio.")],
    outcomes: Annotated[Path, typer.Option(help="JSON file with the bot's outcomes by last two digits.")],
    models: Annotated[Path, typer.Option(help="Folder of the installed models.")] = Path("var/models"),
    scenarios: Annotated[Path, typer.Option(help="Folder of the scenario files.")] = SCENARIOS,
) -> None:
    """Compares a run with what its scenarios expect."""
    try:
        engine = load_engine("auto", models)
        verdicts = judge(
            load_scenarios(scenarios),
            TypeAdapter(dict[str, Outcome]).validate_python(json.loads(outcomes.read_text("utf-8"))),
            list(CalleeResult.read(world / CALLEES)),
            list(AgentResult.read(world / AGENTS)),
            partial(hearing.recognise, engine=engine),
            world,
        )
    except InputError as fault:
        print(fault, file=sys.stderr)
        raise typer.Exit(2) from None
    for verdict in verdicts:
        print(f"{verdict.number} {verdict.scenario}: {'; '.join(verdict.faults) or 'as expected'}")
    raise typer.Exit(0 if all(verdict.as_expected for verdict in verdicts) else 1)


if __name__ == "__main__":
    typer.run(main)
