"""`voicebot run FILE`: checks the campaign, runs it, shows it, reports it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from voicebot.campaign.approved_track import unknown_track
from voicebot.campaign.campaign_file import Campaign, campaign_clock, load_campaign
from voicebot.campaign.campaign_lists import CampaignLists, scan_lists
from voicebot.campaign.demo_site import furnish
from voicebot.campaign.live_table import LiveTable, summary_table
from voicebot.campaign.run import CampaignRun, RunResult
from voicebot.campaign.simulated_run import broken_off, simulated_store
from voicebot.campaign.store_owner import sole_owner
from voicebot.campaign.summary import build_summary, write_summary
from voicebot.cli.check import rejected_folder
from voicebot.cli.progress_bar import progress_bar
from voicebot.cli.readiness import placed, require_ready
from voicebot.clock import Clock
from voicebot.console import INTERRUPTED
from voicebot.errors import InputError
from voicebot.logs import configure
from voicebot.quality.calls import names_by_case
from voicebot.quality.report import write_report
from voicebot.settings import Site, load_site
from voicebot.simulate import hearing
from voicebot.simulate.judge import judge, outcomes_of
from voicebot.simulate.result import AGENTS, CALLEES, AgentResult, CalleeResult
from voicebot.simulate.scenario import SCENARIOS, load_scenarios
from voicebot.speech.asr.engine import load_engine
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

console = Console()
NOT_STARTED = "not-started"
"""Beside the runs: the logs of the last one that did not come to calling."""
NO_OUTCOME = "the bot has no outcome for a call that was made"
"""The judge's word for a call that was lost with its worker."""


def run_campaign_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The campaign file, YAML: see configs/campaigns/demo.yaml.")
    ],
    site_file: Annotated[
        Path | None, typer.Option("--site", help="Site settings (configs/site.yaml).")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Call nobody when a single row of the lists is bad.")
    ] = False,
    afresh: Annotated[
        bool,
        typer.Option(
            "--new", help="Begin anew, although a campaign of that name is unfinished: it is given up."
        ),
    ] = False,
) -> None:
    """Run a campaign: place every call that the rules allow, then write the summary and the report.

    A campaign that broke off, was drained or stopped is gone on with. Ctrl-C once stops dialling and lets the
    calls in progress end; twice ends everything.
    """
    site = load_site(site_file)
    campaign = load_campaign(file, site.trunks)
    clock = campaign_clock(campaign)
    try:
        lists = _read_lists(site, campaign, strict)
        require_ready(site, campaign)
        folder = run_folder(site, campaign)
        begun = _broken_off(site, campaign) if campaign.simulation and not afresh else None
        folder, clock = begun or (folder, clock)
        run = partial(CampaignRun, lists=lists, file=file, afresh=afresh)
        result, names = _called(site, campaign, clock, folder, run, begun=begun is not None)
    except InputError as fault:
        raise placed(fault, file) from None
    faults = _report(site, campaign, clock, folder, result, names)
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)
    if faults or lists.rejected:
        raise typer.Exit(1)


def _read_lists(site: Site, campaign: Campaign, strict: bool) -> CampaignLists:
    """Good rows load; bad ones are counted, the first named, and all written out as `check` does it."""
    with progress_bar("reading the lists") as told:
        lists = scan_lists(campaign, told)
    if strict or not lists.rows:
        lists.require_clean()
    if not lists.rows:
        raise InputError("the lists hold nobody to call", "Add a row.", key="lists")
    for row in lists.first_rejected():
        _tell(f"not loaded: {row}")
    for written in lists.write_rejected(rejected_folder(site, campaign)):
        _tell(f"{lists.rejected} rows are not loaded: {written}")
    return lists


def _broken_off(site: Site, campaign: Campaign) -> tuple[Path, Clock] | None:
    found = broken_off(site.runs, campaign.name, KeyRing.load(site.keys), campaign.zone)
    if found is not None:
        _tell(f"{found[0]} is unfinished and is gone on with (--new begins afresh)")
    return found


def _called(
    site: Site,
    campaign: Campaign,
    clock: Clock,
    folder: Path,
    new_run: Callable[..., CampaignRun],
    *,
    begun: bool,
) -> tuple[RunResult, Mapping[str, tuple[str, ...]]]:
    """Places the calls.  A run that never came to calling leaves only its logs, unless it had begun."""
    if not campaign.simulation and not Store.is_made(site.store):
        raise unknown_track(site, campaign)  # nobody can have approved it, and looking makes no store
    (folder / "logs").mkdir(parents=True, exist_ok=begun)
    configure(file=folder / "logs" / "supervisor.log")
    run: CampaignRun | None = None
    try:
        store_url = simulated_store(folder) if campaign.simulation else site.store
        keys = KeyRing.load(site.keys)
        store = Store.open(store_url, keys)
        register = _register_of_approvals(site, keys) if campaign.simulation else None
        try:
            gate = site.gate(clock)
            if campaign.simulation and not begun:
                furnish(store, site, clock)
            clock_text = (
                f"simulated {clock.now():%Y-%m-%d %H:%M} {campaign.timezone}" if clock.simulated else ""
            )
            with (
                sole_owner(store) as alone,
                LiveTable(campaign.name, console=console, clock_text=clock_text) as table,
            ):
                run = new_run(
                    *(site, campaign, store, gate, clock, folder, table, _say, _tell),
                    sole_owner=alone,
                    register=register,
                )
                result = asyncio.run(run.run())
            return result, names_by_case(store, result.campaign_id)
        finally:
            store.close()
            if register is not None:
                register.close()
    finally:
        if not begun and (run is None or not run.calling):
            _withdraw(folder)


