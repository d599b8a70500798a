"""How fast the bot answers, measured by the callees on the other side of real SIP and RTP.

    python benchmarks/latency.py [--lines 1,4,8,16] [--seconds 60] [--rated 8] [--json]

Speech service, dialog service and call workers run as in a campaign; simulated callees (processes of their
own) speak with other voices and measure, on their own 20 ms ticks, from their last voiced tick to the bot's
first audible one.  What the bot had asked for tells turns apart: digits and dates are waited for longer.

Stages, by the bot's own clock (20 ms), medians of the ordinary turns:
  silence  end of the last voiced frame → the turn is taken for finished
  text     … → its text is there (it was begun during the silence)
  dialog   … → Rasa has answered
  prompt   … → the first audible tick leaves
  line     the rest of what the callee measured: packets, jitter buffers and the VAD's delay, both ways

CPU is that of the processes, over call-seconds (answer to end); callees are not in it.  Targets are judged at
`--rated` calls, callees included on the same machine; the other rows show how it goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from call_rig import CallRig, Calls, machine
from verdict import conclude

from voicebot.call.record import CallRecord, Latency
from voicebot.simulate.measurement import Turn
from voicebot.simulate.result import CalleeResult

SCENARIOS = ("22", "03", "21", "01", "17", "06", "08", "18", "19", "07")
"""Of the demo's callees those that talk with the bot alone."""
WARM_UP = ("07",)
SLOW = frozenset({"digits", "date", "time", "story"})
SAME_TURN_S = 0.6
"""A callee's and the bot's word of where one turn ended differ by less."""
TARGETS_MS = {
    "whisper": {"ordinary_p50": 600, "ordinary_p95": 900, "slow_p95": 1300},
    "vosk": {"ordinary_p50": 450, "ordinary_p95": 700, "slow_p95": 1300},
}
BARGE_IN_P95_MS = 350
CORE_WITHOUT_ASR, CALLS_A_CORE = 0.010, {"whisper": 12, "vosk": 7}


def percentile(values: Sequence[float], share: int) -> float | None:
    return round(float(np.percentile(values, share)), 1) if values else None


def paired(record: CallRecord, callee: CalleeResult) -> list[tuple[Turn, Latency]]:
    """The turns that both sides measured."""
    pairs = []
    for turn in (Turn(**one) for one in callee.turns):
        if turn.latency_ms is None or turn.overlap:
            continue
        near = [one for one in record.latencies if abs(one.end_of_speech_s - turn.end_s) < SAME_TURN_S]
        if near:
            pairs.append((turn, near[0]))
    return pairs


def stages(turn: Turn, one: Latency) -> dict[str, float]:
    """Milliseconds of each stage; empty when the turn was answered without one of them."""
    if one.committed_s is None or one.text_s is None or one.decided_s is None or turn.latency_ms is None:
        return {}
    marks = (one.end_of_speech_s, one.committed_s, one.text_s, one.decided_s, one.first_audio_s)
    parts = [(after - before) * 1000 for before, after in itertools.pairwise(marks)]
    return dict(zip(("silence", "text", "dialog", "prompt"), parts, strict=True)) | {
        "line": turn.latency_ms - one.ms
    }


def judged(calls: Calls, lines: int) -> dict[str, Any]:
    """The figures of one row."""
    of_attempt = {callee.attempt_id: callee for callee in calls.callees}
    ordinary: list[float] = []
    slow: list[float] = []
    parts: list[dict[str, float]] = []
    turns: list[dict[str, Any]] = []
    both = [(record, of_attempt.get(record.attempt_id)) for record in calls.records]
    for record, callee in both:
        for turn, one in paired(record, callee) if callee is not None else ():
            assert turn.latency_ms is not None
            (slow if one.expects in SLOW else ordinary).append(turn.latency_ms)
            stage = stages(turn, one)
            turns.append({"said": turn.said, "asked_for": one.expects, "ms": turn.latency_ms, **stage})
            if one.expects not in SLOW and stage:
                parts.append(stage)
    cuts = [
        b["silence_ms"] for callee in calls.callees for b in callee.barge_ins if b["silence_ms"] is not None
    ]
    first = [callee.first_bot_s for callee in calls.callees if callee.first_bot_s is not None]
    seconds, load = calls.call_seconds or 1.0, calls.load
    with_asr = load.workers + load.speech + load.dialog
    return {
        "lines": lines,
        "calls": len(calls.records),
        "failed": calls.failed + ["no word of its callee" for _, callee in both if callee is None],
        "came_to": sorted(
            f"{callee.scenario}: {record.disposition}" for record, callee in both if callee is not None
        ),
        "call_seconds": round(seconds),
        "callees_talk": round(calls.talk_share, 2),
        "ordinary_ms": {"n": len(ordinary), "p50": percentile(ordinary, 50), "p95": percentile(ordinary, 95)},
        "slow_ms": {"n": len(slow), "p50": percentile(slow, 50), "p95": percentile(slow, 95)},
        "stages_p50_ms": {
            name: round(statistics.median(part[name] for part in parts))
            for name in (parts[0] if parts else ())
        },
        "barge_in_ms": {"n": len(cuts), "p50": percentile(cuts, 50), "p95": percentile(cuts, 95)},
        "first_audio_s": {"n": len(first), "p50": percentile(first, 50), "p95": percentile(first, 95)},
        "cpu_a_call_second": {
            "workers": round(load.workers / seconds, 4),
            "speech": round(load.speech / seconds, 4),
            "dialog": round(load.dialog / seconds, 4),
            "callees": round(load.callees / seconds, 4),
        },
        "calls_a_core": round(seconds / with_asr, 1) if with_asr else None,
        "turns": turns,
        "cores_busy": round((with_asr + load.callees) / calls.seconds, 2) if calls.seconds else None,
    }


