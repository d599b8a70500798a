"""`voicebot audit`: verify the chain, sign it, print the public key; hand out evidence and check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from scripts_review.verification import review_faults
from voicebot.cli.listing import show_done
from voicebot.cli.progress_bar import progress_bar
from voicebot.cli.site_store import AsJson, By, SiteFile, SiteStore, StoreUrl, actor, opened
from voicebot.quality.evidence import export
from voicebot.quality.evidence_check import check_package
from voicebot.store.audit_check import Range, check, links_between
from voicebot.store.chained_evidence import Fault, Verdict
from voicebot.store.checkpoints import Checkpoints, read_checkpoints, site_keys

app = typer.Typer(no_args_is_help=True)
console = Console()
SHOWN = 20


@app.command("verify")
def verify(
    begin: Annotated[
        str | None, typer.Option("--from", metavar="LINK|TIME", help="Begin with this link, or ISO time.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="LINK|TIME", help="End with this link, or before this time.")
    ] = None,
    recordings: Annotated[
        bool, typer.Option(help="Open every recording and compute its digest (reads them all).")
    ] = True,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoints kept elsewhere; the site's own file is always compared."),
    ] = None,
    public_key: Annotated[
        list[str] | None, typer.Option(help="A further key whose checkpoints count (of an older ring).")
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Compute everything that the audit chain holds again, and name the first record that differs.

    Links, checkpoints, decisions, transcripts, recordings, approvals. Exit code 1 when something differs.
    """
    with opened(site_file, store) as place:
        which = _range(place, begin, end)
        files = [*(checkpoints or ())]
        if (own := place.checkpoints) is not None and own.is_file():
            files.append(own)
        with progress_bar("verifying") as told:
            verdict = check(
                place.store,
                which,
                recordings=recordings,
                trusted=public_key or (),
                outside=[one for file in files for one in read_checkpoints(file)],
                told=told,
            )
        verdict.faults += [Fault(0, "approvals", fault) for fault in review_faults(place.store)]
    if as_json:
        console.print_json(data=_as_dict(verdict))
    else:
        _show(verdict, recordings)
    if verdict.faults:
        raise typer.Exit(1)


def _range(place: SiteStore, begin: str | None, end: str | None) -> Range:
    if (begin or "1").isdigit() and (end or "1").isdigit():
        return Range(int(begin or 1), int(end) if end else None)
    return links_between(place.store, begin, end)


def _show(verdict: Verdict, recordings: bool) -> None:
    opened_too = "" if recordings else " (files not opened)"
    console.print(
        f"{verdict.links} links, {verdict.rows} rows of attempts, {verdict.decisions} decisions, "
        f"{verdict.records} call records, {verdict.recordings} recordings{opened_too}, "
        f"{verdict.checkpoints} signed checkpoints",
        highlight=False,
    )
    if verdict.unsigned:
        console.print(f"{verdict.unsigned} links are newer than the last checkpoint", highlight=False)
    if not verdict.faults:
        console.print("[green]✓[/green] everything is as it was written", highlight=False)
        return
    console.print(f"[red]✗ first bad record: {verdict.faults[0]}[/red]", highlight=False, soft_wrap=True)
    for fault in verdict.faults[1:SHOWN]:
        console.print(f"  {fault}", highlight=False, soft_wrap=True)
    if len(verdict.faults) > SHOWN:
        console.print(f"  … and {len(verdict.faults) - SHOWN} more", highlight=False)


def _as_dict(verdict: Verdict) -> dict[str, object]:
    return {
        "holds": not verdict.faults,
        "first_bad": str(verdict.faults[0]) if verdict.faults else None,
        "faults": [{"link": one.link, "record": one.record, "why": one.why} for one in verdict.faults],
        **{
            name: getattr(verdict, name)
            for name in ("links", "rows", "decisions", "records", "recordings", "checkpoints", "unsigned")
        },
    }


@app.command("checkpoint")
def checkpoint(as_json: AsJson = False, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """Chain what waits and sign the chain as it stands; runs do it every minute and at their end."""
    with opened(site_file, store) as place:
        made = Checkpoints(place.store, place.clock, place.checkpoints).sign_all()
    if made is None:
        show_done({"signed": None}, as_json, "Nothing was added since the last checkpoint.")
    else:
        show_done(made.as_dict(), as_json, f"Link {made.seq} is signed ({made.hash[:16]}…).")


@app.command("key")
def key(as_json: AsJson = False, site_file: SiteFile = None, store: StoreUrl = None) -> None:
    """Print the site's public keys, the newest last: who checks evidence gets them beforehand."""
    with opened(site_file, store) as place:
        keys = site_keys(place.store.keys)
    show_done({"public_keys": keys}, as_json, "\n".join(keys))


@app.command("export")
def export_evidence(
    word: Annotated[str, typer.Argument(metavar="CASE|CALL", help="A case id, or (the start of) a call's.")],
    why: Annotated[str, typer.Option(help="For whom and why; nothing personal: it stands in the audit.")],
    out: Annotated[Path | None, typer.Option(help="The package (default: evidence-….zip here).")] = None,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Write everything about a call, or all calls of a case, into one signed package.

    It holds the recording and the words as they were said: hand it out as what it is. Who took it and why is
    audited first.
    """
    with opened(site_file, store) as place:
        target = out or Path(f"evidence-{word}-{place.clock.now():%Y%m%d-%H%M%S}.zip")
        done = export(place.store, place.clock, word, target, actor(by), why, place.checkpoints)
    keys = " ".join(f"--public-key {key}" for key in done.keys)
    show_done(
        {"package": str(target), "public_keys": list(done.keys)},
        as_json,
        f"{target}\nTo check it anywhere: voicebot audit check {target.name} {keys}",
    )


@app.command("check")
def check_evidence(
    package: Annotated[Path, typer.Argument(help="What `voicebot audit export` wrote.")],
    public_key: Annotated[
        list[str], typer.Option(help="The site's public key, from the site by another way; may be repeated.")
    ],
    as_json: AsJson = False,
) -> None:
    """Check an evidence package with the public key alone, anywhere. Exit code 1 when it does not hold."""
    checked = check_package(package, public_key)
    if as_json:
        console.print_json(
            data={
                "about": checked.about,
                "calls": checked.calls,
                "files": checked.files,
                "faults": checked.faults,
            }
        )
    else:
        console.print(
            f"{checked.about}: {len(checked.calls)} calls, {checked.files} files, made {checked.made_at}",
            highlight=False,
        )
        for fault in checked.faults:
            console.print(f"[red]✗[/red] {fault}", highlight=False, soft_wrap=True)
        if not checked.faults:
            console.print("[green]✓[/green] everything is as the site signed it", highlight=False)
    if checked.faults:
        raise typer.Exit(1)
