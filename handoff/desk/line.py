"""The line between a run and the desk: websocket on a Unix socket, JSON both ways; this is the run's end.

The run looks for the desk again and again: either may be started first, and either may be restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import structlog

from handoff.desk.errands import Errands

log = structlog.get_logger()

ADDRESS = "desk.json"
"""Below the site's var: {"socket": path}.  Readable by the site's account alone, as the socket is."""
LOOK_AGAIN_S = 1.0
FLOOR_S = 0.5
"""How often the run looks whether something is new that no message told."""
HEARTBEAT_S = 5.0


class RunSide(Protocol):
    """What a run does for the desk."""

    def greeting(self) -> list[dict[str, Any]]:
        """Everything a desk must know that has just been reached: hello, then cards, offers, floor."""
        ...

    def news(self) -> list[dict[str, Any]]:
        """What is new since it was last asked."""
        ...

    async def asked(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answers a question; ValueError for one that makes no sense."""
        ...

    def lost(self) -> None:
        """The desk is gone."""
        ...


class RunLine:
    """The run's end.  `run` goes on until it is cancelled."""

    def __init__(self, var: Path, side: RunSide) -> None:
        self._address, self._side = var / ADDRESS, side
        self._errands = Errands()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, ValueError, KeyError):
                await self._talk(json.loads(self._address.read_text("utf-8"))["socket"])
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _talk(self, socket: str) -> None:
        connector = aiohttp.UnixConnector(socket)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.ws_connect("http://desk/run", heartbeat=HEARTBEAT_S) as line,
        ):
            log.info("desk_reached")
            telling = asyncio.ensure_future(self._tell(line))
            try:
                async for message in line:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self._errands.do("answer", self._answer(line, json.loads(message.data)))
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
                self._side.lost()
                log.info("desk_gone")

    async def _tell(self, line: aiohttp.ClientWebSocketResponse) -> None:
        try:
            greeting = self._side.greeting()
        except Exception as fault:  # its type only; the run comes again, and greets anew
            log.error("no_greeting_for_the_desk", fault=type(fault).__name__)
            await line.close()
            return
        for message in greeting:
            await line.send_json(message)
        while not line.closed:
            for message in self._news():
                await line.send_json(message)
            await asyncio.sleep(FLOOR_S / 5)

    def _news(self) -> list[dict[str, Any]]:
        """A fault is said and the line goes on: what it kept back comes with the next news."""
        try:
            return self._side.news()
        except Exception as fault:  # its type only: news hold values of a case
            log.error("no_news_for_the_desk", fault=type(fault).__name__)
            return []

    async def _answer(self, line: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> None:
        number, kind = message.pop("n", None), message.pop("kind", "")
        try:
            answer = await self._side.asked(kind, message)
        except Exception as fault:  # its type only: a fault's text may hold values of the case
            log.warning("desk_question_failed", kind=kind, fault=type(fault).__name__)
            answer = {"fault": type(fault).__name__}
        if number is not None and not line.closed:
            with contextlib.suppress(ConnectionError):
                await line.send_json({"kind": "answer", "n": number, "body": answer})