def missed(row: dict[str, Any], engine: str) -> list[str]:
    """The targets that a row at the rated load misses."""
    wanted = TARGETS_MS[engine]
    limits = [
        ("ordinary turns, p50 ms", row["ordinary_ms"]["p50"], wanted["ordinary_p50"]),
        ("ordinary turns, p95 ms", row["ordinary_ms"]["p95"], wanted["ordinary_p95"]),
        ("digits and dates, p95 ms", row["slow_ms"]["p95"], wanted["slow_p95"]),
        ("barge-in, p95 ms", row["barge_in_ms"]["p95"], BARGE_IN_P95_MS),
        ("workers' CPU a call-second", row["cpu_a_call_second"]["workers"], CORE_WITHOUT_ASR),
    ]
    wrong = [f"{what}: {got}, allowed {most}" for what, got, most in limits if got is None or got > most]
    least = CALLS_A_CORE[engine]
    if row["calls_a_core"] is None or row["calls_a_core"] < least:
        wrong.append(f"calls a core: {row['calls_a_core']}, asked {least}")
    return wrong + [f"a call failed: {reason}" for reason in row["failed"]]


async def measure(lines: Sequence[int], seconds: float, threads: int) -> dict[str, Any]:
    before = machine()
    async with CallRig(max(lines), threads=threads) as rig:
        await rig.call(WARM_UP, max(lines), 0.1)  # what a worker loads at its first call is not counted
        rows = [judged(await rig.call(SCENARIOS, count, seconds), count) for count in lines]
        return before | {"asr": rig.speech.engine, "threads": threads, "seconds": seconds, "rows": rows}


def show(found: dict[str, Any]) -> None:
    print(f"{found['asr']}, {found['threads']} decodes at a time, {found['cores']} cores")
    print(
        "lines calls  ordinary p50/p95 (n)   digits, dates (n)  barge-in p95  first audio p95  calls a core"
    )
    for row in found["rows"]:
        quick, slow = row["ordinary_ms"], row["slow_ms"]
        print(
            f"{row['lines']:>5} {row['calls']:>5}  {quick['p50']} / {quick['p95']} ({quick['n']})"
            f"   {slow['p50']} / {slow['p95']} ({slow['n']})   {row['barge_in_ms']['p95']}"
            f"   {row['first_audio_s']['p95']}   {row['calls_a_core']}"
        )
        print(
            f"      stages {row['stages_p50_ms']}  CPU {row['cpu_a_call_second']}  busy {row['cores_busy']}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", default="1,4,8,16", help="calls at a time, one row each")
    parser.add_argument("--seconds", type=float, default=60.0, help="calls are begun for so long, a row")
    parser.add_argument("--rated", type=int, default=8, help="the row that the targets are judged at")
    parser.add_argument("--threads", type=int, default=2, help="decodes at a time")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    lines = [int(number) for number in asked.lines.split(",")]
    found = asyncio.run(measure(lines, asked.seconds, asked.threads))
    engine = found["asr"].partition(":")[0]
    wrong = [
        f"{row['lines']} lines: {what}"
        for row in found["rows"]
        if row["lines"] == asked.rated
        for what in missed(row, engine)
    ]
    conclude(found, wrong, asked.json, show)


if __name__ == "__main__":
    main()
