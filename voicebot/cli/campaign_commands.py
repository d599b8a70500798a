"""`voicebot status|pause|resume|drain|stop`: a running campaign from another terminal or machine.

A command returns when it is in force: the wish is committed, so nothing is permitted any more, and every node
has said that the INVITEs permitted a moment before have left.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from voicebot.campaign.control import CampaignHead, Controls, Wish
from voicebot.campaign.nodes import Node, Nodes
from voicebot.campaign.progress import progress
from voicebot.cli.site_store import AsJson, SiteFile, StoreUrl
from voicebot.clock import WallClock
from voicebot.console import counted
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

console = Console(highlight=False)
UTC = ZoneInfo("UTC")

CARRIED_OUT_WITHIN_S = 3.0
"""A node carries a wish out within a second; one that takes longer is named."""
LOOK_S = 0.02
AT_WORK = ("lines_full", "too_fast")
"""Why a node that dials as fast as it may dials nothing at this instant: not worth a word."""
CampaignName = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="The campaign's name (its newest run) or its id.")
]


def status(
    campaign: Annotated[
        str | None,
        typer.Argument(metavar="[CAMPAIGN]", help="A name or id; without it every unfinished one."),
    ] = None,
    as_json: AsJson = False,
    store: StoreUrl = None,
    site_file: SiteFile = None,
) -> None:
    """Live numbers of campaigns: who works on them, what is planned, done, refused; what holds them up."""
    site = load_site(site_file)
    shown: list[dict[str, Any]] = []
    for place in stores(site, store, campaign):
        with place as opened:
            shown += [_numbers(opened, head) for head in _heads(opened, site, campaign)]
    if campaign is not None and not shown:
        raise unknown_campaign(campaign)
    if as_json:
        print(json.dumps({"campaigns": shown}, ensure_ascii=False, indent=2))
    elif not shown:
        console.print("No campaign is unfinished.")
    else:
        for numbers in shown:
            _print(numbers)


def pause(campaign: CampaignName, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """No new call from now on; calls in progress go on. It stays paused, also over a restart."""
    _ask(Wish.PAUSE, campaign, store, site_file)


def resume(campaign: CampaignName, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """Dial again after a pause."""
    _ask(Wish.RESUME, campaign, store, site_file)


def drain(campaign: CampaignName, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """No new call; the calls in progress go on to their end, then the run ends."""
    _ask(Wish.DRAIN, campaign, store, site_file)


def stop(campaign: CampaignName, store: StoreUrl = None, site_file: SiteFile = None) -> None:
    """No new call; ringing ones are cancelled, answered ones end politely, then the run ends."""
    _ask(Wish.STOP, campaign, store, site_file)


# ---- wishes ----


@dataclass(frozen=True)
class _Done:
    """What became of a wish."""

    nodes: list[Node]
    late: list[Node]
    seconds: float


def _ask(wish: Wish, name: str, url: str | None, site_file: Path | None) -> None:
    site = load_site(site_file)
    for place in stores(site, url, name):
        with place as store:
            heads = Controls(store, WallClock(site.zone)).campaigns(name)
            if heads:
                _ask_one(store, site, heads[0], wish)
                return
    raise unknown_campaign(name)


def _ask_one(store: Store, site: Site, head: CampaignHead, wish: Wish) -> None:
    if head.finished:
        raise InputError(f"{head.id} is finished", "voicebot run FILE --new begins it anew.", key="campaign")
    at_work = [node for node in Nodes(store).of(head.id) if node.alive]
    if not at_work and wish is Wish.DRAIN:
        raise InputError(f"{head.id} is not running", "There is nothing to drain.", key="campaign")
    controls = Controls(store, WallClock(site.zone))
    if wish is Wish.RESUME and head.state == "running":
        console.print(f"{head.id} is not paused.")
        return
    began = time.monotonic()
    done = _carried_out(store, head, controls.ask(head.id, wish), at_work, began)
    console.print(_said(wish, head, done))
    if done.late:
        raise typer.Exit(1)


def _carried_out(store: Store, head: CampaignHead, seq: int, at_work: list[Node], began: float) -> _Done:
    """Waits for every node that was at work; one that ends or falls silent meanwhile is not waited for."""
    nodes, waited_for = Nodes(store), {node.id for node in at_work}
    while True:
        now = [node for node in nodes.of(head.id) if node.id in waited_for]
        late = [node for node in now if node.alive and node.heard_seq < seq]
        seconds = time.monotonic() - began
        if not late or seconds > CARRIED_OUT_WITHIN_S:
            return _Done(now, late, seconds)
        time.sleep(LOOK_S)


def _said(wish: Wish, head: CampaignHead, done: _Done) -> str:
    words = {
        Wish.PAUSE: "paused",
        Wish.RESUME: "resumed",
        Wish.DRAIN: "draining",
        Wish.STOP: "stopping",
    }
    if not done.nodes:
        states = {
            Wish.PAUSE: "it is paused and stays so when it is run again, until voicebot resume",
            Wish.RESUME: "it is no longer paused; voicebot run FILE goes on with it",
            Wish.STOP: "voicebot run FILE goes on with it",
        }
        return f"{head.id} is not running now: {states[wish]}."
    calls = sum(int(node.numbers.get("calls", 0)) for node in done.nodes)
    where = counted(len(done.nodes), "node")
    line = f"{head.id}: {words[wish]}, in force on {where} after {done.seconds:.2f} s"
    line += f"; {counted(calls, 'call')} in progress."
    for node in done.late:
        line += f" Node {node.id} on {_machine(node)} has not answered: what it may dial, the gate refuses."
    return line


# ---- status ----


def _numbers(store: Store, head: CampaignHead) -> dict[str, Any]:
    """Everything that is shown; JSON-ready."""
    counted, nodes = progress(store, head.id), Nodes(store).of(head.id)
    asked = Controls(store, WallClock(UTC)).asked(head.id)
    alive = [node for node in nodes if node.alive]
    return {
        "campaign": head.id,
        "name": head.name,
        "state": _state(head, alive, asked.wish),
        "asked": {"wish": asked.wish, "by": asked.by, "ms": asked.ms} if asked.seq else None,
        "planned": counted.planned,
        "live": counted.live,
        "done": counted.done,
        "refused": counted.refused,
        "answered": counted.answered,
        "dispositions": counted.dispositions,
        "refused_by_reason": counted.refused_by_reason,
        "nodes": [
            {
                "node": node.id,
                "machine": _machine(node),
                "process": int(node.process.partition("@")[0]),
                "seen_ms_ago": node.age_ms,
                "alive": node.alive,
                "gone": node.known_dead,
                **node.numbers,
            }
            for node in nodes
            if not node.ended
        ],
        "store": store.engine.url.render_as_string(),
    }


def _state(head: CampaignHead, alive: list[Node], wish: Wish) -> str:
    """In one word: what a person would call it."""
    if head.finished:
        return "done"
    if alive and wish in (Wish.DRAIN, Wish.STOP):
        return {Wish.DRAIN: "draining", Wish.STOP: "stopping"}[wish]
    if wish is Wish.DRAIN:
        return "drained"
    if head.state == "running" and not alive:
        return "not running"
    return head.state


def _print(numbers: dict[str, Any]) -> None:
    console.print(f"[bold]{numbers['campaign']}[/bold]  {numbers['state']}")
    console.print(
        f"  {numbers['planned']} planned, {numbers['live']} live, {numbers['done']} done "
        f"({numbers['answered']} answered), {numbers['refused']} refused"
    )
    for code, count in sorted(numbers["dispositions"].items(), key=lambda item: -item[1]):
        console.print(f"    {count:>7} {code}")
    if not numbers["nodes"]:
        return
    table = Table("node", "machine", "process", "seen", "workers", "calls", "ringing", "held up by", "fault")
    for node in numbers["nodes"]:
        kept = node.get("outcomes_waiting", 0)
        held = ", ".join(node.get("held_up_by", ())) + (f"; {kept} outcomes kept" if kept else "")
        table.add_row(
            node["node"],
            node["machine"],
            str(node["process"]),
            _seen(node),
            *(str(node.get(key, "")) for key in ("workers", "calls", "ringing")),
            held,
            str(node.get("fault", "")),
        )
    console.print(table)
    for node in numbers["nodes"]:
        if node["alive"]:
            _print_pacing(node)
    if numbers["live"] and any(node["gone"] for node in numbers["nodes"]):
        console.print("  calls of a process that is gone: voicebot unresolved")


def _seen(node: dict[str, Any]) -> str:
    if node["alive"]:
        return f"{node['seen_ms_ago'] / 1000:.1f} s ago"
    return "gone" if node["gone"] else "silent"


def _print_pacing(node: dict[str, Any]) -> None:
    """What one node's pacing says, where it says anything, and the alarms that are on."""
    pacing = node.get("pacing", {})
    if (why := pacing.get("why_not")) and why not in AT_WORK:
        console.print(f"  {node['node']} dials nothing more just now: {why.replace('_', ' ')}")
    if pacing.get("wanted"):
        console.print(
            f"  abandoned {pacing['abandoned']} of {pacing['wanted']} who wanted an agent "
            f"({pacing['abandon_rate']:.1%}; {pacing['abandon_cap']:.1%} may be)"
        )
    for alarm in node.get("alarms", ()):
        console.print(f"  [red]alarm[/red] {alarm['kind']} {alarm['subject']}: {alarm['reason']}")


