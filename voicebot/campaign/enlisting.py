"""A process begins on a store: what dead ones left is settled, the campaign is begun or gone on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import text

from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.control import Controls, Wish
from voicebot.campaign.journal import left_over
from voicebot.campaign.ledger import Ledger
from voicebot.campaign.nodes import Nodes
from voicebot.campaign.outcomes import replay_entry
from voicebot.campaign.upkeep import settle_dead_nodes
from voicebot.clock import Clock
from voicebot.store.database import Store

log = structlog.get_logger()

ENLISTING_LOCK = 7704
"""PostgreSQL advisory lock: of two runs of one file at once, the first enrols, the second goes on with it."""


def take_over(
    store: Store, ledger: Ledger, journals: Path, tell: Callable[[str], None], *, sole_owner: bool
) -> None:
    """Writes the outcomes that dead processes kept on this disk, then settles the calls that they held.

    An embedded store's only owner settles everybody's; machines that share one settle their own processes'.
    """
    for journal in left_over(journals, store.keys):
        written = journal.replay(partial(replay_entry, store, ledger))
        tell(f"{written} outcomes of a process that broke off: written now")
    settle_dead_nodes(ledger, Nodes(store), tell)
    if sole_owner and (unknown := ledger.settle_left_over()):
        tell(
            f"{len(unknown)} calls of a run that broke off: closed as UNKNOWN, for a person to decide "
            "(voicebot unresolved)"
        )


def begin_or_go_on(
    store: Store,
    ledger: Ledger,
    clock: Clock,
    campaign: Campaign,
    digest: str,
    lists: CampaignLists,
    tell: Callable[[str], None],
    *,
    afresh: bool,
    enrolling: Callable[[int, int], None],
) -> str:
    """The id of the campaign that this run works on.

    An unfinished campaign of that name is gone on with; one that a person paused stays paused.
    `afresh` gives it up and begins anew; `enrolling` hears how many cases of how many are in the store.
    """
    controls = Controls(store, clock)
    with _one_at_a_time(store):
        if afresh:
            for campaign_id in controls.give_up(campaign.name):
                tell(f"{campaign_id}: given up, begun afresh")
        before = {head.id for head in controls.campaigns(campaign.name)}
        campaign_id = ledger.enrol(campaign, digest, lists, enrolling)
        if campaign_id in before:
            progress = ledger.progress(campaign_id)
            tell(f"going on with {campaign_id}: {progress.planned} planned, {progress.done} done")
        asked = controls.asked(campaign_id)
        if asked.wish is Wish.PAUSE:
            at = datetime.fromtimestamp(asked.ms / 1000, campaign.zone)
            tell(f"paused by {asked.by} at {at:%Y-%m-%d %H:%M}; to go on: voicebot resume {campaign.name}")
        else:
            controls.ask(campaign_id, Wish.RUN)
    return campaign_id


@contextmanager
def _one_at_a_time(store: Store) -> Iterator[None]:
    """An embedded store has one run anyway."""
    if not store.is_postgresql:
        yield
        return
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": ENLISTING_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": ENLISTING_LOCK})
