"""`voicebot policy`: which packs are in force, whether their cases hold, what would happen to one person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from voicebot.campaign.campaign_file import Campaign, campaign_clock, load_campaign
from voicebot.campaign.campaign_lists import scan_lists
from voicebot.campaign.explanation import Explanation, Person, explain
from voicebot.campaign.people_found import in_lists, in_store
from voicebot.campaign.phone_number import to_e164
from voicebot.cli.check import planning_store
from voicebot.cli.listing import show_json, show_rows
from voicebot.cli.site_store import AsJson, SiteFile, StoreUrl, moment
from voicebot.clock import WallClock
from voicebot.errors import InputError
from voicebot.policy.pack import PackBody, load_pack
from voicebot.policy.pack_cases import run_cases
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

app = typer.Typer(no_args_is_help=True)

CAMPAIGNS = Path("configs/campaigns")
"""Where a site keeps its campaign files."""


@app.command("list")
def list_packs(
    rules: Annotated[bool, typer.Option("--rules", help="Every rule instead of the packs.")] = False,
    params: Annotated[bool, typer.Option("--params", help="Every parameter instead of the packs.")] = False,
    institution: Annotated[str | None, typer.Option(help="As this institution set them.")] = None,
    as_json: AsJson = False,
    site_file: SiteFile = None,
) -> None:
    """Show the packs in force.  All of them are asked; one refusal of one pack is enough."""
    packs = load_site(site_file).packs(institution)
    if rules:
        show_rows([row for pack in packs for row in _rules(pack)], as_json, "There is no rule.")
    elif params:
        show_rows([row for pack in packs for row in _params(pack)], as_json, "There is no parameter.")
    else:
        show_rows([_about(pack) for pack in packs], as_json, "There is no pack.")


def _about(pack: PackBody) -> dict[str, Any]:
    return {
        "pack": pack.label,
        "title": pack.pack.title,
        "jurisdiction": pack.pack.jurisdiction,
        "clock": pack.pack.timezone,
        "rules": len(pack.rules),
        "before_dialling": sum(rule.gate == "pre_dial" for rule in pack.rules),
        "status": pack.pack.status,
    }


def _rules(pack: PackBody) -> Iterator[dict[str, Any]]:
    for rule in pack.rules:
        yield {
            "rule": rule.id,
            "gate": rule.gate,
            "reason": rule.on_fail.reason,
            "about": rule.on_fail.zh or rule.title,
            "law": f"{rule.doc} {rule.clause}".strip(),
            "sure": rule.sure,
            "strength": rule.strength,
        }


def _params(pack: PackBody) -> Iterator[dict[str, Any]]:
    for name, param in pack.params.items():
        bound = ", ".join(param.choices) if param.choices else param.bound
        bound = "fixed" if bound is None else bound
        yield {"pack": pack.pack.id, "parameter": name, "value": param.value, "loosest": bound}


@app.command("test")
def test(as_json: AsJson = False, site_file: SiteFile = None) -> None:
    """Run every policy pack's own cases.  Exit code 1 when one of them fails."""
    site = load_site(site_file)
    site.packs()  # their parameters, too, must hold
    shown, failed = [], 0
    for path in dict.fromkeys(policy.file for policy in site.policies):
        results = run_cases(load_pack(path))
        wrong = [one for one in results if not one.passed]
        failed += len(wrong)
        shown.append({"file": str(path), "cases": len(results), "failed": [asdict(one) for one in wrong]})
        if not as_json:
            for one in wrong:
                typer.echo(f"{path}: {one.name}: expected {one.expected}, got {one.got}")
            typer.echo(f"{path}: {len(results) - len(wrong)} of {len(results)} cases hold")
    if as_json:
        show_json(shown)
    if failed:
        raise typer.Exit(1)


