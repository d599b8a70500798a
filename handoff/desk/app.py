"""The desk as an aiohttp application, and the small one on a Unix socket to which the runs come."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from handoff.agents import Agent, Unqualified
from handoff.desk import actions, live, pages, security
from handoff.desk.call_log import CallLog
from handoff.desk.floor import Floor
from handoff.desk.hub import Hub
from handoff.desk.line import ADDRESS
from handoff.desk.login import AddressLimit, Login
from handoff.desk.parts import PARTS, Parts
from handoff.desk.passwords import Passwords
from handoff.desk.run_lines import Forbidden, WriteAlone
from handoff.desk.sessions import IDLE_S, Sessions
from handoff.staff import Staff
from voicebot.clock import Clock
from voicebot.store.database import Store

ENDS_WITHIN_S = 2.0
HERE = Path(__file__).parent


class Desk:
    """Everything of one desk.  `serve` opens it to browsers and runs."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        roster: Callable[[], Sequence[Agent]],
        qualify: Callable[[Agent], Unqualified | None],
        may_reveal: Callable[[Mapping[str, Any]], bool],
        forbidden: Forbidden,
        write_alone: WriteAlone,
        secure: bool = False,
        behind_proxy: bool = False,
        idle_s: float = IDLE_S,
        passwords: Passwords | None = None,
    ) -> None:
        """`roster` to `write_alone`: see Hub.  Without a click for `idle_s` a session is over."""
        staff, passwords = Staff(store, clock), passwords or Passwords()
        self.hub = Hub(
            Floor(clock.monotonic),
            CallLog(store, clock),
            clock,
            roster=roster,
            standing=staff.standing,
            qualify=qualify,
            may_reveal=may_reveal,
            forbidden=forbidden,
            write_alone=write_alone,
        )
        templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        self.parts = Parts(
            hub=self.hub,
            staff=staff,
            sessions=Sessions(clock.monotonic, idle_s, busy=self.hub.is_busy, barred=self.hub.is_barred),
            login=Login(staff, passwords, clock),
            passwords=passwords,
            addresses=AddressLimit(clock.monotonic),
            templates=templates,
            monotonic=clock.monotonic,
            secure=secure,
            behind_proxy=behind_proxy,
        )

    def app(self) -> web.Application:
        """What browsers see."""
        guards = [
            security.headers(self.parts.secure),
            security.who(self.parts.sessions),
            actions.not_now,
        ]
        app = web.Application(middlewares=guards, client_max_size=security.LARGEST_BODY)
        app[PARTS] = self.parts
        app.add_routes(
            [
                web.get("/", pages.home),
                web.get("/login", pages.login_page),
                web.post("/login", pages.login),
                web.post("/logout", pages.logout),
                web.get("/password", pages.password_page),
                web.post("/password", pages.password),
                web.get("/desk", pages.desk),
                web.get("/supervisor", pages.supervisor),
                web.get("/operations", pages.operations),
                web.get("/language", pages.language),
                web.get("/live/alive", live.alive),
                web.get("/live/desk", live.desk),
                web.get("/live/supervisor", live.supervisor),
                web.get("/live/operations", live.operations),
                web.post("/api/presence", actions.presence),
                web.post("/api/act", actions.act),
                web.post("/api/reveal", actions.reveal),
                web.post("/api/wrap-up", actions.wrap_up),
                web.get("/api/today", actions.today),
                web.post("/api/look", actions.look),
                web.post("/api/wish", actions.wish),
                web.static("/static", HERE / "static"),
            ]
        )
        return app

    def run_app(self) -> web.Application:
        """What runs see."""
        app = web.Application()
        app.add_routes([web.get("/run", self.hub.runs.serve)])
        return app

    @asynccontextmanager
    async def serve(
        self, var: Path, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[int]:
        """Open to browsers and runs while it lasts; gives the port.  OSError when the port is taken."""
        folder = Path(tempfile.mkdtemp(prefix="vbd-"))  # 0700; and Unix socket paths must be short
        browsers = web.AppRunner(self.app(), access_log=None, shutdown_timeout=ENDS_WITHIN_S)
        runs = web.AppRunner(self.run_app(), access_log=None, shutdown_timeout=ENDS_WITHIN_S)
        address = var / ADDRESS
        await self.hub.start()
        try:
            await browsers.setup()
            await runs.setup()
            site = web.TCPSite(browsers, host, port, ssl_context=tls)
            await site.start()
            socket = folder / "run"
            await web.UnixSite(runs, str(socket)).start()
            await asyncio.to_thread(_announce, address, socket)
            yield browsers.addresses[0][1]
        finally:
            await asyncio.to_thread(_withdraw, address, folder)
            await self.hub.stop()
            await browsers.cleanup()
            await runs.cleanup()


def _announce(address: Path, socket: Path) -> None:
    """Where the runs find the desk; renamed into place."""
    address.parent.mkdir(parents=True, exist_ok=True)
    new = address.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"socket": str(socket)}, file)
    new.replace(address)


def _withdraw(address: Path, folder: Path) -> None:
    """Only our own: another desk may have been started meanwhile."""
    if address.is_file() and str(folder) in address.read_text("utf-8"):
        address.unlink()
    shutil.rmtree(folder, ignore_errors=True)
