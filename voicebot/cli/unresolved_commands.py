"""`voicebot unresolved` and `voicebot resolve`: calls of which nobody knows what became of them."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer
from sqlalchemy import select

from voicebot.campaign.control import Controls
from voicebot.campaign.ledger import Ledger
from voicebot.campaign.nodes import Nodes
from voicebot.campaign.simulated_run import clock_of
from voicebot.campaign.unresolved import Unresolved
from voicebot.campaign.upkeep import settle_dead_nodes
from voicebot.cli.campaign_commands import stores, unknown_campaign
from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.site_store import AsJson, SiteFile, StoreUrl
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.logs import configure
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.models import AttemptRow
from voicebot.store.people import People
from voicebot.store.states import Disposition


def unresolved(
    campaign: Annotated[
        str | None, typer.Argument(metavar="[CAMPAIGN]", help="A name or id; without it all campaigns.")
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """List the calls that broke off: dialled, and nobody knows what became of them. None is dialled again.

    What a process held that is gone is closed as UNKNOWN first: of this machine at once, of another one when
    no call can last any longer.
    """
    site = load_site(site_file)
    configure(logging.ERROR)  # what is settled here is said in words
    rows: list[dict[str, Any]] = []
    known = campaign is None
    for place in stores(site, store, campaign):
        with place as found:
            heads = Controls(found, WallClock(site.zone)).campaigns(campaign) if campaign else []
            if campaign and not heads:
                continue
            known = True
            ledger = _ledger(site, found)
            settle_dead_nodes(ledger, Nodes(found), _tell)
            if found.is_postgresql:  # other machines' leases tell, also when nobody runs any more
                ledger.reap()
            rows += map(_row, ledger.unresolved(heads[0].id if heads else None))
    if not known:
        raise unknown_campaign(str(campaign))
    if not as_json:
        rows = [_short(row, without_campaign=campaign is not None) for row in rows]
    show_rows(rows, as_json, "No call is unresolved.")


def _tell(news: str) -> None:
    typer.echo(news, err=True)


def _row(one: Unresolved) -> dict[str, Any]:
    return {
        "attempt": one.attempt_id,
        "campaign": one.campaign,
        "case": one.case_id,
        "number": one.phone_masked,
        "dialled": one.dialled_at,
        "answered": one.answered_at,
        "given_up": one.closed_at,
        "why": one.why,
        "reported_later": one.reported.value if one.reported else None,
    }


def _short(row: dict[str, Any], *, without_campaign: bool) -> dict[str, Any]:
    """What a person needs to look the call up, on one line."""
    left_out = {"given_up", "campaign"} if without_campaign else {"given_up"}
    short = {key: value for key, value in row.items() if key not in left_out}
    return short | {"answered": "yes" if row["answered"] else "-"}


def resolve(
    attempt: Annotated[str, typer.Argument(help="The attempt's id, as `voicebot unresolved` shows it.")],
    disposition: Annotated[
        Disposition, typer.Option(metavar="CODE", help="What the call came to, like NO_ANSWER.")
    ],
    reason: Annotated[str, typer.Option(help="How you know; nothing personal.")],
    person: Annotated[str, typer.Option("--as", metavar="PERSON", help="Who decides, by id.")],
    dial_again: Annotated[
        bool, typer.Option("--dial-again", help="Plan this contact's next try, within its budget and caps.")
    ] = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Close a call that nobody knew the outcome of. It goes into the audit, with your name and reason."""
    site = load_site(site_file)
    for place in stores(site, store, None):
        with place as found:
            if _resolved(site, found, attempt, person, disposition, reason, dial_again):
                break
    else:
        raise InputError(f"there is no attempt {attempt!r}", "See: voicebot unresolved.", key="attempt")
    done = {"attempt": attempt, "disposition": disposition.value, "by": person, "dial_again": dial_again}
    again = "; its contact is planned again" if dial_again else ""
    show_done(done, as_json, f"{attempt}: closed as {disposition.value} by {person}{again}.")


def _resolved(
    site: Site,
    store: Store,
    attempt: str,
    person: str,
    disposition: Disposition,
    reason: str,
    dial_again: bool,
) -> bool:
    """False when the attempt is in another store.  InputError when this person cannot close it."""
    with store.reading() as connection:
        if connection.execute(select(AttemptRow.id).where(AttemptRow.id == attempt)).first() is None:
            return False
    if People(store).find(person) is None:
        raise InputError(f"nobody is registered as {person!r}", "See: voicebot people list.", key="--as")
    _ledger(site, store).resolve(attempt, person, disposition, reason, dial_again=dial_again)
    return True


def _ledger(site: Site, store: Store) -> Ledger:
    """It claims nothing here: it lists and closes."""
    clock = clock_of(store, site.zone)
    return Ledger(store, site.gate(clock), clock, recorder_ready=lambda: False)
