"""Chaos: processes that dial through the production ledger die at random, and so does the store.

    python -m tests.soak.chaos [--store sqlite|postgresql] [--attempts N] [--seed N] [--short]

Four processes dial.  Every few seconds one is killed (kill -9), on PostgreSQL now and then one is frozen for
longer than its lease; the database is restarted as after a crash and backends are ended, on SQLite the owner
of the store is killed; campaigns are paused and go on, numbers go onto the stop list.  Afterwards the dial
log, which lies outside of any database, and the store must agree (`invariants`).  Exit code 1 if they do not.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg
from sqlalchemy import func, select

from tests.campaign.site import DIGEST, build
from tests.soak.crew import Crew
from tests.soak.desks import Caps, open_ledger
from tests.soak.dial_log import Book, count_dials
from tests.soak.dialler import Post
from tests.soak.invariants import Happened, Run, broken
from tests.soak.people_called import people, rows_of
from tests.store.postgresql_server import PostgresqlServer
from tests.store.stores import SHANGHAI
from voicebot.clock import SimulationClock
from voicebot.store.database import Store, StoreDown
from voicebot.store.encryption import KeyRing
from voicebot.store.models import AttemptRow
from voicebot.store.states import AttemptState
from voicebot.store.stop_list import NewStop, StopList

CAMPAIGNS = ("spring", "autumn")
TRUNK_LINES = 40
LONGEST_CALL_S = 4.0
STOPPED_AT_ONCE = 3
LOOK_S = 0.05
AWAY_S = 30.0
Found = TypeVar("Found")


@dataclass(frozen=True)
class Pace:
    """Mean seconds between two of a kind; 0: never."""

    kill: float = 2.5
    restart: float = 25.0
    "Of the database, or of the embedded store's owner."
    backend: float = 0.7
    freeze: float = 12.0
    pause: float = 6.0
    stop: float = 1.5


SHORT = Pace(kill=1.2, restart=4.0, backend=1.0, freeze=5.0, pause=2.0, stop=0.4)
TIGHT = Caps(connected=1, attempts=2, dials_a_person=1.2)
"""Caps that a short run meets."""


class Chaos:
    """The conductor: starts, kills, pauses, stops, and compares the books at the end."""

    def __init__(
        self,
        folder: Path,
        url: str,
        server: PostgresqlServer | None,
        attempts: int,
        seed: int,
        caps: Caps,
    ) -> None:
        self._server, self._attempts = server, attempts
        self._dice = random.Random(seed)
        keys = KeyRing.create(folder / "keys.json")
        clock = SimulationClock(datetime(2026, 3, 2, 10, 15, tzinfo=SHANGHAI))
        self._people = people(round(attempts / caps.dials_a_person))
        self._indexes = {one.phone: keys.blind_index(one.phone) for one in self._people}
        self._log = folder / "dials"
        self._log.touch()
        self._store: Store
        self._store, self._ledger = open_ledger(url, keys, clock, caps)
        campaigns = self._enrol(clock, folder)
        self._post = Post(
            url,
            keys,
            clock,
            caps,
            campaigns,
            self._log,
            None if server else folder / "owner",
            folder / "stop",
        )
        self._stop_list = StopList(self._store, clock)
        self._happened = Happened()
        self._crew = Crew(self._post, self._dice, self._happened)
        self._later: list[tuple[float, Callable[[], None]]] = []

    def _enrol(self, clock: SimulationClock, folder: Path) -> tuple[str, ...]:
        site = build(self._store, clock, folder, lambda: True)  # type: ignore[arg-type]
        self._ledger.limit_trunk("simulated", lines=TRUNK_LINES, cps=2000, burst=200)
        lists = [rows_of(self._people, one, len(CAMPAIGNS)) for one in range(len(CAMPAIGNS))]
        site.owe(*lists[0], *lists[1])
        plain = [{"number": number["number"]} for number in site.campaign().model_dump()["callers"][:1]]
        return tuple(
            self._ledger.enrol(site.campaign(name=name, callers=plain, retry={"attempts": 4}), DIGEST, rows)
            for name, rows in zip(CAMPAIGNS, lists, strict=True)
        )

    # ---------- the run ----------

    def run(self, pace: Pace, limit_s: float) -> list[str]:
        """Until so many attempts are dialled and each thing has happened that may, or `limit_s` are over;
        returns what does not hold."""
        began = time.monotonic()
        self._crew.start()
        acts = list(self._acts(pace))
        due = {one: began + self._after(mean) for one, mean in acts}
        means = dict(acts)
        to_come = set(means)
        looked_at = 0.0
        while (now := time.monotonic()) < began + limit_s:
            for act, at in due.items():
                if at <= now:
                    act()
                    to_come.discard(act)
                    due[act] = time.monotonic() + self._after(means[act])
            self._follow_up()
            if now - looked_at > 0.5:
                looked_at = now
                if not to_come and count_dials(self._log) >= self._attempts:
                    break
            time.sleep(LOOK_S)
        self._wind_up()
        faults = self._compare()
        seconds = time.monotonic() - began
        self._happened.counts["seconds"] = round(seconds)
        dials = count_dials(self._log)
        if dials < self._attempts:
            faults.append(f"only {dials} of {self._attempts} attempts were dialled")
        return faults

    def _after(self, mean: float) -> float:
        return mean * self._dice.uniform(0.5, 1.5)

    def _acts(self, pace: Pace) -> Iterator[tuple[Callable[[], None], float]]:
        kinds: list[tuple[Callable[[], None], float]] = [
            (self._kill_one, pace.kill),
            (self._pause, pace.pause),
            (self._stop_numbers, pace.stop),
        ]
        if self._server is not None:
            kinds += [
                (self._restart_database, pace.restart),
                (self._end_a_backend, pace.backend),
                (self._crew.freeze_one, pace.freeze),
                (self._keep_up, 0.5),
            ]
        else:
            kinds.append((self._crew.kill_owner, pace.restart))
        return ((act, mean) for act, mean in kinds if mean)

    # ---------- what happens to them ----------

    def _kill_one(self) -> None:
        name = self._crew.kill_one()
        if self._server is not None and self._dice.random() < 0.7:  # else its leases tell
            for node in Book.read(self._log).nodes.get(name, []):
                self._insist(partial(self._ledger.lose_node, node))
            self._happened.counts["deaths reported"] += 1
        self._crew.start_one()

    def _follow_up(self) -> None:
        now = time.monotonic()
        for at, act in [one for one in self._later if one[0] <= now]:
            self._later.remove((at, act))
            act()
        self._crew.look()

    def _restart_database(self) -> None:
        assert self._server is not None
        self._server.restart()
        self._happened.counts["databases restarted"] += 1

    def _end_a_backend(self) -> None:
        query = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                    ORDER BY random() LIMIT 1"""
        address = self._post.url.replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(query)
        self._happened.counts["backends ended"] += 1

    def _pause(self) -> None:
        campaign = self._dice.choice(self._post.campaigns)
        self._insist(lambda: self._ledger.set_state(campaign, "paused"))
        begin = time.monotonic()
        self._happened.counts["pauses"] += 1

        def resume() -> None:
            self._happened.pauses.append((campaign, begin, time.monotonic()))
            self._insist(lambda: self._ledger.set_state(campaign, "running"))

        self._later.append((begin + self._dice.uniform(0.2, 1.0), resume))

    def _stop_numbers(self) -> None:
        """Some that are claimed just now, some others."""
        phones = sorted(self._indexes.keys() - self._happened.stopped.keys())
        claimed = self._insist(self._claimed)
        chosen = [phone for phone in phones if self._indexes[phone] in claimed]
        chosen += self._dice.sample(phones, min(STOPPED_AT_ONCE, len(phones)))
        chosen = list(dict.fromkeys(chosen))[:STOPPED_AT_ONCE]
        entries = [NewStop(phone, "CONTACT_REFUSED") for phone in chosen]
        self._insist(lambda: self._stop_list.add_all(entries, "ops-lin", "chaos"))
        self._happened.stopped |= dict.fromkeys(chosen, time.monotonic())
        self._happened.counts["numbers stopped"] += len(chosen)

    def _claimed(self) -> set[bytes]:
        with self._store.reading() as connection:
            query = select(AttemptRow.bix).where(AttemptRow.state == AttemptState.CLAIMED)
            return {bytes(bix) for bix in connection.execute(query).scalars() if bix is not None}

    def _keep_up(self) -> None:
        """What a supervisor does on the side: reaps and seals."""
        self._insist(lambda: self._ledger.reap(LONGEST_CALL_S))
        self._insist(self._ledger.seal)

    def _insist(self, ask: Callable[[], Found]) -> Found:
        """Asks until the store is back; what was asked for may happen twice."""
        until = time.monotonic() + AWAY_S
        while True:
            try:
                return ask()
            except StoreDown:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    # ---------- the end ----------

    def _wind_up(self) -> None:
        """Whatever is open comes to its end, in the ledger's own ways."""
        self._crew.thaw()
        while self._later:
            self._follow_up()
            time.sleep(LOOK_S)
        self._post.stop.touch()
        self._crew.dismiss()
        self._ledger.settle_left_over()
        while self._ledger.seal():
            pass

    def _compare(self) -> list[str]:
        book = Book.read(self._log)
        self._count(book)
        run = Run(
            self._store,
            self._post.clock,
            book,
            self._people,
            self._post.campaigns,
            self._happened,
            TRUNK_LINES,
            self._post.caps,
        )
        faults = broken(run)
        self._store.close()
        return faults

    def _count(self, book: Book) -> None:
        counts = self._happened.counts
        counts["dials"] = len(book.dials)
        counts["dials cut off"] = sum(one.attempt not in book.ends for one in book.dials)
        with self._store.reading() as connection:
            query = select(AttemptRow.state, func.count()).group_by(AttemptRow.state)
            for state, n in connection.execute(query):
                counts[f"attempts {state}"] = n
            refused = select(AttemptRow.reason, func.count()).where(AttemptRow.reason.is_not(None))
            for reason, n in connection.execute(refused.group_by(AttemptRow.reason)):
                counts[f"  for {reason}"] = n

    @property
    def counts(self) -> dict[str, int]:
        """What happened, how often."""
        return dict(self._happened.counts)


def chaos(
    kind: str, attempts: int, seed: int, pace: Pace, limit_s: float, caps: Caps
) -> tuple[list[str], dict[str, int]]:
    """One run on a fresh store; what does not hold, and what happened."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        url, server = f"sqlite:///{folder / 'store.db'}", None
        if kind == "postgresql":
            server = stack.enter_context(PostgresqlServer())
            url = server.url()
        run = Chaos(folder, url, server, attempts, seed, caps)
        return run.run(pace, limit_s), run.counts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--attempts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--limit", type=float, default=800.0, help="Seconds after which it gives up.")
    parser.add_argument(
        "--short", action="store_true", help="The pace of the test suite: all of it within 10 s."
    )
    asked = parser.parse_args()
    print(f"chaos on {asked.store}, {asked.attempts} attempts, seed {asked.seed}", flush=True)
    faults, counts = chaos(
        asked.store,
        asked.attempts,
        asked.seed,
        SHORT if asked.short else Pace(),
        asked.limit,
        TIGHT if asked.short else Caps(),
    )
    for what, n in counts.items():
        print(f"  {what:<22}{n:>8}")
    for fault in faults:
        print(f"broken: {fault}", file=sys.stderr)
    print("every invariant holds" if not faults else f"{len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
