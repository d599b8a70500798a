"""The run in numbers conforms to its published schema and counts what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from voicebot.call.record import CallRecord
from voicebot.campaign.summary import SCHEMA_PATH, Refused, build_summary, check_summary, write_summary
from voicebot.clock import ManualClock
from voicebot.store.states import Disposition

CALLEES: list[dict[str, Any]] = [
    {"turns": [{"latency_ms": 500}, {"latency_ms": 700}, {"latency_ms": None}]},
    {"turns": [{"latency_ms": 900}, {"latency_ms": -200, "overlap": True}]},
    {"turns": []},
    {"outcome": "busy"},
]


@pytest.fixture
def summary(records: list[CallRecord], refused: list[Refused], engines: Any, start: Any) -> dict[str, Any]:
    return build_summary(
        campaign="demo",
        records=records,
        refused=refused,
        engines=engines,
        clock=ManualClock(start, 90.0),
        seconds=90.0,
        callee_results=CALLEES,
        lost=1,
    )


def test_it_counts_calls_outcomes_refusals_and_handoffs(summary: dict[str, Any]) -> None:
    assert (summary["calls"], summary["answered"], summary["recordings"], summary["lost"]) == (5, 2, 2, 1)
    assert summary["dispositions"] == {"BUSY": 1, "EMPTY_NUMBER": 1, "HUMAN": 1, "PTP": 1, "UNKNOWN": 1}
    assert summary["refused"] == {"STOP_LIST": 1, "TOOL_NOT_FILED": 1}
    assert summary["handoffs"] == {"asked": 1, "bridged": 1, "median_s": 11.2}


def test_latency_is_the_callees_and_leaves_out_turns_in_which_both_spoke(summary: dict[str, Any]) -> None:
    assert summary["latency_ms"] == {"p50": 700.0, "p95": 880.0, "n": 3, "measured_at": "callee"}
    assert summary["latency_bot_ms"]["n"] == 5


def test_the_clock_is_that_of_the_start(summary: dict[str, Any]) -> None:
    assert summary["clock"] == {
        "simulated": True,
        "start": "2026-06-10T10:00:00+08:00",
        "zone": "Asia/Shanghai",
    }


def test_another_engine_on_one_call_is_counted(
    records: list[CallRecord], refused: list[Refused], engines: Any, start: Any
) -> None:
    fallen = records[0].model_copy(update={"engines": engines.model_copy(update={"tts": "espeak:cmn"})})
    summary = build_summary(
        campaign="demo",
        records=[fallen, *records[1:]],
        refused=refused,
        engines=engines,
        clock=ManualClock(start),
        seconds=1.0,
    )
    assert summary["engine_fallbacks"] == 1
    assert summary["latency_ms"] == {"p50": None, "p95": None, "n": 0, "measured_at": "callee"}
    check_summary(summary)


def test_a_row_that_was_never_dialled_is_no_call(
    make_call: Callable[..., CallRecord], engines: Any, start: Any
) -> None:
    summary = build_summary(
        campaign="demo",
        records=[make_call(1, Disposition.NOT_DIALLED, answered=False)],
        refused=[],
        engines=engines,
        clock=ManualClock(start),
        seconds=1.0,
    )
    assert summary["calls"] == 0 and summary["dispositions"] == {"NOT_DIALLED": 1}


def test_it_is_written_whole_and_conforms(tmp_path: Path, summary: dict[str, Any]) -> None:
    file = tmp_path / "run" / "summary.json"
    write_summary(file, summary)
    assert json.loads(file.read_text("utf-8")) == summary
    assert [one.name for one in file.parent.iterdir()] == ["summary.json"]


@pytest.mark.parametrize(
    "harm",
    [
        {"dispositions": {"MAYBE": 1}},
        {"refused": {"not a code": 1}},
        {"calls": -1},
        {"clock": {"simulated": True, "start": "yesterday", "zone": "Asia/Shanghai"}},
        {"latency_ms": {"p50": 1, "p95": 1, "n": 1, "measured_at": "bot"}},
        {"extra": 1},
    ],
)
def test_what_does_not_conform_is_not_written(
    tmp_path: Path, summary: dict[str, Any], harm: dict[str, Any]
) -> None:
    file = tmp_path / "summary.json"
    with pytest.raises(jsonschema.ValidationError):
        write_summary(file, summary | harm)
    assert not file.exists()


def test_the_schema_knows_exactly_the_closed_list() -> None:
    schema = json.loads(SCHEMA_PATH.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    known = schema["properties"]["dispositions"]["propertyNames"]["enum"]
    assert known == [disposition.value for disposition in Disposition]
