"""The call workers of one machine: spawned, supplied with orders, replaced when they die.

What a dead worker had on its lines is closed as `unknown` by whoever owns the pool; the pool never
redials and never hides a death.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from sip.registering import TrunkStatus
from voicebot.call.link import Link, LinkLost
from voicebot.call.order import DialOrder, Services
from voicebot.campaign.children import Child
from voicebot.errors import NotReady

log = structlog.get_logger()

READY_WITHIN_S = 40.0
MOST_RESTARTS = 5
RESTARTS_WITHIN_S = 600.0
"""So many restarts in so long: workers that keep dying are not replaced; the run goes on with the others."""
HEALTH_EVERY_S = 0.5
FROZEN_AFTER = 3
"""A worker that leaves a question unanswered for so many times HEALTH_EVERY_S is frozen and is killed."""
SPARE_AFTER_S = 5.0
"""From then on a further worker stands by: its modules are loaded, it takes the place of one that dies."""
WORKER = (sys.executable, "-m", "voicebot.call.worker")

OnMessage = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any] | None]]


class WorkerSlot:
    """One worker's place: its process, its line, and how many calls it holds."""

    def __init__(self, name: str, child: Child, link: Link) -> None:
        self.name, self.child, self.link = name, child, link
        self.attempts: set[str] = set()
        self.trunk = TrunkStatus(True, "")

    def hear_of_trunk(self, facts: dict[str, Any]) -> None:
        """What it says of its registration; a worker that says nothing needs none."""
        self.trunk = TrunkStatus(
            bool(facts.get("trunk_ready", True)),
            str(facts.get("trunk_text", "")),
            int(facts.get("trunk_losses", 0)),
        )


