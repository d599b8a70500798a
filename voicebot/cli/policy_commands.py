"""`voicebot policy`: run the packs' own cases, and explain one case rule by rule."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from voicebot.campaign.campaign_file import campaign_clock, load_campaign
from voicebot.campaign.campaign_lists import scan_lists
from voicebot.campaign.phone_number import to_e164
from voicebot.campaign.plan import spoken_digest
from voicebot.campaign.verdicts import Verdicts
from voicebot.cli.check import planning_store
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.policy.pack import load_pack
from voicebot.policy.pack_cases import run_cases
from voicebot.settings import load_site

app = typer.Typer(no_args_is_help=True)


@app.command("test")
def test(
    site_file: Annotated[Path | None, typer.Option("--site", help="Site settings.")] = None,
) -> None:
    """Run every policy pack's own cases.  Exit code 1 when one of them fails."""
    site = load_site(site_file)
    failed = 0
    for path in dict.fromkeys(policy.file for policy in site.policies):
        results = run_cases(load_pack(path))
        wrong = [one for one in results if not one.passed]
        failed += len(wrong)
        for one in wrong:
            typer.echo(f"{path}: {one.name}: expected {one.expected}, got {one.got}")
        typer.echo(f"{path}: {len(results) - len(wrong)} of {len(results)} cases hold")
    if failed:
        raise typer.Exit(1)


@app.command("explain")
def explain(
    who: Annotated[str, typer.Argument(help="A case id or a number of the campaign's lists.")],
    file: Annotated[Path, typer.Option("--campaign", help="The campaign file.")],
    at: Annotated[str | None, typer.Option("--at", help="Time of the call, like 2026-03-02T22:10.")] = None,
    site_file: Annotated[Path | None, typer.Option("--site", help="Site settings.")] = None,
) -> None:
    """Say for one person what the gate would answer, rule by rule.  Exit code 1 when it would refuse."""
    site = load_site(site_file)
    campaign = load_campaign(file, site.trunks)
    clock = campaign_clock(campaign)
    moment = _moment(at, clock.now())
    cases = scan_lists(campaign).find(who, _number(who))
    if not cases:
        raise InputError(
            "this case or number is in none of the campaign's lists",
            f"Give a case_id or a number of {', '.join(map(str, campaign.lists))}.",
            where=file,
            key="lists",
        )
    gate = site.gate(ManualClock(moment))
    console = Console(highlight=False)
    refused = False
    with planning_store(site, campaign, clock) as store:
        for verdict in Verdicts(store, gate, campaign, spoken_digest(store, campaign)).of(cases, moment):
            refused |= not verdict.decision.allowed
            word = "would be called" if verdict.decision.allowed else "would be refused"
            console.print(f"{verdict.row.case_id} {verdict.phone_masked} ({verdict.row.party}) {word}")
            table = Table("rule", "verdict", "what it is about")
            for rule, said in gate.explain("pre_dial", verdict.facts):
                table.add_row(rule.id, said, rule.on_fail.zh or rule.title)
            console.print(table)
    if refused:
        raise typer.Exit(1)


def _moment(text: str | None, now: datetime) -> datetime:
    if text is None:
        return now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no time", "Write it like 2026-03-02T22:10.", key="--at") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def _number(text: str) -> str:
    try:
        return to_e164(text)
    except ValueError:
        return ""
