"""The services that all workers share: speech and dialog, started before the first call and kept alive.

While one is down nothing new is claimed; calls in progress say what they can without it.  It is started
again once, where the workers know it (the same socket, the same url); a second death ends the run.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Protocol

import structlog

from voicebot.campaign.children import Child
from voicebot.campaign.speech_watch import Dialling, SpeechWatch
from voicebot.settings import Site

log = structlog.get_logger()

SPEECH_READY_S = 60.0
MOST_RESTARTS = 1


class Service(Protocol):
    """A process that can be started again at its old address (dialogs.service.DialogService is one)."""

    async def start(self) -> None:
        """Returns when it works; raises what a person is told when it does not come to that."""
        ...

    async def wait(self) -> int:
        """Its exit code, when it has ended."""
        ...

    async def stop(self) -> None: ...


class SpeechProcess:
    """The speech service of one run, on a Unix socket."""

    def __init__(self, site: Site, socket: Path, logs: Path) -> None:
        self._site, self._socket, self._logs = site, socket, logs
        self._child: Child | None = None
        self._leaving: list[Child] = []
        self.engine = ""
        "Name of the engine that decoded something, once started."

    async def start(self) -> None:
        """Raises NotReady."""
        self._child = await self._started()

    async def _started(self, *options: str) -> Child:
        asr = self._site.asr
        command = [
            *(sys.executable, "-m", "voicebot.speech.asr.service", "--socket", str(self._socket)),
            *("--models", str(self._site.models), "--engine", asr.engine, "--threads", str(asr.threads)),
            *(("--vosk-model", str(asr.model)) if asr.model else ()),
            *(("--server", asr.url) if asr.url else ()),
            *options,
        ]
        child = await Child.start("speech", command, self._logs)
        try:
            self.engine = str((await child.ready(SPEECH_READY_S))["engine"])
        except BaseException:  # also when the run gives up meanwhile: nobody else knows this child
            await child.stop()
            raise
        return child

    async def recycle(self) -> None:
        """A fresh service takes new calls; the old one serves those in progress to their end.

        Raises NotReady when the fresh one does not come up: the old one goes on then.
        """
        fresh = await self._started("--replace")
        old, self._child = self._child, fresh
        if old is not None:
            self._leaving.append(old)
            old.drain()

    @property
    def pid(self) -> int | None:
        """The process that serves new calls, while it runs."""
        return self._child.pid if self._child is not None and self._child.running else None

    async def wait(self) -> int:
        """Its exit code, when it has ended; one that was replaced does not count."""
        while True:
            child = self._child
            assert child is not None, "the speech service was not started"
            code = await child.process.wait()
            if child is self._child:
                return code

    async def watch(self, dialling: Dialling) -> None:
        """No new calls while it is busy; a fresh service before its memory is full.  Never returns."""
        await SpeechWatch(self, self._socket, self._site.asr.most_rss_mb, dialling).run()

    async def stop(self) -> None:
        """Asks, then kills."""
        for child in (self._child, *self._leaving):
            if child is not None:
                await child.stop()


async def keep(name: str, service: Service, dialling: Dialling) -> None:
    """Runs beside the calls; returns when the service is given up and the run is told to stop."""
    for restarts in range(MOST_RESTARTS + 1):
        code = await service.wait()
        log.error("service_ended", service=name, code=code, restarts=restarts)
        dialling.pause(name)
        if restarts == MOST_RESTARTS:
            dialling.stop(f"the {name} service ended again")
            return
        try:
            await service.start()
        except Exception as fault:
            log.error("service_not_restarted", service=name, fault=type(fault).__name__)
            dialling.stop(f"the {name} service ended and could not be started again")
            return
        log.warning("service_restarted", service=name, restarts=restarts + 1)
        dialling.resume(name)


def keepers(services: dict[str, Service], dialling: Dialling) -> list[asyncio.Task[None]]:
    """One for each service, to be cancelled before the services are stopped."""
    loop = asyncio.get_running_loop()
    keeping = [loop.create_task(keep(name, service, dialling)) for name, service in services.items()]
    speech = [service for service in services.values() if isinstance(service, SpeechProcess)]
    return keeping + [loop.create_task(one.watch(dialling)) for one in speech]
