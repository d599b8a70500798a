"""`voicebot retention`: what is old enough to go, and deleting it.  A case's `legal_hold` keeps its calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from voicebot.campaign.retention import Kept, NotHere, Retention
from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.site_store import AsJson, By, SiteFile, StoreUrl, actor, opened

app = typer.Typer(no_args_is_help=True)
Years = Annotated[float, typer.Option("--older-than", help="Only those of so many years.")]


@app.command("list")
def list_old(
    older_than: Years = 0.0, as_json: AsJson = False, store: StoreUrl = None, site_file: SiteFile = None
) -> None:
    """Records by age, and what the policy pack says about deleting each."""
    with opened(site_file, store) as place:
        rows = [_row(one) for one in Retention(place.store, place.site, place.clock).due(older_than)]
    show_rows(rows, as_json, "Nothing is so old.")


@app.command("run")
def run(
    really: Annotated[bool, typer.Option("--yes", help="Delete; else only say what would go.")] = False,
    lost: Annotated[
        bool,
        typer.Option("--lost", help="Also where the recording lies on no machine of the site any more."),
    ] = False,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Delete recordings, transcripts and agents' forms whose time has come, the file and the row.

    What was deleted, when and by whom stays in the audit chain; so do decisions and outcomes. A call whose
    recording lies on another machine is named and kept: run this there. Exit code 1 when
    something that may go is still there.
    """
    with opened(site_file, store) as place:
        retention = Retention(place.store, place.site, place.clock)
        found = list(retention.due())
        going = [one for one in found if one.may_go]
        gone, left = _deleted(retention, going, actor(by), lost=lost) if really else (going, {})
    kept = Counter(one.decision.refusals[0].reason for one in found if not one.may_go)
    done: dict[str, object] = {
        "deleted" if really else "would_go": [one.attempt_id for one in gone],
        "kept": dict(kept),
    }
    if really:
        done["not_deleted"] = left
    words = f"{len(gone)} {'deleted' if really else 'may go (add --yes)'}, {sum(kept.values())} kept"
    if kept:
        words += f": {', '.join(f'{n} {reason}' for reason, n in sorted(kept.items()))}"
    show_done(done, as_json, f"{words}.")
    if left:
        for attempt_id, why in left.items():
            typer.echo(f"! {attempt_id}: {why}", err=True)
        raise typer.Exit(1)


def _deleted(
    retention: Retention, going: Sequence[Kept], by: str, *, lost: bool
) -> tuple[list[Kept], dict[str, str]]:
    """Those that went, and why the others did not."""
    gone, left = [], {}
    for one in going:
        try:
            retention.delete(one, by, lost=lost)
        except NotHere as fault:
            left[one.attempt_id] = f"its recording is not on this machine: {fault}"
        except OSError as fault:
            left[one.attempt_id] = f"its file stays, try again: {fault.strerror}: {one.file}"
        else:
            gone.append(one)
    return gone, left


def _row(one: Kept) -> dict[str, object]:
    return {
        "call": one.attempt_id,
        "case": one.case_id,
        "product": one.product,
        "made": one.at,
        "years": round(one.age_years, 2),
        "deleting": "allowed" if one.may_go else one.decision.refusals[0].reason,
    }
