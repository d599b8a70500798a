"""Commands that try a version out: talk to it, play a script, write a script through every way out."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dialogs.rehearsal import Answer
from dialogs.rules import rules
from scripts_review.desk_commands import AsJson, SiteFile
from scripts_review.exits_script import exit_calls, write
from scripts_review.preparing import build_version, is_built
from scripts_review.reading_commands import FAILED, FileOrReference
from scripts_review.rehearsal_script import Outcome, exits_of, load_script
from scripts_review.simulation import by_keyboard, scripted
from scripts_review.site_desk import read_version
from voicebot.clock import WallClock
from voicebot.logs import configure

SAY_EVERY = 50
"""Calls between two lines of progress."""
Day = Annotated[
    datetime | None,
    typer.Option("--today", formats=["%Y-%m-%d"], help="The day of the call, for spoken dates."),
]


def simulate(
    what: FileOrReference,
    script: Annotated[
        Path | None, typer.Option("--script", help="Calls with what is said and what must come of it, YAML.")
    ] = None,
    flags: Annotated[
        list[str] | None, typer.Option("--flag", help="A fact of the case that holds, like before_due.")
    ] = None,
    today: Day = None,
    every_exit: Annotated[
        bool, typer.Option("--every-exit", help="With --script: fail when a disposition is not reached.")
    ] = False,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Talk to the bot by keyboard through the real Rasa build, or play a script.

    Exit code 1 when a scripted call went another way than written.
    """
    calls = load_script(script) if script else None
    settings, content = read_version(site, what)
    track = content.load()
    if not is_built(settings, content.digest):
        typer.echo(f"{content.reference}: building, a minute or so", err=True)
    manifest = build_version(settings, content)
    day = (today or WallClock(settings.zone).now()).date()
    typer.echo("starting the dialog service", err=True)
    configure(logging.ERROR)  # a person reads along
    if calls is None:
        facts = dict.fromkeys(flags or [], True)
        last = asyncio.run(by_keyboard(settings, manifest, facts, day, lambda: input("> "), typer.echo))
        _came_to(last, as_json)
        return
    outcomes = asyncio.run(scripted(settings, manifest, calls, day, _progress))
    missed = sorted(
        exits_of([rule.step for rule in rules(track)]) - {one for o in outcomes for one in o.exits}
    )
    _told(outcomes, missed, as_json, every_exit)
    if any(one.faults for one in outcomes) or (every_exit and missed):
        raise typer.Exit(FAILED)


def exits(
    what: FileOrReference,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the calls as a script for simulate.")
    ] = None,
    today: Day = None,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Find a call to every way out of a track: every reply that hangs up or asks for a person.

    Exit code 1 when nothing leads to one of them: nobody can ever hear it.
    """
    settings, content = read_version(site, what)
    day = (today or WallClock(settings.zone).now()).date()
    track = content.load()
    calls, missing = exit_calls(track, day)
    if out is not None:
        write(calls, out, f"{content.reference} through every way out, digest {content.digest}")
    if as_json:
        told = {
            "exits": list(calls),
            "unreachable": list(map(str, missing)),
            "script": str(out) if out else None,
        }
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        if out is None:
            for name, call in calls.items():
                typer.echo(f"{name}: {' → '.join(texts[0] for texts in call.said)}")
        for exit in missing:
            typer.echo(f"nothing leads to {exit}")
        typer.echo(
            f"{len(calls)} ways out, {len(missing)} to which nothing leads" + (f": {out}" if out else "")
        )
    if missing:
        raise typer.Exit(FAILED)


def _came_to(last: Answer, as_json: bool) -> None:
    if as_json:
        disposition = last.command.disposition if last.command else None
        typer.echo(json.dumps({"stage": last.stage, "level": last.level, "disposition": disposition}))


def _told(outcomes: list[Outcome], missed: list[str], as_json: bool, every_exit: bool) -> None:
    wrong = [one for one in outcomes if one.faults]
    if as_json:
        calls = [
            {
                "call": one.name,
                "as_written": not one.faults,
                "faults": list(one.faults),
                "exit": one.exit,
                "turns": [
                    {"heard": a.heard, "intent": a.intent, "lines": a.ids, "stage": a.stage}
                    for a in one.answers
                ],
            }
            for one in outcomes
        ]
        told = {"as_written": len(outcomes) - len(wrong), "calls": calls, "exits_not_taken": missed}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    for one in outcomes if len(outcomes) <= SAY_EVERY else wrong:
        typer.echo(f"{'✓' if not one.faults else '✗'} {one.name}: {one.exit or 'goes on'}")
        for fault in one.faults:
            typer.echo(f"    {fault}")
    typer.echo(f"{len(outcomes) - len(wrong)} of {len(outcomes)} calls as written")
    if every_exit:
        typer.echo(f"not reached: {', '.join(missed)}" if missed else "every disposition was reached")


def _progress(done: int, of: int) -> None:
    if done % SAY_EVERY == 0:
        typer.echo(f"… calls: {done} of {of}", err=True)
