"""The run in numbers: var/<run>/summary.json, after docs/summary.schema.json."""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import jsonschema
import numpy as np

from voicebot.call.record import CallRecord, Engines
from voicebot.clock import Clock
from voicebot.store.states import Disposition

SCHEMA_NAME = "voicebot.summary/1"
SCHEMA_PATH = Path(__file__).resolve().parents[2] / "docs" / "summary.schema.json"


class Refused(Protocol):
    """A row that the gate refused before dialling (the ledger's RefusedRow)."""

    @property
    def case_id(self) -> str: ...
    @property
    def phone_masked(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def zh(self) -> str: ...


def build_summary(
    *,
    campaign: str,
    records: Sequence[CallRecord],
    refused: Sequence[Refused],
    engines: Engines,
    clock: Clock,
    seconds: float,
    callee_results: Iterable[Mapping[str, Any]] = (),
    lost: int = 0,
    alarms: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Counts one run.

    `engines` are those the site was told to use; `clock` gives the start (its `now` minus `seconds`).
    `callee_results` come from the simulated world, one mapping a call, with `turns` that carry `latency_ms`;
    a turn in which both spoke at once (`overlap`) has no answer time and is left out.
    `lost` attempts died with their worker and left no record: they count as calls and as UNKNOWN.
    `alarms` are the run's, the oldest first.
    """
    dialled = [record for record in records if record.disposition is not Disposition.NOT_DIALLED]
    dispositions = Counter(str(record.disposition) for record in records)
    dispositions[str(Disposition.UNKNOWN)] += lost
    handoffs = [record.handoff for record in records if record.handoff]
    waits = [handoff.bridged_s - handoff.asked_s for handoff in handoffs if handoff.bridged_s is not None]
    now = clock.now()
    return {
        "schema": SCHEMA_NAME,
        "campaign": campaign,
        "clock": {
            "simulated": clock.simulated,
            "start": (now - timedelta(seconds=seconds)).isoformat(timespec="seconds"),
            "zone": str(now.tzinfo),
        },
        "seconds": round(seconds, 1),
        "calls": len(dialled) + lost,
        "answered": sum(record.answered_at is not None for record in records),
        "lost": lost,
        "dispositions": {code: count for code, count in sorted(dispositions.items()) if count},
        "refused": dict(sorted(Counter(row.reason for row in refused).items())),
        "handoffs": {
            "asked": len(handoffs),
            "bridged": len(waits),
            "median_s": round(statistics.median(waits), 2) if waits else None,
        },
        "recordings": sum(record.recording is not None for record in records),
        "latency_ms": _latency(_at_callees(callee_results), "callee"),
        "latency_bot_ms": _latency([latency.ms for record in records for latency in record.latencies], "bot"),
        "engines": engines.model_dump(),
        "engine_fallbacks": sum(record.engines not in (None, engines) for record in records),
        "alarms": list(alarms),
    }


def _at_callees(results: Iterable[Mapping[str, Any]]) -> list[float]:
    return [
        float(turn["latency_ms"])
        for result in results
        for turn in result.get("turns", ())
        if turn.get("latency_ms") is not None and not turn.get("overlap")
    ]


def _latency(values: Sequence[float], measured_at: str) -> dict[str, Any]:
    p50, p95 = (round(float(p), 1) for p in np.percentile(values, (50, 95))) if values else (None, None)
    return {"p50": p50, "p95": p95, "n": len(values), "measured_at": measured_at}


def check_summary(summary: Mapping[str, Any]) -> None:
    """Raises jsonschema.ValidationError unless `summary` conforms to the published schema."""
    schema = json.loads(SCHEMA_PATH.read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(summary)


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Checks, then writes in one step: a reader sees the old file or the whole new one."""
    check_summary(summary)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(summary, file, ensure_ascii=False, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
