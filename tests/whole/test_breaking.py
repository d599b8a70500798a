"""Whole campaigns whose parts are killed: what was done is kept and told, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.whole.conftest import Run
from voicebot.store.models import AttemptRow
from voicebot.store.states import AttemptState

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]


def processes(run: Run) -> dict[int, str]:
    """What the run itself started and still lives: command lines by process id."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):
                continue  # it ended meanwhile
            if parent == run.process.pid:
                found[int(folder.name)] = command
    return found


def child(run: Run, module: str) -> int:
    (pid,) = (pid for pid, command in processes(run).items() if module in command)
    return pid


def gone(pids: Any, within_s: float = 15.0) -> bool:
    until = time.monotonic() + within_s
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.2)
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def talking(run: Run) -> bool:
    """Somebody has picked up; the recording lies there already while it rings."""
    if not any((run.folder / "recordings").glob("*.part.pcm")):
        return False
    store = run.store()
    try:
        with store.reading() as connection:
            up = select(AttemptRow.id).where(AttemptRow.state == AttemptState.ANSWERED)
            return connection.execute(up).first() is not None
    finally:
        store.close()


def test_dead_services_are_started_again_and_the_calls_go_on(start: Any) -> None:
    run = start("01", "06", "12", "14")
    run.wait_for("a call in progress", lambda: talking(run))
    for module in ("dialogs.rasa.server", "voicebot.speech.asr.service"):
        os.kill(child(run, module), signal.SIGKILL)
    run.finish()
    restarted = {line["service"] for line in run.logged("service_restarted")}
    assert restarted == {"dialog", "speech"}, run.output
    assert run.summary["calls"] == 4
    assert run.summary["lost"] == 0
    assert set(run.rung().values()) == {1}


def test_ctrl_c_twice_ends_at_once_and_still_reports(start: Any) -> None:
    run = start("01", "06", "14", "17")
    run.wait_for("a call in progress", lambda: talking(run))
    children = processes(run)
    run.process.send_signal(signal.SIGINT)
    time.sleep(1)
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 130, run.output
    assert run.summary["dispositions"]["UNKNOWN"] >= 1
    assert (run.folder / "report" / "index.html").is_file()
    assert "Traceback" not in run.output
    assert gone(children)


def test_a_killed_supervisor_leaves_no_process(start: Any) -> None:
    run = start("01", "06", "14")
    run.wait_for("a call in progress", lambda: talking(run))
    children = processes(run)
    assert len(children) >= 5
    run.process.kill()
    assert gone(children), {pid: name for pid, name in children.items() if Path(f"/proc/{pid}").exists()}
