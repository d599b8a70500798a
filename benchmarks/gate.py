"""What one decision of the gate costs, without I/O: DESIGN's budget is 100 µs.

    .venv/bin/python benchmarks/gate.py [--json] [--limit-us 100] [--pack FILE]

Method: the facts of a good call (the pack's own base scenario) with an aware time, asked by one process on
one core; ROUNDS rounds of CALLS decisions.  The median round is the figure, the slowest one stands beside it
(other load on the machine shows there).  Three gates: the pack alone; a refusal by four rules (agreed windows
are read); and all packs that have rules for dialling, stacked.  Exit code 1 when a median is over the limit.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from voicebot.clock import WallClock
from voicebot.policy.gate import Gate
from voicebot.policy.pack import load_pack

ROUNDS, CALLS = 30, 1000
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=SHANGHAI)


def measured(gate: Gate, facts: dict[str, Any]) -> dict[str, float]:
    """Microseconds a decision: the median round and the slowest."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            gate.decide("pre_dial", facts)
        rounds.append((time.perf_counter() - start) / CALLS * 1e6)
    return {"median_us": round(statistics.median(rounds), 1), "slowest_round_us": round(max(rounds), 1)}


def cases(path: Path) -> dict[str, tuple[Gate, dict[str, Any]]]:
    """Name → gate and facts."""
    pack = load_pack(path)
    assert pack.scenarios is not None, "the pack's base scenario gives the facts of a good call"
    clock = WallClock(SHANGHAI)
    good = {**pack.scenarios.base, "dial_at": NOON, "party_timezone": "America/New_York"}
    window = {"from": "2026-03-02T22:00:00+08:00", "to": "2026-03-02T23:00:00+08:00"}
    refused = {
        **good,
        "dial_at": NOON.replace(hour=23, minute=30),
        "agreed_windows": [{**window, "evidence_id": "rec-1"}],
        "counters": {"connected_debtor_day": 3, "attempts_point_day": 6},
        "tool": {"approved": False},
    }
    dialling = [one for one in (pack, *pack.overlays) if any(rule.gate == "pre_dial" for rule in one.rules)]
    alone = Gate([pack], clock)
    assert alone.decide("pre_dial", good).allowed and not alone.decide("pre_dial", refused).allowed
    return {
        "allowed, one pack": (alone, good),
        "refused by four rules, one pack": (alone, refused),
        f"{len(dialling)} packs stacked": (Gate(dialling, clock), good),
    }


def main() -> int:
    """Prints the figures; 1 when one of them is over the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--limit-us", type=float, default=100.0)
    parser.add_argument("--pack", type=Path, default=Path("configs/policies/cn-gbt45251-2025.yaml"))
    options = parser.parse_args()
    found = {name: measured(*case) for name, case in cases(options.pack).items()}
    met = all(one["median_us"] <= options.limit_us for one in found.values())
    if options.json:
        about = {
            "python": platform.python_version(),
            "decisions": ROUNDS * CALLS,
            "limit_us": options.limit_us,
        }
        print(json.dumps({**about, "cases": found}, ensure_ascii=False, indent=2))
    else:
        for name, one in found.items():
            print(f"{name:<34}{one['median_us']:>7.1f} µs   slowest round {one['slowest_round_us']:.1f} µs")
        print(f"limit {options.limit_us:.0f} µs: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
