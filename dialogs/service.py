"""Starts, watches and stops the Rasa process that decides for all calls."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from pathlib import Path

import structlog

from dialogs.build import RASA_PYTHON, rasa_environment
from dialogs.client import RasaPolicy
from dialogs.errors import BuildFailed

log = structlog.get_logger()

READY_LIMIT_S = 120.0
"""Importing Rasa takes 10 s of CPU, and the machine may be busy."""
ASK_EVERY_S = 0.5
STOP_LIMIT_S = 5.0
TRIES = 2


class DialogService:
    """One Rasa process on the loopback, serving every version built under `tracks`."""

    def __init__(
        self, tracks: Path, rasa_python: Path = RASA_PYTHON, ready_limit_s: float = READY_LIMIT_S
    ) -> None:
        self._tracks, self._python, self._limit_s = tracks.resolve(), rasa_python, ready_limit_s
        self.token = secrets.token_urlsafe(32)
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None
        self._policy: RasaPolicy | None = None
        self._listening: socket.socket | None = None
        self._log = self._tracks / "dialog-service.log"

    @property
    def folder(self) -> Path:
        """Where the builds that it serves lie, and its log."""
        return self._tracks

    @property
    def pid(self) -> int | None:
        """The Rasa process, while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Returns when a version answered a real turn.  BuildFailed after one restart.

        Called again after the process ended, it starts another one on the same url, with the same token.
        """
        if not self._python.exists():
            raise BuildFailed("the Rasa environment is not set up", "Run `make setup`.", self._python)
        if not any(self._tracks.glob("*/manifest.json")):
            raise BuildFailed("no talk track is built here", "Run `python -m dialogs.build`.", self._tracks)
        for number in range(TRIES):
            await self._spawn()
            if await self._becomes_ready():
                log.info("dialog_service_ready", pid=self.pid, restarts=number)
                return
            log.warning("dialog_service_not_ready", pid=self.pid, tried=number + 1)
            await self._end()
        await self.stop()
        raise BuildFailed("the dialog service did not become ready", f"See {self._log}.")

    async def _spawn(self) -> None:
        listening = self._listening or self._listen()
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                str(self._python),
                *("-m", "dialogs.rasa.server", "--tracks", str(self._tracks)),
                *("--fd", str(listening.fileno())),
                cwd=self._tracks,
                env={**rasa_environment(), "VOICE_TOKEN": self.token},
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[listening.fileno()],
                start_new_session=True,  # a Ctrl-C is the parent's: calls in progress still need it
            )

    def _listen(self) -> socket.socket:
        """The port, kept open as long as the service lives: the next process serves the same url."""
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(128)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/voice"
        self._policy = RasaPolicy(self.url, self.token)
        return self._listening

    async def _becomes_ready(self) -> bool:
        """False when the process ended or the time is over.  The port is open in any case: a question to a
        dead process would wait for its own time-out."""
        assert self._process is not None
        ended = asyncio.ensure_future(self._process.wait())
        ready = asyncio.ensure_future(self._answers())
        try:
            await asyncio.wait({ended, ready}, timeout=self._limit_s, return_when=asyncio.FIRST_COMPLETED)
            return ready.done() and not ended.done()
        finally:
            ended.cancel()
            ready.cancel()

    async def _answers(self) -> None:
        while True:
            if await self.policy().ready():
                return
            await asyncio.sleep(ASK_EVERY_S)

    def policy(self) -> RasaPolicy:
        """The policy for this process; others build their own from `url` and `token`."""
        assert self._policy is not None, "the dialog service was not started"
        return self._policy

    async def wait(self) -> int:
        """Waits until the Rasa process ends; its exit code."""
        assert self._process is not None, "the dialog service was not started"
        return await self._process.wait()

    async def stop(self) -> None:
        """Asks, then kills after 5 s.  Can be called twice."""
        if self._policy is not None:
            await self._policy.close()
            self._policy = None
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
