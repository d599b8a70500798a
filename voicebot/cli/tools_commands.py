"""`voicebot tools`: registered caller numbers (作业工具).  One person files, another approves; both sign."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from voicebot.cli.listing import show_done, show_rows
from voicebot.cli.site_store import (
    AsJson,
    By,
    Key,
    Signer,
    SiteFile,
    SiteStore,
    StoreUrl,
    actor,
    day,
    opened,
    phone_number,
    private_key,
)
from voicebot.store.audit import AuditChain
from voicebot.store.tools import Tool, Tools

app = typer.Typer(no_args_is_help=True)

Number = Annotated[str, typer.Argument(help="The caller number, in any usual form.")]


@app.command("list")
def list_tools(as_json: AsJson = False, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """Show the caller numbers, who filed and approved them, and whether they may be used today."""
    with opened(site_file, store) as place:
        today = datetime.now(place.zone).date()
        tools = Tools(place.store)
        signed = tools.signed()
        rows = [
            {
                "number": tool.number,
                "institution": tool.institution,
                "agency": tool.agency or "own",
                "valid_from": tool.valid_from,
                "valid_to": tool.valid_to,
                "genuine_cli": tool.genuine_cli,
                "registered_by": tool.registered_by,
                "approved_by": tool.approved_by or "nobody",
                "signatures": len(signed[tool.number]),
                "usable_today": tool.usable(today),
            }
            for tool in tools.all()
        ]
    show_rows(rows, as_json, "No caller number is registered.")


@app.command("register")
def register(
    number: Number,
    institution: Annotated[str, typer.Option(help="Whose number it is.")],
    valid_from: Annotated[str, typer.Option("--from", help="First day, like 2026-01-01.")],
    valid_to: Annotated[str, typer.Option("--to", help="Last day, like 2026-12-31.")],
    by: Signer,
    key: Key,
    agency: Annotated[str | None, typer.Option(help="The agency that calls from it.")] = None,
    genuine_cli: Annotated[
        bool, typer.Option("--genuine-cli", help="The carrier shows this very number to the called person.")
    ] = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """File a caller number, or a change to one.  It may be used once another person has approved it."""
    tool = Tool(
        phone_number(number),
        institution,
        agency,
        genuine_cli,
        day(valid_from, "--from"),
        day(valid_to, "--to"),
        by,
        None,
    )
    with opened(site_file, store) as place, place.store.begin() as connection:
        Tools(place.store).file_in(connection, tool, private_key(key))
        _chain(place).append_in(connection, "tool_registered", tool.number, tool.filing() | {"by": by})
        place.store.barrier(connection)
    done = tool.filing() | {"registered_by": by, "approved_by": None}
    show_done(done, as_json, f"{tool.number} is filed. It may be used once another person approves it.")


@app.command("approve")
def approve(
    number: Number,
    by: Signer,
    key: Key,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Approve a filed number (compliance, another person than its registrar, none of an agency)."""
    phone = phone_number(number)
    with opened(site_file, store) as place, place.store.begin() as connection:
        tool = Tools(place.store).approve_in(connection, phone, by, private_key(key))
        _chain(place).append_in(connection, "tool_approved", phone, tool.filing() | {"by": by})
    done = tool.filing() | {"registered_by": tool.registered_by, "approved_by": by}
    words = f"{phone} is approved and valid from {tool.valid_from} to {tool.valid_to}."
    if not tool.genuine_cli:
        words += " No call leaves from it: it is not shown to the called person as it is."
    show_done(done, as_json, words)


@app.command("expire")
def expire(
    number: Number,
    last_day: Annotated[
        str | None, typer.Option("--last-day", help="Its last day (default: yesterday, so at once).")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """End a number's validity.  The next permission sees it."""
    phone = phone_number(number)
    with opened(site_file, store) as place, place.store.begin() as connection:
        yesterday = place.clock.now().date() - timedelta(days=1)
        last = day(last_day, "--last-day") if last_day is not None else yesterday
        tool = Tools(place.store).expire_in(connection, phone, last)
        about = {"last_day": last.isoformat(), "by": actor(by)}
        _chain(place).append_in(connection, "tool_expired", phone, about)
        place.store.barrier(connection)
    done = {"number": phone, "last_day": tool.valid_to, "by": actor(by)}
    show_done(done, as_json, f"{phone} is valid until {tool.valid_to}.")


def _chain(place: SiteStore) -> AuditChain:
    return AuditChain(place.store, place.clock)