@app.command("explain")
def explain_person(
    who: Annotated[str, typer.Argument(metavar="CASE|NUMBER", help="A case id or a telephone number.")],
    at: Annotated[str | None, typer.Option("--at", help="Time of the call, like 2026-03-02T22:10.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--campaign",
            help=f"Look into this campaign file's lists; else into the store, then into {CAMPAIGNS}.",
        ),
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Say for one person what would happen and why: every rule with its facts, and when a call is possible.

    Exit code 1 when a call would be refused.
    """
    site = load_site(site_file)
    number = _number(who)
    found = _in_file(site, file, who, number, at) if file else _anywhere(site, store, who, number, at)
    if as_json:
        show_json([_as_json(one) for one in found])
    else:
        console = Console(highlight=False, markup=False)
        for one in found:
            _show(console, one)
    if not all(one.decision.allowed for one in found):
        raise typer.Exit(1)


def _in_file(site: Site, file: Path, who: str, number: str, at: str | None) -> list[Explanation]:
    campaign = load_campaign(file, site.trunks)
    moment(at, campaign.zone, "--at")  # a wrong time is said before the lists are read
    found = _in_lists(site, campaign, file, who, number, at)
    if not found:
        raise InputError(
            "this case or number is in none of the campaign's lists",
            f"Give a case_id or a number of {', '.join(map(str, campaign.lists))}.",
            where=file,
            key="lists",
        )
    return found


def _anywhere(site: Site, url: str | None, who: str, number: str, at: str | None) -> list[Explanation]:
    """The store first, which knows of calls that were made; then the campaign files of the site."""
    clock = WallClock(site.zone)
    now = clock.now()
    when = moment(at, site.zone, "--at") or now
    gate = site.gate(clock)
    with _existing_store(site, url) as place:
        if place is not None:
            found = [explain(one, gate, when) for one in in_store(place, gate, who, number, now)]
            if found:
                return found
    unreadable: list[InputError] = []
    for file in sorted(CAMPAIGNS.glob("*.yaml")) if url is None else ():
        try:
            found = _in_lists(site, load_campaign(file, site.trunks), file, who, number, at)
        except InputError as fault:  # another file may know the person
            unreadable.append(fault)
            continue
        if found:
            return found
    if unreadable:
        raise unreadable[0]
    looked = "the store" if url is not None else f"the store or in a list of {CAMPAIGNS}"
    raise InputError(f"this case or number is not in {looked}", "Name a file with --campaign.", key="who")


@contextmanager
def _existing_store(site: Site, url: str | None) -> Iterator[Store | None]:
    """The named store or the site's; None when that was never made: looking does not make it."""
    address = url or site.store
    embedded = address.startswith("sqlite:///")
    if url is None and embedded and not Path(address.removeprefix("sqlite:///")).is_file():
        yield None
        return
    opened = Store.open(address, KeyRing.load(site.keys))
    try:
        yield opened
    finally:
        opened.close()


def _in_lists(
    site: Site, campaign: Campaign, file: Path, who: str, number: str, at: str | None
) -> list[Explanation]:
    clock = campaign_clock(campaign)
    now = clock.now()
    gate = site.gate(clock)
    lists = scan_lists(campaign)
    with planning_store(site, campaign, clock) as store:
        people: list[Person] = in_lists(store, gate, campaign, str(file), lists, who, number, now)
        when = moment(at, campaign.zone, "--at") or now
        return [explain(one, gate, when) for one in people]


def _show(console: Console, one: Explanation) -> None:
    person = one.person
    word = "would be called" if one.decision.allowed else "would be refused"
    when = f"{one.at:%Y-%m-%d %H:%M}"
    console.print(f"{person.case_id} {person.phone_masked} ({person.party}) {word} at {when}", soft_wrap=True)
    console.print(
        f"campaign {person.campaign.name} ({person.source}), rules {one.decision.pack}", soft_wrap=True
    )
    table = Table("rule", "verdict", "what it is about", "what it looked at")
    for asked in one.asked:
        table.add_row(asked.rule, asked.verdict, asked.zh or asked.title, asked.facts)
    console.print(table)
    for refusal in one.decision.refusals:
        console.print(f"refused by {refusal.rule}: {refusal.reason} {refusal.zh}", soft_wrap=True)
    for use in one.counters:
        days = "today" if use.days == 1 else f"in {use.days} days"
        used = "unknown" if use.used is None else use.used
        console.print(f"counted {days}: {use.counter} {used} of {use.limit}")
    if one.next_call is not None:
        console.print(f"next call possible: {one.next_call:%Y-%m-%d %H:%M}")
    elif one.waits_for:
        reasons = ", ".join(refusal.reason for refusal in one.waits_for)
        console.print(f"no call is possible until somebody settles: {reasons}", soft_wrap=True)
    else:
        console.print("no opening for a call is in sight")


def _as_json(one: Explanation) -> dict[str, Any]:
    return {
        "case": one.person.case_id,
        "party": one.person.party,
        "number": one.person.phone_masked,
        "campaign": one.person.campaign.name,
        "source": one.person.source,
        "at": one.at,
        "allowed": one.decision.allowed,
        "pack": one.decision.pack,
        "refusals": [asdict(refusal) for refusal in one.decision.refusals],
        "rules": [asdict(asked) for asked in one.asked],
        "counters": [asdict(use) for use in one.counters],
        "facts": dict(one.decision.facts),
        "next_call": one.next_call,
        "waits_for": [refusal.reason for refusal in one.waits_for],
    }


def _number(text: str) -> str:
    """E.164 when it is a number, else nothing: then it is a case id."""
    try:
        return to_e164(text)
    except ValueError:
        return ""
