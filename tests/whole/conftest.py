"""A site of its own for whole campaigns: the project's models, prompts and talk track, all else fresh."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
RUN_WITHIN_S = 400.0
"""Calls take real time; a busy machine stretches the start of the services."""


@dataclass
class Run:
    """One `voicebot run` of its own, as a person would start it."""

    var: Path
    process: subprocess.Popen[str]
    output: str = ""

    def finish(self) -> int:
        self.output, _ = self.process.communicate(timeout=RUN_WITHIN_S)
        return self.process.returncode

    @property
    def folder(self) -> Path:
        (only,) = (self.var / "runs").glob("*/*")
        return only

    @property
    def summary(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "summary.json").read_text("utf-8")))

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The simulated world's results: callees.jsonl or agents.jsonl."""
        return [json.loads(line) for line in (self.folder / "world" / name).read_text("utf-8").splitlines()]

    def rung(self) -> Counter[str]:
        """How often each callee was called, by the last two digits."""
        return Counter(result["suffix"] for result in self.lines("callees.jsonl"))

    def store(self) -> Store:
        return Store.open(f"sqlite:///{self.folder / 'store.db'}", KeyRing.load(ROOT / "var" / "keys.json"))

    def logged(self, event: str) -> list[dict[str, Any]]:
        log = self.folder / "logs" / "supervisor.log"
        found = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        return [line for line in found if line.get("event") == event]

    def wait_for(self, what: str, condition: Any, within_s: float = 150.0) -> None:
        """Waits for something that the running campaign brings about."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            assert self.process.poll() is None, self.process.communicate()[0]
            try:
                if condition():
                    return
            except (OSError, ValueError):
                pass  # the file is not there yet, or half a line is
            time.sleep(0.2)
        pytest.fail(f"not within {within_s:.0f} s: {what}")


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Starts a campaign of rows of the demo's list, by the last two digits of their numbers."""
    runs: list[Run] = []

    def begin(*rows: str) -> Run:
        var = tmp_path / "var"
        shutil.copytree(ROOT / "var" / "demo" / "keys", var / "demo" / "keys")
        for name in ("demo.csv", "demo_balances.csv"):
            source = (ROOT / "configs" / "lists" / name).read_text("utf-8").splitlines(keepends=True)
            kept = [
                source[0],
                *(line for line in source if line.startswith(tuple(f"DEMO-{row}," for row in rows))),
            ]
            (tmp_path / name.replace("demo", "small")).write_text("".join(kept), "utf-8")
        campaign = shutil.copy(HERE / "small.yaml", tmp_path / "small.yaml")
        shared = {name.upper(): ROOT / "var" / name for name in ("models", "prompts", "tracks")}
        environment = {f"VOICEBOT_{name}": str(path) for name, path in shared.items()}
        environment |= {"VOICEBOT_VAR": str(var), "VOICEBOT_KEYS": str(ROOT / "var" / "keys.json")}
        environment["VOICEBOT_STORE"] = f"sqlite:///{ROOT / 'var' / 'voicebot.db'}"
        process = subprocess.Popen(
            [sys.executable, "-m", "voicebot.cli.main", "run", str(campaign)],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        run = Run(var, process)
        runs.append(run)
        return run

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
            try:
                run.process.wait(20)
            except subprocess.TimeoutExpired:
                run.process.kill()
