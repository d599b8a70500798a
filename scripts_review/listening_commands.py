"""Commands that make a version heard: hear a line, build and render it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dialogs.rehearsal import Answer
from dialogs.rules import rules
from dialogs.track import Track
from scripts_review import prompts
from scripts_review.desk_commands import AsJson, Reference, SiteFile
from scripts_review.preparing import build_version, is_built
from scripts_review.preparing import prepare as prepare_version
from scripts_review.rehearsal_script import Outcome, exits_of, load_script
from scripts_review.simulation import by_keyboard, scripted
from scripts_review.site_desk import is_file, opened
from voicebot.store.track_versions import TrackContent

FAILED = 1
SAY_EVERY = 25
"""Clauses between two lines of progress."""


def hear(
    reference: Reference,
    lines: Annotated[
        list[str] | None, typer.Argument(metavar="[LINE]…", help="Like C.open; else all.")
    ] = None,
    play: Annotated[
        bool, typer.Option("--play/--no-play", help="Play it where there is a sound device.")
    ] = True,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Render lines with sample values in the approved voice, play them, and say where the files are."""
    with opened(site) as here:
        manifest = here.manifest(here.content(reference))
        folder = here.site.var / "review" / "heard" / reference
        heard = prompts.hear(here.site, manifest, lines or [], here.clock.now().date(), folder, _progress)
    played = {one.line: play and prompts.play(one.wav) for one in heard}
    if as_json:
        told = [{**asdict(one), "wav": str(one.wav), "played": played[one.line]} for one in heard]
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    for one in heard:
        typer.echo(f"{one.line:<16} {one.seconds:5.1f} s  {one.wav}  {one.text}")
    if play and not any(played.values()):
        typer.echo("there is no sound device here: take the files to a machine that has one")


def prepare(
    reference: Annotated[
        str, typer.Argument(metavar="[ID@V]", help="Without it: all that may be spoken.")
    ] = "",
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Build a version for this machine and render its fixed lines; what is there is left alone."""
    with opened(site) as here:
        approved = [one.reference for one in here.approvals.record().versions.values() if one.speakable]
        done = []
        for name in [reference] if reference else approved:
            if not as_json:
                typer.echo(f"{name}: building", err=True)
            manifest, new = prepare_version(here.site, here.content(name), _progress)
            done.append({"reference": name, "digest": manifest.digest, "rendered": new})
    if as_json:
        typer.echo(json.dumps(done))
        return
    for one in done:
        typer.echo(f"{one['reference']} is built, {one['rendered']} new prompts")


def simulate(
    what: Annotated[
        str, typer.Argument(metavar="ID@V|FILE", help="Like reminder@2, or a file not yet submitted.")
    ],
    script: Annotated[
        Path | None, typer.Option("--script", help="Calls with what is said and what must come of it, YAML.")
    ] = None,
    flags: Annotated[
        list[str] | None, typer.Option("--flag", help="A fact of the case that holds, like before_due.")
    ] = None,
    today: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day of the call, for spoken dates.")
    ] = None,
    every_exit: Annotated[
        bool, typer.Option("--every-exit", help="With --script: fail when a way out is not taken.")
    ] = False,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Talk to the bot by keyboard through the real Rasa build, or play a script.

    Exit code 1 when a scripted call went another way than written.
    """
    calls = load_script(script) if script else None
    with opened(site, make=is_file(what)) as here:
        content = TrackContent.of(Track.load(Path(what))) if is_file(what) else here.content(what)
        track = content.load()
        if not is_built(here.site, content.digest):
            typer.echo(f"{content.reference}: building, a minute or so", err=True)
        manifest = build_version(here.site, content)
        day = today.date() if today else here.clock.now().date()
        if calls is None:
            last = asyncio.run(
                by_keyboard(
                    here.site,
                    manifest,
                    dict.fromkeys(flags or [], True),
                    day,
                    lambda: input("> "),
                    typer.echo,
                )
            )
            _came_to(last, as_json)
            return
        outcomes = asyncio.run(scripted(here.site, manifest, calls, day))
    missed = sorted(
        exits_of([rule.step for rule in rules(track)]) - {one for o in outcomes for one in o.exits}
    )
    _told(outcomes, missed, as_json)
    if any(one.faults for one in outcomes) or (every_exit and missed):
        raise typer.Exit(FAILED)


def _came_to(last: Answer, as_json: bool) -> None:
    if as_json:
        disposition = last.command.disposition if last.command else None
        typer.echo(json.dumps({"stage": last.stage, "level": last.level, "disposition": disposition}))


def _told(outcomes: list[Outcome], missed: list[str], as_json: bool) -> None:
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
        typer.echo(json.dumps({"calls": calls, "exits_not_taken": missed}, ensure_ascii=False, indent=1))
        return
    for one in outcomes:
        typer.echo(f"{'✓' if not one.faults else '✗'} {one.name}: {one.exit or 'goes on'}")
        for fault in one.faults:
            typer.echo(f"    {fault}")
    typer.echo(f"{sum(not one.faults for one in outcomes)} of {len(outcomes)} calls as written")
    typer.echo(f"ways out not taken: {', '.join(missed)}" if missed else "every way out was taken")


def _progress(done: int, wanted: int) -> None:
    if done % SAY_EVERY == 0 or done == wanted:
        typer.echo(f"… prompts: {done} of {wanted}", err=True)
