"""A simulated campaign that is unfinished: its store lies in its run's folder, and its time stood still.

Simulated runs have a store each, so that one demo does not use up the next one's tries.  One that broke off
is gone on with all the same, as a real one is: in its folder, from the moment at which its clock stood still.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from voicebot.campaign.control import Controls
from voicebot.campaign.edited_file import read_campaign
from voicebot.campaign.ledger import SIMULATED_PATIENCE_MS
from voicebot.campaign.progress import progress
from voicebot.campaign.store_owner import sole_owner
from voicebot.clock import Clock, SimulationClock, WallClock
from voicebot.errors import InputError
from voicebot.store.audit import moment_ms
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import AttemptRow

STORE = "store.db"


def simulated_store(folder: Path) -> str:
    """The url of a simulated run's own store."""
    return f"sqlite:///{folder / STORE}"


def broken_off(runs: Path, name: str, keys: KeyRing, zone: ZoneInfo) -> tuple[Path, Clock] | None:
    """Folder and clock of the newest run below `runs/<name>`, when it still has calls to place and nobody
    works on it."""
    made = sorted((runs / name).glob(f"*/{STORE}"))
    if not made:
        return None
    folder = made[-1].parent
    store = Store.open(simulated_store(folder), keys)
    try:
        with sole_owner(store):
            heads = Controls(store, WallClock(zone)).campaigns(name)
            if not heads or heads[0].finished:
                return None
            clock = clock_of(store, zone)
            horizon_ms = moment_ms(clock.now()) + SIMULATED_PATIENCE_MS
            return (folder, clock) if progress(store, heads[0].id, horizon_ms).open else None
    except InputError:  # it is running
        return None
    finally:
        store.close()


def clock_of(store: Store, zone: ZoneInfo) -> Clock:
    """The real time; in a simulated run's own store the run's, from the last thing that happened in it."""
    real = WallClock(zone)
    heads = Controls(store, real).campaigns()
    start = read_campaign(store, heads[0].id)[0].simulation_start if heads else None
    return real if start is None else SimulationClock(_last_moment(store, start))


def _last_moment(store: Store, start: datetime) -> datetime:
    times = AttemptRow.planned_ms, AttemptRow.claimed_ms, AttemptRow.dialled_ms, AttemptRow.closed_ms
    with store.reading() as connection:
        found = connection.execute(select(*(func.max(one) for one in times))).one()
    return max([start, *(datetime.fromtimestamp(ms / 1000, start.tzinfo) for ms in found if ms is not None)])
