"""`voicebot demo prepare`: everything that the demo needs beside environments, models and the built track."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dialogs.build import build_all
from dialogs.manifest import Manifest
from voicebot.campaign.approved_track import require_built
from voicebot.campaign.balances import balance_source
from voicebot.campaign.campaign_file import Campaign, campaign_clock, load_campaign
from voicebot.campaign.campaign_lists import scan_lists
from voicebot.campaign.demo_site import approve_tracks, prepare_keys
from voicebot.campaign.enrolment import case_slots
from voicebot.campaign.prompts_ahead import PromptsAhead
from voicebot.clock import today
from voicebot.errors import InputError
from voicebot.settings import Site, load_site
from voicebot.simulate import voices
from voicebot.simulate.scenario import SCENARIOS
from voicebot.speech.tts.cache import PromptCache
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

DEMO = Path("configs/campaigns/demo.yaml")
LINE_EVERY = 50
"""Clauses between two lines of progress where no bar can be drawn."""

app = typer.Typer(no_args_is_help=True)


@app.callback()
def demo() -> None:
    """The demo's keys, approvals and prompts."""


@app.command()
def prepare(file: Annotated[Path, typer.Argument(help="A simulated campaign.")] = DEMO) -> None:
    """Make demo keys and approvals, and render every prompt.  Skips what is there."""
    site = load_site()
    campaign = load_campaign(file, site.trunks)
    prepare_keys(site)
    approve_tracks(site, lambda said: typer.echo(f"note: {said}", err=True))
    manifests = built_tracks(site)
    manifest = next((one for one in manifests if f"{one.track}@{one.version}" == campaign.talk_track), None)
    if manifest is None:
        raise InputError(
            f"the talk track {campaign.talk_track} is not approved", "See: scripts-review list.", file
        )
    _render(site, campaign, manifest)
    own = campaign.simulation.scenarios if campaign.simulation else None
    speech = voices.needed(own or SCENARIOS)
    if voices.missing(speech, site.prompts):
        voices.render(speech, site.models, site.prompts)


def built_tracks(site: Site) -> list[Manifest]:
    """Every approved version, built side by side where a build is missing or of an older engine (a minute of
    CPU each)."""
    store = Store.open(site.store, KeyRing.load(site.keys))
    try:
        approvals = Approvals(store)
        references = [one.reference for one in approvals.record().versions.values() if one.speakable]
        approved = [approvals.resolve(reference) for reference in references]
        with ExitStack() as folders:
            paths = [folders.enter_context(approvals.content(one).unpacked()) for one in approved]
            if paths:
                build_all(paths, site.tracks.resolve(), site.rasa_python.absolute())
        return [require_built(site, one, approvals) for one in approved]
    finally:
        store.close()


def _render(site: Site, campaign: Campaign, manifest: Manifest) -> None:
    ahead = PromptsAhead(
        manifest,
        PromptCache(site.prompts),
        site.tts.voice,
        site.models,
        today(campaign_clock(campaign)),
        site.tts.processes,
    )
    texts = ahead.shared_clauses()
    balances = balance_source(campaign)
    for row in (row for points in scan_lists(campaign).groups() for row in points):
        balance = balances.lookup([row.case_id]).get(row.case_id)
        slots = case_slots(row) | campaign.shared_slots() | (dict(balance.slots) if balance else {})
        texts += ahead.case_clauses(slots, {})
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("prompts", total=None)

        def show(done: int, wanted: int) -> None:
            bar.update(task, completed=done, total=wanted)
            if not console.is_terminal and done % LINE_EVERY == 0:
                console.print(f"… prompts: {done} of {wanted}", highlight=False)

        rendered = ahead.render(texts, show)
    if rendered:
        console.print(f"prompts: {rendered} rendered", highlight=False)
