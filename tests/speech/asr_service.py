"""A real speech service in a process of its own, as the supervisor starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class RunningService:
    process: subprocess.Popen[str]
    socket: Path
    engine: str

    def stop(self) -> int:
        """SIGTERM, then the exit code."""
        self.process.terminate()
        return self.process.wait(10)


def command(socket: Path, models: Path, *options: str) -> list[str]:
    service = [sys.executable, "-m", "voicebot.speech.asr.service"]
    return [*service, "--socket", str(socket), "--models", str(models), *options]


def start(socket: Path, models: Path, *options: str) -> RunningService:
    """Starts the service and waits until it has decoded something."""
    process = subprocess.Popen(command(socket, models, *options), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["ready"] is True
    return RunningService(process, socket, ready["engine"])