def _machine(node: Node) -> str:
    return node.machine.partition("/")[0]


# ---- which store ----


def _heads(store: Store, site: Site, name: str | None) -> list[CampaignHead]:
    heads = Controls(store, WallClock(site.zone)).campaigns(name)
    return heads[:1] if name is not None else [head for head in heads if not head.finished]


def stores(site: Site, url: str | None, name: str | None) -> Iterator[AbstractContextManager[Store]]:
    """The named one; else the site's, then those of simulated runs, the newest of each campaign."""
    keys = KeyRing.load(site.keys)
    if url is not None:
        yield _opened(url, keys)
        return
    if not site.store.startswith("sqlite:///") or Path(site.store.removeprefix("sqlite:///")).is_file():
        yield _opened(site.store, keys)
    for folder in sorted(site.runs.glob("*")):
        if name is None or name == folder.name or name.startswith(f"{folder.name}-"):
            for file in sorted(folder.glob("*/store.db"))[-1:]:
                yield _opened(f"sqlite:///{file}", keys)


@contextmanager
def _opened(url: str, keys: KeyRing) -> Iterator[Store]:
    store = Store.open(url, keys)
    try:
        yield store
    finally:
        store.close()


def unknown_campaign(name: str) -> InputError:
    """No store has it."""
    return InputError(
        f"there is no campaign {name!r}",
        "voicebot status shows those that are unfinished; --store names another store.",
        key="campaign",
    )
