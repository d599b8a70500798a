"""`voicebot check FILE`: the plan of a campaign, before anything is dialled."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sip.trunk import load_trunks
from voicebot.campaign.campaign_file import Campaign, campaign_clock, load_campaign
from voicebot.campaign.campaign_lists import CampaignLists, scan_lists
from voicebot.campaign.demo_site import furnish
from voicebot.campaign.plan import Plan, Planner
from voicebot.cli.progress_bar import progress_bar
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

ROWS_REFUSED = 1


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The campaign file, YAML.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Load nothing when any row of a list is bad.")
    ] = False,
    site_file: Annotated[
        Path | None, typer.Option("--site", help="Site settings (configs/site.yaml).")
    ] = None,
) -> None:
    """Show who would be called, who is refused and why, and how the calls would look.  Dials nothing.

    Exit code 0: it can run.  1: rows of a list are bad (each is named, and written to NAME.rejected.csv).
    2: the campaign file or a list as a whole is wrong.
    """
    site = load_site(site_file)
    campaign = load_campaign(file, site.trunks)
    with progress_bar("reading the lists") as told:
        lists = scan_lists(campaign, told)
    rejected_files = lists.write_rejected(rejected_folder(site, campaign))
    try:
        plan = None if strict and lists.rejected else _plan(site, campaign, lists)
    except InputError as fault:
        raise (
            fault if fault.where else InputError(fault.what, fault.do, file, fault.line, fault.key)
        ) from None
    clock = campaign_clock(campaign)
    shown = _as_json(site, campaign, clock, lists, plan, rejected_files)
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        _show(campaign, clock, shown["policy"], lists, plan, rejected_files)
    if lists.rejected:
        raise typer.Exit(ROWS_REFUSED)


def rejected_folder(site: Site, campaign: Campaign) -> Path:
    """Where NAME.rejected.csv goes: beside the campaign's reports, never beside the lists themselves."""
    return site.var / campaign.name


def _plan(site: Site, campaign: Campaign, lists: CampaignLists) -> Plan:
    clock = campaign_clock(campaign)
    trunk = load_trunks(site.trunks)[campaign.trunk]
    with planning_store(site, campaign, clock) as store, progress_bar("asking the gate") as told:
        return Planner(site, store, site.gate(clock), clock, campaign).plan(lists, trunk, told)


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
    site: Site,
    campaign: Campaign,
    clock: Clock,
    lists: CampaignLists,
    plan: Plan | None,
    rejected_files: list[Path],
) -> dict[str, Any]:
    """The whole plan.  Under --strict with bad rows: what the lists are, and nobody to call."""
    return {
        "campaign": campaign.name,
        "institution": campaign.institution,
        "policy": site.gate(clock).of(campaign.institution).label,
        "talk_track": _talk_track(campaign, plan),
        "simulated_clock": clock.simulated,
        "at": plan.at.isoformat(timespec="seconds") if plan and plan.at else None,
        "rows": lists.rows,
        "cases": lists.cases,
        "to_call": plan.to_call if plan else 0,
        "refused": [
            {
                "reason": one.reason,
                "rule": one.rule,
                "zh": one.zh,
                "count": one.count,
                "cases": [named.case_id for named in one.first],
                "first": [vars(named) for named in one.first],
            }
            for one in (plan.refused if plan else ())
        ],
        "rejected": lists.rejected,
        "rejected_reasons": [vars(one) for one in lists.reasons()],
        "rejected_rows": [
            {
                "file": str(one.where),
                "line": one.line,
                "column": one.column,
                "cell": one.cell,
                "reason": one.reason,
            }
            for one in lists.first_rejected()
        ],
        "rejected_files": list(map(str, rejected_files)),
        "request_uri": plan.request_uri if plan else "",
        "from": plan.caller_uri if plan else "",
        "callers": [vars(one) for one in (plan.callers if plan else ())],
        "prompts_to_render": plan.prompts if plan else None,
        "prompts_exact": plan.prompts_exact if plan else True,
        "hours_left_today": round(plan.hours_left.total_seconds() / 3600, 2) if plan else None,
        "expected_minutes": round(plan.expected.total_seconds() / 60, 1) if plan else None,
        "holidays": plan.calendar if plan else None,
        "calendar_ends_before": plan.unknown_day.isoformat() if plan and plan.unknown_day else None,
    }


