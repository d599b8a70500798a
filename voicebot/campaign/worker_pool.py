"""The call workers of one machine: spawned, supplied with orders, replaced when they die.

What a dead worker had on its lines is closed as `unknown` by whoever owns the pool; the pool never
redials and never hides a death.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from voicebot.call.link import Link, LinkLost
from voicebot.call.order import DialOrder, Services
from voicebot.campaign.children import Child
from voicebot.errors import NotReady

log = structlog.get_logger()

READY_WITHIN_S = 40.0
MOST_RESTARTS = 5
"""A worker that keeps dying is not restarted for ever; the run goes on with the others."""

OnMessage = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any] | None]]


class WorkerSlot:
    """One worker's place: its process, its line, and how many calls it holds."""

    def __init__(self, name: str, child: Child) -> None:
        self.name, self.child = name, child
        self.link: Link | None = None
        self.attempts: set[str] = set()


class WorkerPool:
    """`on_message(worker, kind, body)` hears each worker; `on_death(worker, attempts)` each death."""

    def __init__(
        self,
        size: int,
        services: Services,
        sockets: Path,
        logs: Path,
        *,
        on_message: OnMessage,
        on_death: Callable[[str, set[str]], Awaitable[None]],
    ) -> None:
        self._size, self._services, self._logs = size, services, logs
        self._on_message, self._on_death = on_message, on_death
        self._socket = sockets / "workers"
        self._names = itertools.count(1)
        self._slots: dict[str, WorkerSlot] = {}
        self._hello: dict[str, asyncio.Future[Link]] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._restarts = 0
        self._stopping = False

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, str(self._socket), limit=4 << 20)
        await asyncio.gather(*(self._spawn() for _ in range(self._size)))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)

        async def first(kind: str, body: dict[str, Any]) -> None:
            if kind == "hello" and (waiting := self._hello.pop(body["name"], None)):
                waiting.set_result(link)

        link.handler = first
        await link.serve()

    async def _spawn(self) -> None:
        name = f"w{next(self._names)}"
        hello = self._hello[name] = asyncio.get_running_loop().create_future()
        child = await Child.start(
            name,
            [sys.executable, "-m", "voicebot.call.worker", "--socket", str(self._socket), "--name", name],
            self._logs,
        )
        slot = WorkerSlot(name, child)
        try:
            link = await asyncio.wait_for(hello, READY_WITHIN_S)

            async def heard(kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
                return await self._on_message(name, kind, body)

            link.handler = heard
            facts = await link.ask(
                "services", within_s=READY_WITHIN_S, **self._services.model_dump(mode="json")
            )
        except (TimeoutError, LinkLost, RuntimeError) as fault:
            await child.stop()
            why = (
                str(fault) if isinstance(fault, RuntimeError) else type(fault).__name__
            )  # "services: PortBusy"
            raise NotReady(f"call worker {name} did not start ({why})", f"See {name}.log.") from None
        slot.link = link
        self._slots[name] = slot
        log.info("worker_ready", worker=name, pid=child.pid, **facts)
        self._watch(slot)

    def _watch(self, slot: WorkerSlot) -> None:
        task = asyncio.get_running_loop().create_task(self._mourn(slot))
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _mourn(self, slot: WorkerSlot) -> None:
        code = await slot.child.process.wait()
        self._slots.pop(slot.name, None)
        if self._stopping:
            return
        log.error("worker_died", worker=slot.name, code=code, calls=len(slot.attempts))
        await self._on_death(slot.name, slot.attempts)
        if self._restarts < MOST_RESTARTS:
            self._restarts += 1
            try:
                await self._spawn()
            except NotReady as fault:
                log.error("worker_not_replaced", fault=str(fault))

    def free(self) -> list[str]:
        """Workers that can take another call, the emptiest first."""
        ready = [s for s in self._slots.values() if len(s.attempts) < self._services.calls]
        return [slot.name for slot in sorted(ready, key=lambda slot: len(slot.attempts))]

    @property
    def size(self) -> int:
        return len(self._slots)

    @property
    def calls(self) -> int:
        return sum(len(slot.attempts) for slot in self._slots.values())

    def dial(self, worker: str, order: DialOrder) -> bool:
        """False when the worker died meanwhile: nothing was sent."""
        slot = self._slots.get(worker)
        if slot is None or slot.link is None or slot.link.lost:
            return False
        slot.attempts.add(order.attempt_id)
        slot.link.tell("dial", **order.model_dump(mode="json"))
        return True

    def finished(self, worker: str, attempt_id: str) -> None:
        """The attempt was closed: its line is free."""
        if (slot := self._slots.get(worker)) is not None:
            slot.attempts.discard(attempt_id)

    async def stop(self) -> None:
        self._stopping = True
        for slot in self._slots.values():
            if slot.link is not None:
                slot.link.tell("stop")
        await asyncio.gather(*(slot.child.stop() for slot in list(self._slots.values())))
        if self._server is not None:
            self._server.close()
        self._socket.unlink(missing_ok=True)
        await asyncio.gather(*self._watchers, return_exceptions=True)
