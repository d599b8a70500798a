"""Benchmark: `voicebot audit verify` over a chain of a million records, on both stores.

    python benchmarks/audit.py [--records N] [--store sqlite|postgresql]

Method.  Half of the records are links of their own (what people and registers do), half are events of
attempts in the outbox (two decisions, a permission and a close each; 20 attempts a row), chained in batches
by the production code; their decisions stand in their table.  A checkpoint is signed at every step and at the
end.  Everything is written first; measured is the wall-clock time of `check` over the whole chain, with every
decision compared, and its CPU time.  Recordings' files are not part of it: reading them depends on the disk.
Then a byte of the last decision is changed: it must be found, and named.  SQLite: a file of its own;
PostgreSQL: a server of its own with fsync on, on this machine.

Condition (exit code 1): at most 60 s for a million records.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.scripts_review.office import by_hand
from tests.store.postgresql_server import PostgresqlServer
from tests.store.stores import SHANGHAI
from voicebot.campaign.bulk_rows import bulk_rows
from voicebot.clock import ManualClock
from voicebot.store.audit import FIRST, AuditChain, link_hash
from voicebot.store.audit_check import check
from voicebot.store.bulk import Bulk, json_text
from voicebot.store.checkpoints import Checkpoints
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.outbox import decision_digest, post
from voicebot.store.signatures import canonical

MOST_S, FOR_RECORDS = 60.0, 1_000_000
A_ROW, A_TRANSACTION = 20, 200
LINK = ("seq", "at", "kind", "subject", "data", "previous", "hash")
DECISION = ("attempt_id", "moment", "allowed", "refusals", "basis", "facts", "at_ms")
FACTS = '{"party":"debtor","phone_source":"contract","overdue_days":12,"attempts_today":1,"hour":"10:15"}'


def write_links(store: Store, clock: ManualClock, n: int) -> None:
    """Links of their own, as `append` forges them, thousands in a transaction."""
    previous, at = FIRST, clock.now().isoformat(timespec="milliseconds")
    for start in range(0, n, 5000):
        rows = []
        for seq in range(start + 1, min(start + 5000, n) + 1):
            data = {"reason": "STOP_REQUEST", "by": "ops-lin", "institution": "海城消费金融", "n": seq}
            digest = link_hash(seq, at, "stop_list_added", f"{seq:032x}", data, previous)
            rows.append((seq, at, "stop_list_added", f"{seq:032x}", json.dumps(data), previous, digest))
            previous = digest
        with store.begin() as connection:
            bulk_rows(connection).insert("audit", LINK, rows)


def write_attempts(store: Store, clock: ManualClock, attempts: int) -> None:
    """Decisions and events, chained by the production code."""
    shared = {"institution": "海城消费金融"}
    basis = hashlib.sha256(canonical({"gate": "pre_dial", "pack": "cn 0.1", "facts": shared})).digest()[:16]
    with store.begin() as connection:
        columns = ("digest", "gate", "pack", "facts")
        bulk_rows(connection).insert(
            "decision_basis", columns, [(basis, "pre_dial", "cn 0.1", json_text(shared))]
        )
    chain, checkpoints = AuditChain(store, clock), Checkpoints(store, clock)
    for start in range(0, attempts, A_ROW * A_TRANSACTION):
        with store.begin() as connection:
            decisions, bulk = [], Bulk(connection)
            end = min(start + A_ROW * A_TRANSACTION, attempts)
            for first in range(start, end, A_ROW):
                events = []
                for number in range(first, min(first + A_ROW, end)):
                    attempt_id = f"{number:032x}"
                    for moment in ("claim", "permit"):
                        row = (attempt_id, moment, True, None, basis, FACTS, 1_772_000_000_000 + number)
                        decisions.append(row)
                        events.append(("decided", attempt_id, {moment: decision_digest(*row)}))
                    events.append(
                        ("dial_permitted", attempt_id, {"pack": "cn 0.1", "caller": "+862160000001"})
                    )
                    events.append(("attempt_closed", attempt_id, {"disposition": "NO_ANSWER"}))
                post(bulk, 1_772_000_000_000 + first, events, {})
            bulk_rows(connection).insert("decision", DECISION, decisions)
        while chain.seal():
            pass
        checkpoints.sign()


def measure(kind: str, url: str, keys: KeyRing, records: int) -> dict[str, object]:
    """One store: written, verified, changed, found."""
    clock = ManualClock(datetime(2026, 3, 2, 10, 15, tzinfo=SHANGHAI))
    store = Store.open(url, keys)
    began = time.monotonic()
    write_links(store, clock, records // 2)
    Checkpoints(store, clock).sign()
    write_attempts(store, clock, records // 8)
    written_s = time.monotonic() - began
    cpu, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    verdict = check(store)
    seconds = time.monotonic() - began
    now = resource.getrusage(resource.RUSAGE_SELF)
    assert verdict.faults == [], verdict.faults[0]
    last = f"{records // 8 - 1:032x}"
    by_hand(store, f"UPDATE decision SET at_ms = at_ms + 1 WHERE attempt_id = '{last}' AND moment = 'permit'")
    found = str(check(store).first)
    store.close()
    return {
        "store": kind,
        "records": records,
        "links": verdict.links,
        "decisions": verdict.decisions,
        "verify_s": round(seconds, 1),
        "cpu_s": round(now.ru_utime + now.ru_stime - cpu.ru_utime - cpu.ru_stime, 1),
        "peak_rss_mb": now.ru_maxrss // 1024,
        "written_s": round(written_s, 1),
        "found": found == f"decision at the permit of attempt {last}: changed",
    }


def main() -> None:
    """Prints one JSON line a store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=FOR_RECORDS)
    parser.add_argument("--store", choices=("sqlite", "postgresql"))
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyRing.create(Path(folder) / "keys.json")
        for kind in (arguments.store,) if arguments.store else ("sqlite", "postgresql"):
            if kind == "sqlite":
                result = measure(kind, f"sqlite:///{folder}/store.db", keys, arguments.records)
            else:
                with PostgresqlServer(fsync=True) as server:
                    result = measure(kind, server.url(), keys, arguments.records)
            print(json.dumps(result), flush=True)
            most_s = MOST_S * max(1.0, arguments.records / FOR_RECORDS)
            missed |= not result["found"] or float(str(result["verify_s"])) > most_s
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
