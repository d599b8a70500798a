"""`voicebot agreement`: 约定, what a debtor agreed to beforehand.  Without evidence nothing is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.site_store import AsJson, By, SiteFile, StoreUrl, actor, moment, opened
from voicebot.errors import InputError
from voicebot.store.agreements import SOURCES, Agreements, Kind

app = typer.Typer(no_args_is_help=True)


@app.command("add")
def add(
    debtor: Annotated[str, typer.Argument(help="The debtor's id, as the lists have it.")],
    institution: Annotated[str, typer.Option(help="With whom it was agreed.")],
    evidence: Annotated[str, typer.Option(help="The recording (id@offset) or document that proves it.")],
    valid_from: Annotated[str, typer.Option("--from", help="From when, like 2026-03-02T22:00.")],
    valid_to: Annotated[str, typer.Option("--to", help="Until when, like 2026-03-02T23:00.")],
    hours: Annotated[
        str | None, typer.Option(help="Only at these hours of each day, like 22:00-23:30.")
    ] = None,
    calls: Annotated[
        int | None,
        typer.Option(help="Agreed to so many connected calls a day (instead of other hours)."),
    ] = None,
    source: Annotated[str, typer.Option(help=f"One of {', '.join(SOURCES)}.")] = SOURCES[1],
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Keep an agreement to other hours, or with --calls to more calls a day."""
    if hours is not None and calls is not None:
        raise InputError("an agreement is to other hours or to more calls", "Make two of them.")
    kind: Kind = "extra_call" if calls is not None else "window"
    with opened(site_file, store) as place:
        start = moment(valid_from, place.zone, "--from")
        end = moment(valid_to, place.zone, "--to", end=True)
        assert start is not None and end is not None
        number = Agreements(place.store, place.clock).add(
            institution,
            debtor,
            kind,
            start,
            end,
            evidence_id=evidence,
            made_by=actor(by),
            hours=hours,
            calls_per_day=calls,
            source=source,
        )
    done = {
        "agreement": number,
        "kind": kind,
        "from": start,
        "to": end,
        "hours": hours,
        "calls_per_day": calls,
    }
    show_done({**done, "evidence_id": evidence}, as_json, f"Agreement {number} is kept.")


@app.command("list")
def list_agreements(
    debtor: Annotated[str | None, typer.Option(help="Only this debtor's (needs --institution).")] = None,
    institution: Annotated[str | None, typer.Option(help="Only this institution's.")] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Show agreements; of the debtor only the end of the id."""
    if debtor is not None and institution is None:
        raise InputError(
            "a debtor's id is an institution's", "Name it with --institution.", key="--institution"
        )
    with opened(site_file, store) as place:
        agreements = Agreements(place.store, place.clock)
        found = agreements.all(place.zone)
        if debtor is not None and institution is not None:
            own = agreements.numbers_of(institution, debtor)
            found = [one for one in found if one.id in own]
    rows = [
        {
            "agreement": one.id,
            "institution": one.institution,
            "debtor": one.debtor_masked,
            "kind": one.kind,
            "from": one.start,
            "to": one.end,
            "hours": one.hours,
            "calls_per_day": one.calls_per_day,
            "evidence_id": one.evidence_id,
            "source": one.source,
            "by": one.made_by,
            "revoked_by": one.revoked_by,
        }
        for one in found
        if institution is None or one.institution == institution
    ]
    show_rows(rows, as_json, "There is no agreement.")


@app.command("revoke")
def revoke(
    agreement: Annotated[int, typer.Argument(help="Its number, as `agreement list` shows it.")],
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """End an agreement: the next permission does not count it any more."""
    with opened(site_file, store) as place:
        Agreements(place.store, place.clock).revoke(agreement, actor(by))
    done = {"agreement": agreement, "revoked_by": actor(by)}
    show_done(done, as_json, f"Agreement {agreement} is revoked.")
