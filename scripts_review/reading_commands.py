"""Commands that only read: list, show, diff, lint, history, verify."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dialogs.track import Track
from scripts_review import paths, reading
from scripts_review.comparison import compare
from scripts_review.desk_commands import AsJson, SiteFile, as_data, waits_for
from scripts_review.lint import Finding, is_clean, lint
from scripts_review.preparing import is_built
from scripts_review.prompts import rendered
from scripts_review.site_desk import Opened, is_file, manifest_of, opened
from scripts_review.verification import verify as verify_store
from voicebot.console import counted
from voicebot.store.review_record import Standing
from voicebot.store.track_states import SPEAKABLE, TrackState
from voicebot.store.track_versions import TrackContent

FileOrReference = Annotated[str, typer.Argument(metavar="FILE|ID@V", help="A file, or like reminder@2.")]
FAILED = 1


def list_(
    state: Annotated[TrackState | None, typer.Option(help="Only versions in this state.")] = None,
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Show every version: where it stands, what it still takes, how many of its prompts are rendered."""
    with opened(site) as here:
        record = here.approvals.record()
        chosen = [one for one in record.versions.values() if state is None or one.state is state]
        rows = [(one, *_prepared(here, one)) for one in chosen]
    if as_json:
        _json(
            [
                {**as_data(one), "built": built, "prompts": {"rendered": done, "of": of}}
                for one, built, done, of in rows
            ]
        )
    else:
        for one, built, done, of in rows:
            _list_line(one, built, done, of)
    if record.faults:
        typer.echo(f"the record of reviews was tampered with: {record.faults[0]}", err=True)
        raise typer.Exit(FAILED)


def _list_line(one: Standing, built: bool, done: int, of: int) -> None:
    prepared = f", prompts {done}/{of}, {'built' if built else 'not built'}" if of else ""
    typer.echo(f"{one.reference:<16} {one.state:<11} {one.digest[:12]}{prepared}")
    when = f" at {one.approved_at:%Y-%m-%d %H:%M}" if one.approved_at else ""
    typer.echo(f"    by {one.author}; approved by {', '.join(one.signers) or 'nobody'}{when}")
    if missing := waits_for(one):
        topics = f" (speaks of {', '.join(one.topics)})" if one.topics else ""
        typer.echo(
            f"    it takes {missing}{topics}" if one.state is TrackState.SUBMITTED else f"    {missing}"
        )


def _prepared(here: Opened, standing: Standing) -> tuple[bool, int, int]:
    """Whether it is built, and its prompts; of what nobody may speak any more only whether it is built."""
    built = is_built(here.site, standing.digest)
    if standing.state not in SPEAKABLE | {TrackState.SUBMITTED}:
        return built, 0, 0
    return built, *rendered(here.site, manifest_of(here.site, here.content(standing.reference)))


def show(what: FileOrReference, site: SiteFile = None, as_json: AsJson = False) -> None:
    """Print a track as a conversation: what is heard, and what the bot says then."""
    if is_file(what):
        track, standing = Track.load(Path(what)), None
    else:
        with opened(site) as here:
            standing, track = here.desk.standing(what), here.content(what).load()
    if as_json:
        _json({**reading.as_data(track), "review": as_data(standing) if standing else None})
        return
    if standing is not None:
        by = f", approved by {', '.join(standing.signers)}" if standing.signers else ""
        typer.echo(f"state   {standing.state}, written by {standing.author}{by}")
    for line in (*reading.header(track), *paths.dialogues(track), *reading.conversation(track)):
        typer.echo(line)


def diff(old: FileOrReference, new: FileOrReference, site: SiteFile = None, as_json: AsJson = False) -> None:
    """Show what changed in meaning, by line and by step; [-gone-] and {+new+} words are marked."""
    if is_file(old) and is_file(new):
        changes = compare(Track.load(Path(old)), Track.load(Path(new)))
    else:
        with opened(site) as here:
            changes = compare(here.track(old), here.track(new))
    if as_json:
        _json([change.as_dict() for change in changes])
        return
    for change in changes:
        typer.echo(str(change))
    warnings = sum(bool(change.warning) for change in changes)
    typer.echo(
        f"{counted(len(changes), 'change')}, {warnings} with a warning" if changes else "They mean the same."
    )


def lint_command(what: FileOrReference, site: SiteFile = None, as_json: AsJson = False) -> None:
    """Check every line and the whole track; exit code 1 when there is an error.

    A floor under human reading: it cannot see irony, hints or lies.
    """
    if is_file(what):
        findings = lint(Path(what))
    else:
        with opened(site) as here:
            findings = _lint_content(here.content(what))
    if as_json:
        _json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            typer.echo(str(finding))
        errors = sum(finding.severity == "error" for finding in findings)
        typer.echo(f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}")
    if not is_clean(findings):
        raise typer.Exit(FAILED)


def _lint_content(content: TrackContent) -> list[Finding]:
    """Findings of a version in the store, with its own files' names."""
    with content.unpacked() as path:
        root = str(path)[: -len(content.main)]
        return [_named(finding, root) for finding in lint(path)]


def _named(finding: Finding, root: str) -> Finding:
    values = {**finding.__dict__, "file": finding.file.removeprefix(root)}
    return Finding(**values)


def history(
    track: Annotated[str, typer.Argument(metavar="ID", help="The track, like reminder; or reminder@2.")],
    site: SiteFile = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that was signed about a track, oldest first."""
    with opened(site) as here:
        if "@" in track:
            standings = [here.desk.standing(track)]
        else:
            standings = [one for one in here.approvals.record().versions.values() if one.track == track]
    events = sorted(
        ((event, standing) for standing in standings for event in standing.events),
        key=lambda one: one[0].at,
    )
    told: list[dict[str, Any]] = [
        {
            "at": event.at.isoformat(timespec="seconds"),
            "version": standing.reference,
            "digest": standing.digest,
            "action": str(event.action),
            "person": event.person,
            "comment": event.comment,
            "counts": not event.note,
            "note": event.note,
        }
        for event, standing in events
    ]
    if as_json:
        _json(told)
        return
    for one in told:
        note = f"  (does not count: {one['note']})" if one["note"] else ""
        at = one["at"][:16].replace("T", " ")
        said = f"{one['version']:<14} {one['action']:<10} {one['person']:<16} {one['comment']}{note}"
        typer.echo(f"{at}  {said}".rstrip())
    if not told:
        typer.echo(f"nothing was submitted of {track}")


def verify(site: SiteFile = None, as_json: AsJson = False) -> None:
    """Recompute every digest, signature and link; exit code 1 naming what is broken."""
    with opened(site) as here:
        found = verify_store(here.store)
    if as_json:
        _json(asdict(found))
    else:
        for fault in found.faults:
            typer.echo(f"broken  {fault}")
        for note in found.notes:
            typer.echo(f"note    {note}: this signature does not count")
        typer.echo(
            f"{counted(found.versions, 'version')}, {counted(found.reviews, 'signature')}: "
            + (
                f"{counted(len(found.faults), 'fault')}; nothing is dialled"
                if found.faults
                else "everything holds"
            )
        )
    if found.faults:
        raise typer.Exit(FAILED)


def _json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=1))