@dataclass(frozen=True)
class Newcomer:
    """A process that said hello and knows nothing of the site yet."""

    name: str
    child: Child
    link: Link


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
        program: Sequence[str] = WORKER,
        health_every_s: float = HEALTH_EVERY_S,
        spare_after_s: float = SPARE_AFTER_S,
    ) -> None:
        self._size, self._services, self._logs = size, services, logs
        self._on_message, self._on_death = on_message, on_death
        self._program, self._health_every_s, self._spare_after_s = program, health_every_s, spare_after_s
        self._socket = sockets / "workers"
        self._names = itertools.count(1)
        self._slots: dict[str, WorkerSlot] = {}
        self._hello: dict[str, asyncio.Future[Link]] = {}
        self._children: set[Child] = set()
        self._watchers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._spare: Newcomer | None = None
        self._restarts: deque[float] = deque()
        self._starting = 0
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, str(self._socket), limit=4 << 20)
        await asyncio.gather(*(self._spawn() for _ in range(self._size)))
        self._watch(self._stand_by(self._spare_after_s))

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        watcher = asyncio.get_running_loop().create_task(work)
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)

        async def first(kind: str, body: dict[str, Any]) -> None:
            if kind == "hello" and (waiting := self._hello.pop(body["name"], None)):
                waiting.set_result(link)

        link.handler = first
        await link.serve()

    async def _spawn(self) -> None:
        """Raises NotReady when the worker does not come to work."""
        spare, self._spare = self._spare, None
        await self._employ(spare or await self._hire())

    async def _hire(self) -> Newcomer:
        """Starts a process and waits for its hello.  Raises NotReady."""
        name = f"w{next(self._names)}"
        hello = self._hello[name] = asyncio.get_running_loop().create_future()
        child: Child | None = None
        try:
            child = await Child.start(
                name, [*self._program, "--socket", str(self._socket), "--name", name], self._logs
            )
            self._children.add(child)
            if self._stopping.is_set():  # `stop` did not see it
                raise RuntimeError("the run ends")
            return Newcomer(name, child, await _said_hello(hello, child))
        except (OSError, TimeoutError, RuntimeError) as fault:
            self._hello.pop(name, None)
            raise await self._not_ready(name, child, fault) from None

    async def _employ(self, newcomer: Newcomer) -> None:
        """Tells it where the site's services are; from its answer on it gets calls.  Raises NotReady."""
        name, child, link = newcomer.name, newcomer.child, newcomer.link

        async def heard(kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
            return await self._on_message(name, kind, body)

        link.handler = heard
        try:
            facts = await link.ask(
                "services", within_s=READY_WITHIN_S, **self._services.model_dump(mode="json")
            )
        except (OSError, TimeoutError, RuntimeError) as fault:  # LinkLost is an OSError
            raise await self._not_ready(name, child, fault) from None
        slot = self._slots[name] = WorkerSlot(name, child, link)
        slot.hear_of_trunk(facts)
        log.info("worker_ready", worker=name, pid=child.pid, **facts)
        self._watch(self._mourn(slot))

    async def _not_ready(self, name: str, child: Child | None, fault: Exception) -> NotReady:
        if child is not None:
            await child.stop()
            self._children.discard(child)
        why = str(fault) if isinstance(fault, RuntimeError) else type(fault).__name__
        return NotReady(f"call worker {name} did not start ({why})", f"See {name}.log.")

    async def _stand_by(self, after_s: float = 0.0) -> None:
        """Has a further worker ready for the next death."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(after_s):
                await self._stopping.wait()
        if self._spare is not None or self._stopping.is_set():
            return
        try:
            self._spare = await self._hire()
        except NotReady as fault:  # the next death is answered a second later
            log.warning("no_spare_worker", fault=str(fault))

    async def _mourn(self, slot: WorkerSlot) -> None:
        health = asyncio.get_running_loop().create_task(self._check_health(slot))
        code = await slot.child.process.wait()
        health.cancel()
        self._children.discard(slot.child)
        if self._stopping.is_set():
            return  # `stop` asks what it still held
        self._starting += 1  # before the slot goes: a pool that replaces its last worker is not at its end
        del self._slots[slot.name]
        try:
            log.error("worker_died", worker=slot.name, code=code, calls=len(slot.attempts))
            await self._bury(slot)
            await self._replace()
            self._watch(self._stand_by())
        finally:
            self._starting -= 1

    async def _bury(self, slot: WorkerSlot) -> None:
        try:
            await self._on_death(slot.name, slot.attempts)
        except Exception as fault:  # the next worker is needed all the same
            log.error("worker_not_mourned", worker=slot.name, fault=type(fault).__name__)

    async def _replace(self) -> None:
        while not self._stopping.is_set() and self._may_restart():
            try:
                await self._spawn()
                return
            except NotReady as fault:
                log.error("worker_not_replaced", fault=str(fault))

    def _may_restart(self) -> bool:
        now = time.monotonic()
        while self._restarts and now - self._restarts[0] > RESTARTS_WITHIN_S:
            self._restarts.popleft()
        if len(self._restarts) >= MOST_RESTARTS:
            log.error("worker_given_up", restarts=len(self._restarts))
            return False
        self._restarts.append(now)
        return True

    async def _check_health(self, slot: WorkerSlot) -> None:
        """A worker that does not answer holds calls that nobody leads: it is killed, then mourned.

        It answers only when its event loop and its SIP stack are both at work.
        """
        loop, patience_s = asyncio.get_running_loop(), self._health_every_s * FROZEN_AFTER
        while True:
            await asyncio.sleep(self._health_every_s)
            asked_at = loop.time()
            try:
                await slot.link.ask("health", within_s=patience_s)
            except LinkLost:
                return  # its end is being noticed
            except (TimeoutError, RuntimeError) as fault:
                waited_s = loop.time() - asked_at
                if waited_s > patience_s + self._health_every_s:  # it was we who stood still
                    log.warning("health_asked_late", worker=slot.name, waited_s=round(waited_s, 2))
                    continue
                log.error(
                    "worker_frozen", worker=slot.name, calls=len(slot.attempts), fault=type(fault).__name__
                )
                slot.child.kill()
                return

    def free(self) -> list[str]:
        """Workers that can take another call, the emptiest first.  None without its registration can."""
        ready = [s for s in self._slots.values() if s.trunk.ready and len(s.attempts) < self._services.calls]
        return [slot.name for slot in sorted(ready, key=lambda slot: len(slot.attempts))]

    @property
    def alive(self) -> int:
        """Workers that work or are being started: 0 is the end of the run."""
        return len(self._slots) + self._starting

    def hear_of_trunk(self, worker: str, facts: dict[str, Any]) -> None:
        """A worker's registration came or went."""
        if (slot := self._slots.get(worker)) is not None:
            slot.hear_of_trunk(facts)

    def registration(self) -> dict[str, Any]:
        """How the workers are registered with the trunk: for status and alarms."""
        slots = list(self._slots.values())
        without = [slot.trunk for slot in slots if not slot.trunk.ready]
        return {
            "registered": len(slots) - len(without),
            "missing": len(without),
            "losses": sum(slot.trunk.losses for slot in slots),
            "text": without[0].text if without else "",
        }

    @property
    def calls(self) -> int:
        return sum(len(slot.attempts) for slot in self._slots.values())

    def room(self, worker: str) -> int:
        """How many more calls a worker can take."""
        slot = self._slots.get(worker)
        return 0 if slot is None else self._services.calls - len(slot.attempts)

    @property
    def spare(self) -> bool:
        """Whether a further worker stands by."""
        return self._spare is not None

    def pid(self, worker: str) -> int:
        """The process of a worker that is at work."""
        return self._slots[worker].child.pid

    @property
    def names(self) -> list[str]:
        """The workers that are at work."""
        return list(self._slots)

    @property
    def attempts(self) -> list[str]:
        """Every attempt that a worker holds."""
        return [attempt_id for slot in self._slots.values() for attempt_id in slot.attempts]

    def tell(self, attempt_id: str, kind: str, **body: Any) -> bool:
        """Tells whoever holds that attempt; False when nobody does."""
        for slot in self._slots.values():
            if attempt_id in slot.attempts:
                slot.link.tell(kind, attempt_id=attempt_id, **body)
                return not slot.link.lost
        return False

    async def ask(
        self, attempt_id: str, kind: str, body: dict[str, Any], *, within_s: float
    ) -> dict[str, Any]:
        """Asks whoever holds that attempt.  LookupError when nobody does; else as Link.ask."""
        for slot in self._slots.values():
            if attempt_id in slot.attempts:
                return await slot.link.ask(kind, within_s=within_s, **body)
        raise LookupError("no worker holds this attempt")

    def dial(self, worker: str, order: DialOrder) -> bool:
        """False when the worker died meanwhile: nothing was sent."""
        slot = self._slots.get(worker)
        if slot is None or slot.link.lost:
            return False
        slot.attempts.add(order.attempt_id)
        slot.link.tell("dial", **order.model_dump(mode="json"))
        return True

    def finished(self, worker: str, attempt_id: str) -> None:
        """The attempt was closed: its line is free."""
        if (slot := self._slots.get(worker)) is not None:
            slot.attempts.discard(attempt_id)

    async def stop(self) -> None:
        """Ends every worker, also one that is just starting; what it still held is reported as at a death."""
        self._stopping.set()
        for slot in self._slots.values():
            slot.link.tell("stop")
        await asyncio.gather(*(child.stop() for child in list(self._children)))
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for slot in list(self._slots.values()):
            if slot.attempts:
                await self._bury(slot)
        self._slots.clear()
        if self._server is not None:
            self._server.close()
        self._socket.unlink(missing_ok=True)


async def _said_hello(hello: asyncio.Future[Link], child: Child) -> Link:
    """Its link; TimeoutError or RuntimeError when it does not come, or ends before."""
    ended = asyncio.ensure_future(child.process.wait())
    try:
        await asyncio.wait((hello, ended), timeout=READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if hello.done():
            return hello.result()
        if ended.done():
            raise RuntimeError(f"it ended with code {ended.result()}")
        raise TimeoutError
    finally:
        ended.cancel()
