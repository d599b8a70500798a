"""The `scripts-review` command: read, lint, submit and approve talk tracks."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dialogs.track import Track
from scripts_review.lint import is_clean, lint
from scripts_review.people import load_people
from scripts_review.reading import conversation
from scripts_review.workflow import Desk, Review
from voicebot.console import run_app
from voicebot.settings import Site, load_site
from voicebot.store.signatures import create_key, load_key, public_text

app = typer.Typer(
    help="Review of talk tracks (话术审核): nothing is spoken that two other people have not approved.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
TrackPath = Annotated[Path, typer.Argument(help="The talk track, e.g. dialogs/talktracks/reminder.yaml")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SiteFile = Annotated[Path | None, typer.Option("--site", help="Site settings (configs/site.yaml).")]


@app.command("lint")
def lint_command(track: TrackPath, as_json: AsJson = False) -> None:
    """Check every line and the whole track; exit code 1 when there is an error."""
    findings = lint(track)
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False, indent=1))
    else:
        for finding in findings:
            print(finding)
        errors = sum(finding.severity == "error" for finding in findings)
        print(f"{errors} errors, {len(findings) - errors} warnings")
    if not is_clean(findings):
        raise typer.Exit(1)


@app.command()
def show(track: TrackPath) -> None:
    """Print the track as a conversation: what is heard, and what the bot says then."""
    for line in conversation(Track.load(track)):
        print(line)


@app.command()
def submit(
    track: TrackPath,
    author: Annotated[str, typer.Option("--as", help="Your id in the people file.")],
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a lint-clean track before the reviewers."""
    settings = load_site(site)
    _print(_desk(settings).submit(track, author, datetime.now(settings.zone)), as_json)


@app.command()
def approve(
    track: TrackPath,
    reviewer: Annotated[str, typer.Option("--as", help="Your id in the people file.")],
    key: Annotated[Path, typer.Option("--key", help="Your private key, a PEM file.")],
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Sign a submitted track; the second reviewer's signature publishes it."""
    _print(_desk(load_site(site)).approve(track, reviewer, load_key(key)), as_json)


@app.command()
def status(track: TrackPath, site: SiteFile = None, as_json: AsJson = False) -> None:
    """Show where a track stands and who has signed it."""
    _print(_desk(load_site(site)).review(Track.load(track)), as_json)


@app.command()
def keygen(
    out: Annotated[Path, typer.Argument(help="Where your private key is kept.")],
) -> None:
    """Make your key; print the public half for the people file."""
    print(f"public_key: {public_text(create_key(out))}")


def _desk(settings: Site) -> Desk:
    return Desk(settings.approvals, load_people(settings.people))


def _print(review: Review, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(review), ensure_ascii=False))
        return
    print(f"{review.track}@{review.version}  {review.state}  digest {review.digest}")
    print(f"author {review.author or '-'}, approved by {', '.join(review.signed_by) or 'nobody'}")


def run() -> None:
    """Entry point of the console script."""
    run_app(app, "scripts-review")
