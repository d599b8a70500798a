"""Whole campaigns over real SIP, real recognition and the real Rasa, seen from both ends."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from typing import Any

import pytest
import soundfile as sf

from tests.whole.conftest import ROOT, Run
from tests.whole.personal import left_open
from voicebot.call.recording_file import open_recording
from voicebot.call.verification import MASKED_TEXT
from voicebot.clock import ManualClock
from voicebot.store.audit_check import check
from voicebot.store.records import records
from voicebot.store.stop_list import StopList

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]


def campaign_of(run: Run) -> str:
    return str(next(line["campaign_id"] for line in run.logged("run_started")))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_campaign_comes_to_what_its_callees_expect(start: Any) -> None:
    run = start("01", "04", "06", "08", "09", "12", "23")
    code = run.finish()
    assert code == 0, run.output
    summary = run.summary
    # Our end: what was decided.
    assert summary["dispositions"] == {
        "BUSY": 1,
        "EMPTY_NUMBER": 1,
        "HUMAN": 1,
        "PTP": 1,
        "RELAYED": 1,
        "STOP_REQUEST": 1,
    }
    assert summary["refused"] == {"STOP_LIST": 1}
    assert summary["handoffs"]["bridged"] == 1
    assert summary["recordings"] == summary["answered"] == 4
    assert summary["engine_fallbacks"] == 0
    assert 0 < summary["latency_ms"]["p95"] < 3000
    # The callees' end: each was rung once, the refused one never; what was heard is in the exit code.
    assert run.rung() == {"01": 1, "04": 1, "06": 1, "08": 1, "09": 1, "12": 1}
    assert "6 of 6" in run.output or "7 of 7" in run.output
    (agent,) = run.lines("agents.jsonl")
    assert agent["accepted"]
    assert agent["debtor_spoke"]

    store = run.store()
    try:
        found = {record.phone_masked[-2:]: record for record in records(store, campaign_of(run))}
        stop_list = StopList(store, ManualClock(found["01"].dialled_at))
        assert stop_list.contains("+8613800002023") is not None
        for number, record in found.items():
            if record.answered_at is None:
                assert record.recording is None, number
                continue
            assert record.recording is not None, number
            with open_recording(record.recording, record.attempt_id, store.keys) as audio:
                assert hashlib.file_digest(audio, "sha256").hexdigest() == record.recording.sha256
                audio.seek(0)
                samples, rate = sf.read(audio, dtype="int16")
            assert rate == 8000
            assert samples[:, 0].any(), f"{number}: nothing of ours was recorded"
            assert samples[:, 1].any(), f"{number}: nothing of the callee was recorded"
            assert record.digest
            assert record.pack
        # What was decided, said and recorded is chained, and signed at the end.
        verdict = check(store)
        assert verdict.faults == []
        assert verdict.recordings == summary["recordings"] and verdict.unsigned == 0
        promise = found["01"]
        assert promise.promise_date == "2026-03-06"
        assert any(decision.event == "verified" for decision in promise.decisions)
        handed = found["04"].handoff
        assert handed is not None
        assert handed.asked_s < handed.ringing_s < handed.whisper_s < handed.bridged_s < handed.ended_s  # type: ignore[operator]
        speakers = {turn.speaker for turn in found["04"].turns}
        assert speakers == {"bot", "debtor", "agent"}
        # To somebody else nothing of the debt was said, and the level never rose.
        assert all(decision.level == 0 for decision in found["06"].decisions)
        assert not any(
            re.search("贷|欠|还款|逾期|元", turn.text) for turn in found["06"].turns if turn.speaker == "bot"
        )
        # The knowledge check's digits are nowhere, as figures or as words.
        written = "".join(turn.text for turn in promise.turns) + "".join(d.text for d in promise.decisions)
        assert not re.search("9064|[九久酒][零〇][六六][四四]", written)
        assert MASKED_TEXT in written
    finally:
        store.close()
    assert left_open(ROOT / "configs" / "lists", run.folder / "logs") == []
    report = (run.folder / "report" / "index.html").read_text("utf-8")
    assert "138****2001" in report
    assert "13800002001" not in report


def test_a_killed_worker_loses_its_calls_and_nothing_else(start: Any) -> None:
    run = start("01", "06", "14", "17")
    run.wait_for("a call in progress", lambda: any((run.folder / "recordings").glob("*.part.pcm")))
    victim = run.logged("worker_ready")[0]["pid"]
    os.kill(victim, signal.SIGKILL)
    code = run.finish()
    assert code == 0, run.output
    summary = run.summary
    assert summary["lost"] >= 1
    assert summary["dispositions"]["UNKNOWN"] == summary["lost"]
    assert summary["calls"] == 4
    # Nobody is dialled twice: not the lost ones either.
    assert set(run.rung().values()) == {1}
    # Nothing is left behind.
    pids = [line["pid"] for line in run.logged("worker_ready")]
    assert len(pids) >= 3, "the dead worker was not replaced"
    assert not any(alive(pid) for pid in pids)
