"""Child processes of a run: started with a deadline, each with its log, stopped with a kill at the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from voicebot.errors import NotReady

log = structlog.get_logger()

STOP_WITHIN_S = 10.0
"""Every stop has a deadline, longer than the children's own; after it comes the kill."""


class Child:
    """One child process.  Its stderr goes to `<logs>/<name>.log`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log_file: Path) -> None:
        self.name, self.process, self._log = name, process, log_file

    @classmethod
    async def start(cls, name: str, command: Sequence[str], logs: Path) -> Child:
        logs.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once a child, before any call
        log_file = logs / f"{name}.log"
        with log_file.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                start_new_session=True,  # Ctrl-C goes to the supervisor, which stops its children in order
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        return cls(name, process, log_file)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def ready(self, within_s: float) -> dict[str, Any]:
        """The one JSON line that a child prints when it works.  Raises NotReady with what it said instead."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                line = await self.process.stdout.readline()
        except TimeoutError:
            raise NotReady(
                f"{self.name} was not ready within {within_s:.0f} s", f"See {self.name}.log."
            ) from None
        if not line:
            await self.process.wait()
            raise NotReady(
                f"{self.name} ended with code {self.process.returncode}: {self._last_words()}",
                f"See {self.name}.log.",
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        """The last line of its log: what it complained of, or the end of a traceback."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "without a word"

    async def stop(self) -> None:
        """Ends the child: asked first, killed after the deadline."""
        if not self.running:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self.process.wait()
        except TimeoutError:
            log.warning("child_killed", child=self.name)
            self.kill()
            await self.process.wait()

    def drain(self) -> None:
        """Tells a speech service to end by itself when the calls that it serves have ended."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """Ends it and what it started, now; `process.wait()` tells when it is gone."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            log.info("child_already_gone", child=self.name)
