"""`voicebot stop-list`: who must not be called.  Anybody may add; taking somebody off takes two people."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from voicebot.campaign.register_files import import_stop_list
from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.site_store import (
    AsJson,
    By,
    Key,
    Signer,
    SiteFile,
    StoreUrl,
    actor,
    moment,
    opened,
    phone_number,
    private_key,
)
from voicebot.errors import InputError
from voicebot.store.stop_list import EVERYBODY, REASONS, StopList, check_reason
from voicebot.store.stop_removals import StopRemovals

app = typer.Typer(no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help=f"One of {', '.join(REASONS)}.")]


@app.command("add")
def add(
    reason: Reason,
    number: Annotated[str | None, typer.Argument(help="The telephone number, in any usual form.")] = None,
    debtor: Annotated[
        str | None, typer.Option(help="Instead of a number: a debtor, by id, on every number.")
    ] = None,
    institution: Annotated[
        str, typer.Option(help="Only for this institution (needed with --debtor).")
    ] = EVERYBODY,
    note: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    until: Annotated[
        str | None, typer.Option(help="The last moment, like 2026-05-01; without it for good.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Stop a number or a debtor: in force at once for every worker, also for a call that is only ringing."""
    if (number is None) == (debtor is None):
        raise InputError("give either a number or --debtor")
    if debtor is not None and institution == EVERYBODY:
        raise InputError(
            "a debtor's id is an institution's", "Name it with --institution.", key="--institution"
        )
    phone = phone_number(number) if number is not None else None
    check_reason(reason)
    with opened(site_file, store) as place:
        stop_list = StopList(place.store, place.clock)
        stop_list.add(
            phone=phone,
            debtor=(institution, debtor) if debtor is not None else None,
            reason=reason,
            made_by=actor(by),
            institution=institution,
            note=note,
            expires=moment(until, place.zone, "--until", end=True),
        )
        newest = stop_list.entries()[-1]
    done = {"entry": newest.id, "number": newest.masked, "reason": reason, "institution": newest.institution}
    show_done(done, as_json, f"Entry {newest.id} added: {reason}, in force from now on.")


@app.command("list")
def list_entries(
    everything: Annotated[bool, typer.Option("--all", help="Also removed and ended entries.")] = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Show the entries in force, numbers masked, and which of them are asked to be removed."""
    with opened(site_file, store) as place:
        entries = StopList(place.store, place.clock).entries(removed=everything)
        pending = StopRemovals(place.store, place.clock).pending()
        zone = place.zone

    def time_of(ms: int | None) -> datetime | None:
        return datetime.fromtimestamp(ms / 1000, zone) if ms is not None else None

    rows = []
    for one in entries:
        removal = pending.get(one.id)
        asked = f"asked by {removal.asked_by}: {removal.why}" if removal else ""
        rows.append(
            {
                "entry": one.id,
                "number": one.masked,
                "kind": one.kind,
                "institution": one.institution,
                "reason": one.reason,
                "by": one.made_by,
                "since": time_of(one.made_ms),
                "until": time_of(one.expires_ms),
                "note": one.note,
                "removal": "removed" if one.removed_ms is not None else asked,
            }
        )
    show_rows(rows, as_json, "The stop list is empty.")


@app.command("remove")
def remove(
    entry: Annotated[int, typer.Argument(help="The entry's number, as `stop-list list` shows it.")],
    by: Signer,
    key: Key,
    why: Annotated[str, typer.Option(help="Why it may go (the first person says so).")] = "",
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Take an entry off: the first person asks with --why, a second person confirms by the same command."""
    with opened(site_file, store) as place:
        removals = StopRemovals(place.store, place.clock)
        if removals.of(entry) is None or why:
            removal = removals.ask(entry, by, private_key(key), why)
            words = f"Asked for. Entry {entry} stays in force until a second person confirms it."
        else:
            removal = removals.confirm(entry, by, private_key(key))
            words = f"Entry {entry} is removed: asked by {removal.asked_by}, confirmed by {by}."
    done = {"entry": entry, "removed": removal.done, "asked_by": removal.asked_by, "why": removal.why}
    show_done({**done, "confirmed_by": removal.confirmed_by}, as_json, words)


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX with the columns phone, reason and perhaps note, institution.")
    ],
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Add all numbers of a file, or none when a row is wrong (the first one is named)."""
    with opened(site_file, store) as place:
        stop_list = StopList(place.store, place.clock)
        before = len(stop_list.entries())
        rows = import_stop_list(file, stop_list, actor(by))
        added = len(stop_list.entries()) - before
    words = f"{added} of {rows} numbers added; the others were there already."
    show_done({"file": str(file), "rows": rows, "added": added}, as_json, words)
