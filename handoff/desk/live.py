"""The line to a page: its whole view at each change.  A page that comes back has everything at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import WSCloseCode, web

from handoff.desk.parts import PARTS, Parts, answer
from handoff.desk.security import COOKIE, session_of
from handoff.desk.sessions import Session
from handoff.desk.views import agent_view, operations_view, supervisor_view

log = structlog.get_logger()

LOOK_S = 1.0
TOGETHER_S = 0.05
"""Changes within this time are told as one."""
OVER = 4401
"""Close code: the session has ended, the page shows the login."""
View = Callable[[], dict[str, Any]]


async def desk(request: web.Request) -> web.WebSocketResponse:
    """An agent's line.  Their open page is what makes them present."""
    session, parts = session_of(request, "agent", "supervisor"), request.app[PARTS]

    def view() -> dict[str, Any]:
        agent = parts.hub.agents.get(session.member_id)
        return agent_view(parts.hub.floor, session, agent, parts.hub.why_not, parts.monotonic)

    try:
        parts.hub.page_opened(session.member_id)
        return await _tell(request, session, view)
    finally:
        parts.hub.floor.page_closed(session.member_id)


async def supervisor(request: web.Request) -> web.WebSocketResponse:
    """A supervisor's line."""
    session, parts = session_of(request, "supervisor"), request.app[PARTS]
    hub = parts.hub
    return await _tell(
        request, session, lambda: supervisor_view(hub.floor, session, hub.agents, parts.monotonic())
    )


async def operations(request: web.Request) -> web.WebSocketResponse:
    """The line of operations."""
    session, parts = session_of(request, "operations"), request.app[PARTS]
    return await _tell(request, session, lambda: operations_view(parts.hub.floor))


async def alive(request: web.Request) -> web.Response:
    """Whether the session still holds: a line that is refused cannot tell a page why."""
    session_of(request)
    return answer()


async def _tell(request: web.Request, session: Session, view: View) -> web.WebSocketResponse:
    parts = request.app[PARTS]
    line = web.WebSocketResponse(heartbeat=20, max_msg_size=1 << 10)
    await line.prepare(request)
    parts.hub.pages.add(line)
    telling = asyncio.ensure_future(_keep_told(line, parts, request.cookies.get(COOKIE), view))
    try:
        async for _ in line:  # a page asks by POST; what it says here is nothing
            pass
    finally:
        parts.hub.pages.discard(line)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    return line


def _seen(view: View) -> dict[str, Any] | None:
    """None: this once it cannot be told; the page gets the next."""
    try:
        return view()
    except Exception as fault:  # its type only: a view holds values of a case
        log.error("page_not_told", fault=type(fault).__name__)
        return None


async def _keep_told(line: web.WebSocketResponse, parts: Parts, token: str | None, view: View) -> None:
    floor, news, before = parts.hub.floor, parts.hub.floor.watch(), -1
    try:
        while not line.closed:
            news.clear()
            if parts.sessions.get(token) is None:
                await line.close(code=OVER, message=b"session")
                return
            if floor.version != before:
                before = floor.version
                if (shown := _seen(view)) is not None:
                    await line.send_json(shown)
                await asyncio.sleep(TOGETHER_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await news.wait()
    except ConnectionError:
        await line.close(code=WSCloseCode.GOING_AWAY)
    finally:
        floor.unwatch(news)
