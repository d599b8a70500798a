"""Two machines on one PostgreSQL, one of them cut off in mid-run, twice.

    python -m tests.soak.two_machines [--people 1000] [--short-cut 5] [--keep FOLDER]

The machines are network namespaces with host names and process ids of their own, the database lies in a
third.  The nodes are the production ones (claims, permits, leases, journal, steering); their workers have no
phone: an INVITE is a line with its real time in a file.  The campaign is paused and resumed from the second
machine with `voicebot pause`; its cable is pulled for a moment, which it must survive, and later until it is
fenced and the longest call is over; then it is back, is refused, and takes part again as a new node.  Exit
code 1 when something does not hold (`machines_books`), 2 when this machine can make no namespaces:

- nobody is dialled twice, and nobody twice at once; no debtor's cap is passed;
- every INVITE belongs to one attempt that was closed exactly once; no contact is lost;
- the machine that is cut off dials nothing, and once fenced never again; it says so and ends;
- what it had on its lines is unknown while it is still away, stays so whatever it reports later, and is
  listed by `voicebot unresolved` until a person closes it;
- nothing is dialled during the pause; the counters and the campaign's numbers equal the ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import text

from tests.campaign.node_process import ROOT
from tests.campaign.nodes_at_work import NodesAtWork
from tests.campaign.site import at, build
from tests.soak.machines_books import Books, Told
from tests.soak.network import CannotTry, Machine, Network
from tests.store.postgresql_server import PostgresqlServer
from voicebot.campaign.control import Controls
from voicebot.campaign.nodes import Nodes
from voicebot.campaign.upkeep import FENCED
from voicebot.campaign.workers import LEASE_S
from voicebot.clock import SimulationClock
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

ACT = "ring-0.4-0.8-0.7"
NUMBERS = 4
"""Of each debtor: all answered, they would pass his cap of three connected calls a day."""
LONGEST_CALL_S = 6.0
"""No paper call lasts half as long."""
ENOUGH = 20
"""Calls of a machine that show that it works."""
CAME_BACK_S = 60.0
SLOWLY_S = 60.0
"""What a busy machine may add: nodes look for dead ones every few heartbeats."""
ENDS_WITHIN_S = 600.0
FAR = "west"
VOICEBOT = sys.executable, "-m", "voicebot.cli.main"
PERSON = "reviewer-wang"


class TwoMachines:
    """One run of it.  Its steps raise AssertionError for what does not go as it must."""

    def __init__(self, store: Store, nodes: NodesAtWork, near: Machine, far: Machine) -> None:
        self._store, self._nodes, self._near, self._far = store, nodes, near, far
        self._told = Told()

    def run(self, short_cut_s: float) -> None:
        nodes = self._nodes
        more = "--workers", "2", "--calls", "4", "--longest-call", str(LONGEST_CALL_S)
        join = {"program": self._far.program, "url": self._url(self._far)}
        first = nodes.start(*more, program=self._near.program, url=self._url(self._near))
        nodes.wait_for("the first INVITE", nodes.invites)
        second = nodes.start(*more, "--join", "spring", **join)  # type: ignore[arg-type]
        nodes.wait_for("calls of the second machine", lambda: self._books().dialled_far > ENOUGH)
        say("both machines dial")
        self._pause_from_the_far_one()

        self._cut()
        time.sleep(short_cut_s)
        self._plug()
        before = self._books().dialled_far
        nodes.wait_for("its calls after the cut", lambda: self._books().dialled_far > before + ENOUGH)
        say("with its cable back the second machine dials again")

        (self._told.fenced,) = self._far_nodes()
        held = self._cut()
        assert held, "it had no call on its lines when the cable was pulled"
        within_s = LEASE_S + LONGEST_CALL_S + SLOWLY_S
        nodes.wait_for("an end of what it held", lambda: not self._live() & held, within_s)
        self._told.given_up = held & self._unknown()
        say(f"still cut off, it held {len(held)} attempts: {len(self._told.given_up)} are unknown now")
        self._plug()
        code = second.wait(CAME_BACK_S)
        assert code == 1, f"the fenced node ended with {code}\n{nodes.output(1)}"
        assert FENCED in nodes.output(1), nodes.output(1)
        say("the second machine found itself fenced and ended")

        third = nodes.start(*more, "--join", "spring", **join)  # type: ignore[arg-type]
        before = self._books().dialled_far
        nodes.wait_for("calls of the new node", lambda: self._books().dialled_far > before + ENOUGH)
        say("a new node of the second machine dials")
        assert first.wait(ENDS_WITHIN_S) == 0, nodes.output(0)
        assert third.wait(CAME_BACK_S) == 0, nodes.output(2)
        say("both ended: nothing is left to call")

    def _pause_from_the_far_one(self) -> None:
        answer = self._voicebot("pause", "spring")
        begin = time.time()
        assert "in force on 2 nodes" in answer, answer
        time.sleep(2)
        self._told.pauses.append((begin, time.time()))
        say(f"from the second machine: {answer}")
        say(f"from the second machine: {self._voicebot('resume', 'spring')}")

    def _cut(self) -> set[str]:
        """Pulls the cable; returns what the second machine has on its lines."""
        self._far.cut()
        self._told.cuts.append((time.time(), float("inf")))
        say("the second machine is cut off")
        time.sleep(0.5)  # what was sent before has arrived
        return self._live(far=True)

    def _plug(self) -> None:
        self._far.plug()
        self._told.cuts[-1] = (self._told.cuts[-1][0], time.time())

    def check(self) -> None:
        """Raises AssertionError for what does not hold; says what was counted."""
        books = self._books()
        campaign = Controls(self._store, _clock()).find("spring").id
        books.check(self._told, self._store, campaign, self._nodes.people)
        for name, value in books.summary().items():
            print(f"  {name}: {value}")
        self._resolve(books)

    def _resolve(self, books: Books) -> None:
        """A person lists and closes what nobody knows."""
        listed = json.loads(self._voicebot("unresolved", "spring", "--json"))
        unknown = {row["id"] for row in books.attempts if row["state"] == "unknown"}
        assert {row["attempt"] for row in listed} == unknown, listed
        why = "--reason", "carrier's log", "--as", PERSON
        say(self._voicebot("resolve", listed[0]["attempt"], "--disposition", "NO_ANSWER", *why))
        left = json.loads(self._voicebot("unresolved", "spring", "--json"))
        assert len(left) == len(listed) - 1, left

    # ---- looking ----

    def _books(self) -> Books:
        return Books.read(self._store, self._nodes.invites(), self._far_nodes())

    def _far_nodes(self) -> set[str]:
        campaign = Controls(self._store, _clock()).find("spring").id
        return {node.id for node in Nodes(self._store).of(campaign) if node.machine.startswith(f"{FAR}/")}

    def _live(self, *, far: bool = False) -> set[str]:
        return self._attempts("phase = 1", far)

    def _unknown(self) -> set[str]:
        return self._attempts("state = 'unknown'", far=False)

    def _attempts(self, which: str, far: bool) -> set[str]:
        nodes = self._far_nodes()
        with self._store.reading() as connection:
            rows = connection.execute(text(f"SELECT id, worker FROM attempt WHERE {which}"))
            return {row.id for row in rows if not far or str(row.worker).partition("/")[0] in nodes}

    def _voicebot(self, *words: str) -> str:
        """The command itself, on the second machine."""
        done = subprocess.run(
            [
                *self._far.program,
                sys.executable,
                "-m",
                "voicebot.cli.main",
                *words,
                "--store",
                self._url(self._far),
            ],
            cwd=ROOT,
            env=os.environ | {"VOICEBOT_VAR": str(self._nodes.keys.parent), "COLUMNS": "200"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"voicebot {words[0]}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def _url(self, machine: Machine) -> str:
        return f"postgresql://postgres@{machine.database}/t1"


def _clock() -> SimulationClock:
    return SimulationClock(at(10, 15))


def say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=1400, help="rows of the list")
    parser.add_argument("--short-cut", type=float, default=5.0, help="seconds of the first cut")
    parser.add_argument("--keep", type=Path, help="a new folder, where logs stay")
    asked = parser.parse_args()
    try:
        with ExitStack() as ending:
            _try(asked, ending)
    except CannotTry as reason:
        print(f"two machines cannot be tried here: {reason}", file=sys.stderr)
        sys.exit(2)
    except AssertionError as fault:
        say(f"FAILED: {fault}")
        sys.exit(1)


def _try(asked: argparse.Namespace, ending: ExitStack) -> None:
    began = time.monotonic()
    network = ending.enter_context(Network("east", FAR))
    folder = asked.keep or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="vb-")))
    folder.mkdir(parents=True, exist_ok=asked.keep is None)
    server = ending.enter_context(
        PostgresqlServer(fsync=True, listen=network.addresses, within=network.on_database)
    )
    url = server.url()
    keys = folder / "keys.json"
    store = Store.open(url, KeyRing.create(keys))
    ending.callback(store.close)
    build(store, _clock(), folder, lambda: True)  # type: ignore[arg-type]
    nodes = NodesAtWork(folder / "nodes", url, keys, asked.people, ACT, {"lines": 10}, NUMBERS)
    ending.callback(nodes.end)
    tried = TwoMachines(store, nodes, *network.machines)
    tried.run(asked.short_cut)
    tried.check()
    say(f"every invariant holds, after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
