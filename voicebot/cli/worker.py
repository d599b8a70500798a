"""`voicebot worker`: a further machine takes part in a campaign that a run began elsewhere."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from voicebot.campaign.campaign_file import Campaign, campaign_clock
from voicebot.campaign.control import CampaignHead, Controls
from voicebot.campaign.edited_file import read_campaign
from voicebot.campaign.live_table import LiveTable
from voicebot.campaign.run import CampaignRun, RunResult
from voicebot.cli.readiness import require_ready
from voicebot.cli.run import run_folder
from voicebot.cli.site_store import SiteFile
from voicebot.clock import WallClock
from voicebot.console import INTERRUPTED
from voicebot.errors import InputError, NotReady
from voicebot.logs import configure
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

console = Console(highlight=False)


def worker(
    campaign: Annotated[
        str, typer.Option("--campaign", metavar="NAME", help="The running campaign: its name or id.")
    ],
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="The shared store, like postgresql://USER@HOST/NAME."),
    ] = None,
    site_file: SiteFile = None,
) -> None:
    """Take part in a campaign that runs on another machine: same store, same rules, this machine's lines.

    It ends when nothing is left to call today, when the campaign is drained or stopped, or with Ctrl-C (once:
    calls in progress end first). The run that began the campaign writes the report.
    """
    site = load_site(site_file)
    site = site.model_copy(update={"store": store}) if store else site
    opened = Store.open(site.store, KeyRing.load(site.keys))
    try:
        if not opened.is_postgresql:
            raise InputError(
                "a SQLite store serves one machine",
                "Keep the campaign in PostgreSQL to share it, and name that with --store.",
                key="--store",
            )
        result = _work(site, opened, _open_campaign(opened, site, campaign))
    finally:
        opened.close()
    if result.fault:
        console.print(f"[red]✗[/red] {result.fault}")
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)
    if result.fault:
        raise typer.Exit(1)


def _open_campaign(store: Store, site: Site, name: str) -> CampaignHead:
    head = Controls(store, WallClock(site.zone)).find(name)
    if head.finished:
        raise InputError(f"{head.id} is finished", "There is nothing left to call.", key="--campaign")
    if head.state == "stopped":
        raise InputError(f"{head.id} was stopped", "voicebot run FILE goes on with it.", key="--campaign")
    return head


def _work(site: Site, store: Store, head: CampaignHead) -> RunResult:
    campaign, _ = read_campaign(store, head.id)
    require_here(campaign)
    require_ready(site, campaign)
    clock = campaign_clock(campaign)
    folder = run_folder(site, campaign)
    (folder / "logs").mkdir(parents=True)
    configure(file=folder / "logs" / "supervisor.log")
    console.print(f"{head.id}: working on it; logs {folder / 'logs'}")
    with LiveTable(campaign.name, console=console) as table:
        run = CampaignRun(
            site, campaign, store, site.gate(clock), clock, folder, table, _say, _tell, joins=head.id
        )
        result = asyncio.run(run.run())
    console.print(f"{head.id}: this machine's part ended {datetime.now():%Y-%m-%d %H:%M}")
    return result


def require_here(campaign: Campaign) -> None:
    """NotReady unless this machine sees what claims need: without balances the gate refuses everybody."""
    for key, file in (("balances", campaign.balances.file), ("holidays", campaign.holidays)):
        if isinstance(file, Path) and not file.is_file():
            raise NotReady(
                f"the campaign's {key} are not on this machine",
                "Share the folder at the same path, or name an address for balances.",
                file,
                key=key,
            )


def _say(step: str) -> None:
    console.print(f"[dim]starting: {step}[/dim]")


def _tell(news: str) -> None:
    console.print(f"[yellow]![/yellow] {news}")
