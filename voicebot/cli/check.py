"""`voicebot check FILE`: the plan of a campaign, before anything is dialled."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sip.trunk import load_trunks
from voicebot.campaign.campaign_file import Campaign, campaign_clock, load_campaign
from voicebot.campaign.campaign_lists import read_lists
from voicebot.campaign.contact_list import RejectedRow
from voicebot.campaign.demo_site import furnish
from voicebot.campaign.plan import Plan, Planner
from voicebot.clock import Clock
from voicebot.policy.gate import Gate
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

BAD_INPUT = 2


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The campaign file, YAML.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    site_file: Annotated[
        Path | None, typer.Option("--site", help="Site settings (configs/site.yaml).")
    ] = None,
) -> None:
    """Show who would be called, who is refused and why, and how the calls would look.  Dials nothing.

    Exit code 0: it can run.  2: the file or a list row is wrong (each one is named).
    """
    site = load_site(site_file)
    campaign = load_campaign(file, site.trunks)
    lists = read_lists(campaign)
    clock = campaign_clock(campaign)
    gate = site.gate(clock)
    trunk = load_trunks(site.trunks)[campaign.trunk]
    with planning_store(site, campaign, clock) as store:
        plan = Planner(store, gate, clock, campaign).plan(lists.rows, trunk)
    if as_json:
        typer.echo(
            json.dumps(_as_json(campaign, gate, clock, plan, lists.rejected), ensure_ascii=False, indent=2)
        )
    else:
        _show(campaign, gate, clock, plan, lists.rejected)
    if lists.rejected:
        raise typer.Exit(BAD_INPUT)


@contextmanager
def planning_store(site: Site, campaign: Campaign, clock: Clock) -> Iterator[Store]:
    """The site's store; for a simulation a fresh one, furnished as the run's will be."""
    if campaign.simulation is None:
        store = Store.open(site.store, KeyRing.load(site.keys))
        try:
            yield store
        finally:
            store.close()
        return
    with tempfile.TemporaryDirectory(prefix="plan-") as folder:
        keys = KeyRing.load(site.keys) if site.keys.exists() else KeyRing.create(Path(folder) / "keys.json")
        store = Store.open(f"sqlite:///{folder}/store.db", keys)
        try:
            furnish(store, site, clock)
            yield store
        finally:
            store.close()


def _as_json(
    campaign: Campaign, gate: Gate, clock: Clock, plan: Plan, rejected: list[RejectedRow]
) -> dict[str, object]:
    return {
        "campaign": campaign.name,
        "policy": gate.label,
        "simulated_clock": clock.simulated,
        "at": plan.at.isoformat(timespec="seconds") if plan.at else None,
        "to_call": plan.to_call,
        "refused": [
            {
                "reason": one.reason,
                "rule": one.rule,
                "zh": one.zh,
                "count": one.count,
                "cases": list(one.cases),
            }
            for one in plan.refused
        ],
        "rejected_rows": [
            {"file": str(one.where), "line": one.line, "column": one.column, "reason": one.reason}
            for one in rejected
        ],
        "request_uri": plan.request_uri,
        "from": plan.caller_uri,
        "hours_left_today": round(plan.hours_left.total_seconds() / 3600, 2),
        "expected_minutes": round(plan.expected.total_seconds() / 60, 1),
    }


def _show(campaign: Campaign, gate: Gate, clock: Clock, plan: Plan, rejected: list[RejectedRow]) -> None:
    console = Console(highlight=False)
    kind = " (simulated clock)" if clock.simulated else ""
    console.print(f"campaign   {campaign.name} for {campaign.institution}, rules {gate.label}")
    when = f"{plan.at:%Y-%m-%d %H:%M} {campaign.timezone}{kind}" if plan.at else "never: no opening in sight"
    console.print(
        f"first dial {when}; {plan.hours_left.total_seconds() / 3600:.1f} h of dialling left that day"
    )
    minutes = plan.expected.total_seconds() / 60
    console.print(f"to call    {plan.to_call}, about {minutes:.0f} min on {campaign.lines} lines")
    if plan.request_uri:
        console.print(f"INVITE     {plan.request_uri}\nFrom       {plan.caller_uri}", markup=False)
    if plan.refused:
        table = Table("refused", "reason", "rule", "first cases", title=None)
        for one in plan.refused:
            table.add_row(str(one.count), f"{one.reason} {one.zh}", one.rule, ", ".join(one.cases))
        console.print(table)
    for row in rejected:
        console.print(f"bad row    {row}", markup=False, soft_wrap=True)