def _talk_track(campaign: Campaign, plan: Plan | None) -> dict[str, Any]:
    approval = plan.approval if plan else None
    return {
        "reference": campaign.talk_track,
        "digest": approval.digest if approval else None,
        "approved_by": list(approval.approved_by) if approval else [],
        "approved_at": approval.approved_at.isoformat(timespec="seconds") if approval else None,
        "not_approved": plan.not_approved if plan else "",
    }


def _show(
    campaign: Campaign,
    clock: Clock,
    policy: str,
    lists: CampaignLists,
    plan: Plan | None,
    rejected_files: list[Path],
) -> None:
    console = Console(highlight=False)

    def say(name: str, text: str) -> None:
        console.print(f"{name:<11}{text}", markup=False, soft_wrap=True)

    say("campaign", f"{campaign.name} for {campaign.institution}, rules {policy}")
    say("lists", f"{lists.rows} good rows, {lists.cases} cases; {lists.rejected} bad rows")
    if plan is None:
        say("strict", "nothing is loaded, because of the bad rows")
    else:
        _show_plan(console, say, campaign, clock, plan)
    for row in lists.first_rejected():
        say("bad row", str(row))
    if len(lists.reasons()) > 1 or lists.rejected > 1:
        for counted in lists.reasons():
            say("bad rows", f"{counted.count} ({counted.column}): {counted.reason}")
    for path in rejected_files:
        say("to mend", str(path))


def _show_plan(
    console: Console, say: Callable[[str, str], None], campaign: Campaign, clock: Clock, plan: Plan
) -> None:
    if plan.approval is None:
        said = plan.not_approved
        say("talk track", said if campaign.talk_track in said else f"{campaign.talk_track}: {said}")
    else:
        one = plan.approval
        say("talk track", f"{campaign.talk_track}, digest {one.digest[:12]}")
        who = ", ".join(one.approved_by)
        say("", f"approved by {who} at {one.approved_at.astimezone(campaign.zone):%Y-%m-%d %H:%M}")
    kind = " (simulated clock)" if clock.simulated else ""
    when = f"{plan.at:%Y-%m-%d %H:%M} {campaign.timezone}{kind}" if plan.at else "never: no opening in sight"
    hours = plan.hours_left.total_seconds() / 3600
    say("first dial", f"{when}; {hours:.1f} h of dialling left today")
    if plan.unknown_day:
        say("holidays", f"nobody is called from {plan.unknown_day} on: the calendar does not know that day")
    minutes = plan.expected.total_seconds() / 60
    say("to call", f"{plan.to_call}, about {minutes:.0f} min on {campaign.lines} lines")
    if plan.prompts is not None:
        say(
            "prompts",
            f"{'' if plan.prompts_exact else 'about '}{plan.prompts} to render before they are called",
        )
    elif plan.approval:
        say("prompts", "the talk track is not built on this machine yet; it is when the campaign starts")
    if plan.request_uri:
        say("INVITE", plan.request_uri)
        say("From", plan.caller_uri)
    for caller in plan.callers:
        if not caller.registered:
            say("caller", f"{caller.number} is not a registered number of {caller.of}")
    if plan.refused:
        table = Table("refused", "reason", "rule", "the first of them")
        for reason in plan.refused:
            first = "\n".join(f"{one.case_id} {one.name} {one.phone}" for one in reason.first)
            table.add_row(str(reason.count), f"{reason.reason} {reason.zh}", reason.rule, first)
        console.print(table)
