"""What a page of the desk does, without a page."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from tests.handoff.desk.handed_over import HandedOver
    from tests.handoff.desk.office import Office

PASSWORD = "a-long-test-password"


class Browser:
    """What a page does, without a page."""

    def __init__(self, office: Office, trusted: ssl.SSLContext | None = None, forwarded: str = "") -> None:
        self._office = office
        connector = aiohttp.TCPConnector(ssl=trusted) if trusted else None
        headers = {"X-Forwarded-For": forwarded} if forwarded else None
        jar = aiohttp.CookieJar(unsafe=True)
        self.session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, headers=headers)
        self.csrf = ""
        self.views: list[dict[str, Any]] = []
        self.line: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self.session.close()

    def url(self, path: str) -> str:
        return self._office.url + path

    async def token(self, path: str) -> str:
        """The CSRF token that a page carries."""
        async with self.session.get(self.url(path)) as page:
            text = await page.text()
        marker = 'name="csrf" value="' if path == "/login" else 'data-csrf="'
        return text.split(marker)[1].split('"')[0]

    async def log_in(self, member_id: str, password: str = PASSWORD) -> tuple[int, str]:
        form = {"csrf": await self.token("/login"), "name": member_id, "password": password}
        async with self.session.post(self.url("/login"), data=form, allow_redirects=False) as answer:
            status, where = answer.status, answer.headers.get("Location", "")
        if status == 303 and where != "/password":
            self.csrf = await self.token(where)
        return status, where

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        told = {"X-CSRF": self.csrf, **headers}
        async with self.session.post(self.url(path), json=body, headers=told) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else {}

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.session.get(self.url(path)) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else {}

    async def watch(self, kind: str = "desk") -> None:
        """Opens the page's line."""
        self.line = await self.session.ws_connect(
            self.url(f"/live/{kind}"), headers={"Origin": self._office.url}
        )
        self._reading = asyncio.ensure_future(self._read(self.line))
        await until(lambda: bool(self.views))

    async def _read(self, line: aiohttp.ClientWebSocketResponse) -> None:
        async for message in line:
            self.views.append(message.json())

    @property
    def view(self) -> dict[str, Any]:
        return self.views[-1]

    async def sees(self, what: Any) -> Any:
        """Waits until the view is so; returns what `what` gave."""
        await until(lambda: bool(what(self.view)))
        return what(self.view)

    async def sees_state(self, state: str) -> dict[str, Any]:
        await self.sees(lambda view: (view["call"] or {}).get("state") == state)
        call: dict[str, Any] = self.view["call"]
        return call

    async def act(self, act: str) -> int:
        status, _ = await self.post("/api/act", {"attempt_id": self.view["call"]["attempt_id"], "act": act})
        return status

    async def accepts(self) -> dict[str, Any]:
        """The call that the agent is briefed of; gives the card, as the two talk."""
        await self.sees_state("whisper")
        assert await self.act("accept") == 200
        return await self.sees_state("bridged")

    async def hangs_up(self, call: HandedOver) -> Any:
        """Gives the form that is asked for."""
        assert await self.act("hang_up") == 200
        await call.ended
        return await self.sees(lambda view: view["wrap"])

    async def closed(self) -> None:
        """Waits until the desk closes the page's line."""
        await until(lambda: self.line is not None and self.line.closed)


async def until(holds: Any, within_s: float = 8.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
