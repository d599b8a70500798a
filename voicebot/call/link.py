"""The line between a call worker and its supervisor: JSON lines over a Unix socket.

Either side may ask (`ask` waits for the answer) or tell (`tell` does not).  When the line breaks,
every waiting question fails with LinkLost, so neither side can hang on a dead peer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

log = structlog.get_logger()

MAX_LINE_BYTES = 4 << 20
"""A finished call's record is the longest message; an hour of talk stays far below this."""

Handler = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]]


class LinkLost(ConnectionError):
    """The other side is gone."""


class Link:
    """One end of the line.  `handler(kind, body)` hears each message; its result answers a question."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler | None = None
    ) -> None:
        self._reader, self._writer = reader, writer
        self.handler = handler
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost = False

    async def serve(self) -> None:
        """Reads until the other side is gone."""
        try:
            while line := await self._reader.readline():
                self._dispatch(json.loads(line))
        except (ConnectionError, asyncio.IncompleteReadError, ValueError) as fault:
            log.warning("link_broken", fault=type(fault).__name__)
        finally:
            self._fail_all()

    def _dispatch(self, message: dict[str, Any]) -> None:
        if (answered := message.get("re")) is not None:
            waiting = self._waiting.pop(answered, None)
            if waiting and not waiting.done():
                if "error" in message:
                    waiting.set_exception(RuntimeError(message["error"]))
                else:
                    waiting.set_result(message["body"])
            return
        task = asyncio.get_running_loop().create_task(self._handle(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, message: dict[str, Any]) -> None:
        assert self.handler is not None, "a link without a handler was told something"
        answer: dict[str, Any]
        try:
            answer = {"body": await self.handler(message["kind"], message["body"]) or {}}
        except LinkLost:
            return
        except Exception as fault:  # the asker must learn of it, whatever it is
            # Its type only: a fault's text, or a traceback's, may hold values of the case.
            log.error("link_handler_failed", kind=message["kind"], fault=type(fault).__name__)
            answer = {"error": f"{message['kind']}: {type(fault).__name__}"}
        if "id" in message and not self.lost:
            self._send({"re": message["id"], **answer})

    def tell(self, kind: str, **body: Any) -> None:
        """Sends without waiting; silently dropped when the line is lost (the other side knows)."""
        if not self.lost:
            self._send({"kind": kind, "body": body})

    async def ask(self, kind: str, *, within_s: float, **body: Any) -> dict[str, Any]:
        """Sends and waits for the answer.  Raises LinkLost, TimeoutError or RuntimeError."""
        if self.lost:
            raise LinkLost(kind)
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send({"id": number, "kind": kind, "body": body})
        try:
            async with asyncio.timeout(within_s):
                answer: dict[str, Any] = await waiting
                return answer
        finally:
            self._waiting.pop(number, None)

    def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message, ensure_ascii=False, default=str).encode() + b"\n")

    async def drain(self) -> None:
        """Waits until what was told has left."""
        await self._writer.drain()

    def _fail_all(self) -> None:
        self.lost = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkLost("the other side is gone"))
        self._waiting.clear()

    def close(self) -> None:
        self._fail_all()
        self._writer.close()