def _register_of_approvals(site: Site, keys: KeyRing) -> Store | None:
    """The site's store, where a revocation reaches a simulated run too; None when the site has none yet."""
    return Store.open(site.store, keys) if Store.is_made(site.store) else None


def _withdraw(folder: Path) -> None:
    """Takes a run that did not start away, its logs aside: they say why."""
    written = [file for file in sorted((folder / "logs").iterdir()) if file.stat().st_size]
    if written:
        kept = folder.parent / NOT_STARTED
        shutil.rmtree(kept, ignore_errors=True)
        (folder / "logs").rename(kept)
        console.print(f"logs     {kept}", highlight=False)
    shutil.rmtree(folder)
    for parent in (folder.parent, folder.parent.parent):
        if not any(parent.iterdir()):
            parent.rmdir()


def run_folder(site: Site, campaign: Campaign) -> Path:
    """A folder of its own for each run, named by the real time."""
    return site.runs / campaign.name / f"{datetime.now():%Y%m%d-%H%M%S}"


def _say(step: str) -> None:
    console.print(f"[dim]starting: {step}[/dim]")


def _tell(news: str) -> None:
    console.print(f"[yellow]![/yellow] {news}", highlight=False)


def _report(
    site: Site,
    campaign: Campaign,
    clock: Clock,
    folder: Path,
    result: RunResult,
    names: Mapping[str, tuple[str, ...]],
) -> list[str]:
    """Writes summary and report; returns what did not go as it must."""
    summary = build_summary(
        campaign=campaign.name,
        records=result.records,
        refused=result.refused,
        engines=result.engines,
        clock=clock,
        seconds=result.seconds,
        callee_results=result.callees,
        lost=result.lost,
        alarms=result.alarms,
    )
    write_summary(folder / "summary.json", summary)
    index = write_report(
        folder / "report",
        campaign=campaign.name,
        records=result.records,
        refused=result.refused,
        summary=summary,
        names=names,
        keys=KeyRing.load(site.keys) if campaign.simulation else None,  # nobody real speaks in a simulation
    )
    summary_table(summary, result.refused, console=console)
    faults = [result.fault] if result.fault else []
    if summary["engine_fallbacks"]:
        faults.append(f"{summary['engine_fallbacks']} calls used another engine than the site's")
    if campaign.simulation and not result.interrupted:
        faults += _judged(site, campaign, folder, result)
    latest = site.var / campaign.name
    for name in ("summary.json", "report"):
        _point(latest / name, folder / name)
    console.print(
        f"report   {latest / 'report' / index.name}\nsummary  {latest / 'summary.json'}", highlight=False
    )
    for fault in faults:
        console.print(f"[red]✗[/red] {fault}", highlight=False)
    return faults


def _point(link: Path, target: Path) -> None:
    """`var/<campaign>/…` always shows the newest run."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())


def _judged(site: Site, campaign: Campaign, folder: Path, result: RunResult) -> list[str]:
    """The simulated callees' own view: what each expected, and what it heard."""
    assert campaign.simulation is not None
    world = folder / "world"
    engine = load_engine(site.asr.engine, site.models, 1, site.asr.model)
    verdicts = judge(
        load_scenarios(campaign.simulation.scenarios or SCENARIOS),
        outcomes_of(result.records, [(row.phone_masked, row.reason) for row in result.refused]),
        list(CalleeResult.read(world / CALLEES)),
        list(AgentResult.read(world / AGENTS)),
        partial(hearing.recognise, engine=engine),
        world,
    )
    as_expected = sum(verdict.as_expected for verdict in verdicts)
    console.print(
        f"callees  {as_expected} of {len(verdicts)} calls as their scenario files expect", highlight=False
    )
    if result.lost:
        console.print(
            f"[yellow]{result.lost} calls lost with their worker: closed as UNKNOWN, not judged[/yellow]"
        )
    return [
        f"{verdict.number} {verdict.scenario}: {'; '.join(verdict.faults)}"
        for verdict in verdicts
        if not verdict.as_expected and not (result.lost and NO_OUTCOME in verdict.faults)
    ]
