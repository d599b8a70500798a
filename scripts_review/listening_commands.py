"""Commands that make a version heard: hear a line, build and render it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from scripts_review import prompts
from scripts_review.desk_commands import AsJson, SiteFile
from scripts_review.preparing import prepare as prepare_version
from scripts_review.reading_commands import FileOrReference
from scripts_review.site_desk import manifest_of, opened, read_version
from voicebot.clock import WallClock

SAY_EVERY = 25
"""Clauses between two lines of progress."""


def hear(
    what: FileOrReference,
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
    settings, content = read_version(site, what)
    day = WallClock(settings.zone).now().date()
    folder = settings.var / "review" / "heard" / content.reference
    heard = prompts.hear(settings, manifest_of(settings, content), lines or [], day, folder, _progress)
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


def _progress(done: int, wanted: int) -> None:
    if done % SAY_EVERY == 0 or done == wanted:
        typer.echo(f"… prompts: {done} of {wanted}", err=True)
