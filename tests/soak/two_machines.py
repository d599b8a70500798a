"""Two machines on one PostgreSQL, one of them cut off in mid-run, twice.

    python -m tests.soak.two_machines [--people 900] [--short-cut 5] [--keep FOLDER]

The machines are network namespaces with their own host names and process ids; the nodes are the production
ones (claims, permits, leases, journal, steering), their workers have no phone: an INVITE is a line with its
real time in a file.  The second machine's cable is pulled for a moment, which it must survive, and later
until it is fenced and the longest call is over.  Exit code 1 when an invariant does not hold:

- nobody is dialled twice, and nobody twice at once; no debtor's cap is passed;
- every INVITE belongs to one attempt that was closed exactly once; no contact is lost;
- the machine that is cut off dials nothing, and once fenced never again; it says so and ends;
- what it did before is in the ledger, or unknown and listed for a person; the other machine ends the campaign;
- the counters and the campaign's numbers equal the ledger.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.campaign.nodes_at_work import NodesAtWork
from tests.campaign.site import build
from tests.soak.network import Machine, Network
from tests.store.postgresql_server import PostgresqlServer
from voicebot.campaign.control import Controls
from voicebot.campaign.nodes import Nodes
from voicebot.campaign.progress import progress
from voicebot.campaign.upkeep import FENCED
from voicebot.campaign.workers import LEASE_S
from voicebot.clock import SimulationClock
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from tests.campaign.site import at

ACT = "ring-0.4-0.8-0.7"
NUMBERS = 4
"""Of each debtor: all answered, they would pass his cap of three connected calls a day."""
CAP = 3
LONGEST_CALL_S = 6.0
"""No paper call lasts half as long."""
BREATH_S = 1.0
"""A permit that was committed a moment before the cut still leads to its INVITE."""
FAR = "west"


class TwoMachines:
    """One run of it."""

    def __init__(self, store: Store, nodes: NodesAtWork, near: Machine, far: Machine, database: str) -> None:
        self._store, self._nodes, self._near, self._far = store, nodes, near, far
        self._database = database
        self._cuts: list[tuple[float, float]] = []

    def run(self, short_cut_s: float) -> None:
        nodes = self._nodes
        more = "--workers", "2", "--calls", "4", "--longest-call", str(LONGEST_CALL_S)
        first = nodes.start(*more, program=self._near.program, url=self._url(self._near))
        nodes.wait_for("the first INVITE", nodes.invites)
        second = nodes.start(*more, "--join", "spring", program=self._far.program, url=self._url(self._far))
        nodes.wait_for("calls of the second machine", lambda: self._dialled_far() > 20)
        say("both machines dial")

        self._cut(short_cut_s)
        before = self._dialled_far()
        nodes.wait_for(
            "calls of the second machine after the short cut", lambda: self._dialled_far() > before + 20
        )
        say(f"after {short_cut_s:.0f} s without the store the second machine dials again")

        self._cut(LEASE_S + LONGEST_CALL_S + 8)
        code = second.wait(60)
        assert code == 1, f"the fenced node ended with {code}\n{nodes.output(1)}"
        assert FENCED in nodes.output(1), nodes.output(1)
        say("the second machine found itself fenced and ended")
        assert first.wait(600) == 0, nodes.output(0)
        say("the first machine finished the campaign")

    def _cut(self, seconds: float) -> None:
        began = time.time()
        self._far.cut()
        say(f"the second machine is cut off for {seconds:.0f} s")
        time.sleep(seconds)
        self._far.plug()
        self._cuts.append((began, time.time()))

    def _url(self, machine: Machine) -> str:
        return f"postgresql://postgres@{machine.database}/{self._database}"

    def _dialled_far(self) -> int:
        far = self._far_workers()
        with self._store.reading() as connection:
            rows = connection.execute(text("SELECT worker FROM attempt WHERE dialled_ms IS NOT NULL"))
            return sum(worker.partition("/")[0] in far for (worker,) in rows if worker)

    def _far_workers(self) -> set[str]:
        campaign = Controls(self._store, _clock()).find("spring").id
        return {node.id for node in Nodes(self._store).of(campaign) if node.machine.startswith(f"{FAR}/")}

    # ---- what must hold ----

    def check(self) -> dict[str, Any]:
        """Raises AssertionError for what does not hold; returns what was counted."""
        invites = self._nodes.invites()
        with self._store.reading() as connection:
            attempts = [
                dict(row)
                for row in connection.execute(
                    text(
                        "SELECT a.id, a.state, a.phase, a.disposition, a.worker, a.debtor_id, a.contact_id, a.day,"
                        " a.reserved, a.dialled_ms, a.answered_ms, a.closed_ms, a.number FROM attempt AS a"
                    )
                ).mappings()
            ]
            contacts = dict(
                connection.execute(text("SELECT state, count(*) FROM contact GROUP BY state")).tuples().all()
            )
            used = {
                (row.counter, bytes(row.subject).hex(), row.day): row.used
                for row in connection.execute(text("SELECT counter, subject, day, used FROM day_use"))
                if row.used
            }
            late = connection.execute(text("SELECT count(*) FROM late_report")).scalar_one()
        self._check_dials(invites, attempts)
        self._check_cuts(invites, attempts)
        self._check_caps(attempts)
        kept = Counter(tuple(slot) for row in attempts for slot in row["reserved"])
        assert used == dict(kept), "the counters differ from what the attempts hold"
        campaign = Controls(self._store, _clock()).find("spring")
        counted = progress(self._store, campaign.id)
        states = Counter(row["state"] for row in attempts)
        assert counted.states == dict(states), f"{counted.states} is not {dict(states)}"
        assert counted.live == 0, "something is still on the line"
        assert sum(contacts.values()) == self._nodes.people, "a contact was lost"
        far = self._far_workers()
        return {
            "invites": len(invites),
            "of_the_second_machine": sum(
                row["worker"].partition("/")[0] in far for row in attempts if row["dialled_ms"]
            ),
            "states": dict(states),
            "dispositions": counted.dispositions,
            "refused": counted.refused_by_reason,
            "contacts": contacts,
            "late_reports": late,
        }

    def _check_dials(self, invites: list[dict[str, Any]], attempts: list[dict[str, Any]]) -> None:
        """One INVITE a case at most, one attempt each, closed."""
        twice = [case for case, n in Counter(line["case"] for line in invites).items() if n > 1]
        assert not twice, f"dialled twice: {twice[:5]}"
        by_id = {row["id"]: row for row in attempts}
        for line in invites:
            row = by_id[line["attempt"]]
            assert row["state"] in ("closed", "unknown"), f"{line['attempt']} is {row['state']}"
            assert row["disposition"] != "NOT_DIALLED", f"{line['attempt']} was dialled"
        spans: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for row in attempts:
            if row["dialled_ms"] is not None and row["disposition"] != "NOT_DIALLED":
                spans[row["debtor_id"]].append((row["dialled_ms"], row["closed_ms"]))
        for of_one in spans.values():
            of_one.sort()
            for (_, ended), (begun, _) in zip(of_one, of_one[1:], strict=False):
                assert begun >= ended, "a debtor was dialled while another call to him was open"

    def _check_cuts(self, invites: list[dict[str, Any]], attempts: list[dict[str, Any]]) -> None:
        """No INVITE of the second machine while it was cut off, nor after the cut that fenced it."""
        far = self._far_workers()
        worker_of = {row["id"]: str(row["worker"]).partition("/")[0] for row in attempts}
        times = sorted(line["at"] for line in invites if worker_of[line["attempt"]] in far)
        (short, short_end), (fenced, _) = self._cuts
        assert not [at for at in times if short + BREATH_S < at < short_end], "it dialled without the store"
        assert not [at for at in times if at > fenced + BREATH_S], "it dialled after it was fenced"

    @staticmethod
    def _check_caps(attempts: list[dict[str, Any]]) -> None:
        connected = Counter(
            (row["debtor_id"], row["day"])
            for row in attempts
            if row["answered_ms"] is not None or row["state"] == "unknown"
        )
        over = [key for key, n in connected.items() if n > CAP]
        assert not over, f"{len(over)} debtors over the cap"
        assert CAP in connected.values(), "no debtor came to his cap: the run proves nothing about it"


def _clock() -> SimulationClock:
    return SimulationClock(at(10, 15))


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=900, help="rows of the list")
    parser.add_argument("--short-cut", type=float, default=5.0, help="seconds of the first cut")
    parser.add_argument("--keep", type=Path, help="where logs stay (default: a temporary folder)")
    asked = parser.parse_args()
    with ExitStack() as ending:
        folder = asked.keep or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="vb-")))
        folder.mkdir(parents=True, exist_ok=True)
        network = ending.enter_context(Network("east", FAR))
        near, far = network.machines
        server = ending.enter_context(
            PostgresqlServer(fsync=True, listen=network.addresses, within=network.on_database)
        )
        url = server.url()
        keys = KeyRing.create(folder / "keys.json")
        store = Store.open(url, keys)
        ending.callback(store.close)
        build(store, _clock(), folder, lambda: True)  # type: ignore[arg-type]
        nodes = NodesAtWork(
            folder / "nodes", url, folder / "keys.json", asked.people, ACT, {"lines": 12}, NUMBERS
        )
        ending.callback(nodes.end)
        tried = TwoMachines(store, nodes, near, far, "t1")
        began = time.monotonic()
        try:
            tried.run(asked.short_cut)
            counted = tried.check()
        except AssertionError as fault:
            say(f"FAILED: {fault}")
            sys.exit(1)
        for name, value in counted.items():
            print(f"  {name}: {value}")
        say(f"all invariants hold after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
