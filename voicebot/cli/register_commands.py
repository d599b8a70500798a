"""`voicebot stop-list` and `voicebot tools`: who must not be called, and which numbers may call."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from voicebot.campaign.phone_number import to_e164
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.registers import Tools
from voicebot.store.stop_list import EVERYBODY, REASONS, StopList, check_reason

stop_list = typer.Typer(no_args_is_help=True)
tools = typer.Typer(no_args_is_help=True)

SiteFile = Annotated[Path | None, typer.Option("--site", help="Site settings (configs/site.yaml).")]
StoreUrl = Annotated[
    str | None, typer.Option("--store", help="Another store than the site's, like sqlite:///FILE.")
]


@stop_list.command("add")
def add(
    number: Annotated[str, typer.Argument(help="The telephone number, in any usual form.")],
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(REASONS)}.")],
    institution: Annotated[str, typer.Option(help="Only for this institution.")] = EVERYBODY,
    note: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Stop a number: in force at once for every worker, also for a claimed call that is not yet dialled."""
    try:
        phone = to_e164(number)
    except ValueError as fault:
        raise InputError(str(fault), "Write it like 13800001234 or +8613800001234.", key="number") from None
    check_reason(reason)
    site = load_site(site_file)
    with opened(site, store) as place:
        StopList(place, WallClock(site.zone)).add(
            phone=phone, reason=reason, made_by=getpass.getuser(), institution=institution, note=note
        )
    typer.echo("added")


@stop_list.command("list")
def list_entries(store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """Show every entry, numbers masked."""
    site = load_site(site_file)
    table = Table("number", "kind", "institution", "reason", "by", "since", "until", "note")
    with opened(site, store) as place:
        for one in StopList(place, WallClock(site.zone)).entries():
            since, until = (_time(ms, site) for ms in (one.made_ms, one.expires_ms))
            table.add_row(
                one.masked, one.kind, one.institution, one.reason, one.made_by, since, until, one.note
            )
    Console(highlight=False).print(table if table.row_count else "The stop list is empty.")


@tools.command("list")
def list_tools(store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """Show the registered caller numbers and whether they may be used today."""
    site = load_site(site_file)
    today = datetime.now(site.zone).date()
    table = Table("number", "institution", "agency", "valid", "registered by", "approved by", "usable today")
    with opened(site, store) as place:
        for tool in Tools(place).all():
            valid = tool.valid_from <= today <= tool.valid_to
            usable = "yes" if tool.approved_by and valid and tool.genuine_cli else "no"
            table.add_row(
                tool.number,
                tool.institution,
                tool.agency or "own",
                f"{tool.valid_from} to {tool.valid_to}",
                tool.registered_by,
                tool.approved_by or "nobody",
                usable,
            )
    Console(highlight=False).print(table if table.row_count else "No caller number is registered.")


@contextmanager
def opened(site: Site, url: str | None) -> Iterator[Store]:
    """The site's store, or the one that was named."""
    store = Store.open(url or site.store, KeyRing.load(site.keys))
    try:
        yield store
    finally:
        store.close()


def _time(ms: int | None, site: Site) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, site.zone):%Y-%m-%d %H:%M}" if ms is not None else "for good"
