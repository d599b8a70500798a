"""A desk as it is served, its store, and whoever works there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from argon2 import PasswordHasher
from sqlalchemy import select

from handoff.agents import Agent, Unqualified
from handoff.desk.app import Desk
from handoff.desk.hub import Hub
from handoff.desk.passwords import Passwords
from handoff.staff import Role, Staff
from tests.handoff.desk.browser import PASSWORD, Browser, until
from tests.handoff.desk.run_in_town import RunInTown
from voicebot.cli.agent_words import forbidden
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.models import AuditRow

QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
EXPIRED = Unqualified("CN-TR-01", "AGENT_UNQUALIFIED", "坐席未通过培训考核")


class Clock(ManualClock):
    """The date stands still; seconds run, as the tasks of a desk wait for them."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.elapsed_s


def agent_of(agent_id: str, uri: str = "sip:a@127.0.0.1", role: Any = "agent", **more: Any) -> Agent:
    return Agent(
        id=agent_id,
        name={"wang": "王晓芸", "li": "李思远", "zhou": "周班长"}.get(agent_id, agent_id),
        sip=uri,
        skills=frozenset({"instalment", "general"}),
        role=role,
        agency="demo-agency",
        presence="desk",
        **more,
    )


class Office:
    """The desk on a port of its own, its store, and whoever works there."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        agents: Sequence[Agent],
        tls: ssl.SSLContext | None = None,
        *,
        behind_proxy: bool = False,
    ) -> None:
        self.folder, self.store = folder, store
        self.clock = Clock(datetime.fromisoformat("2026-03-02T10:15:00+08:00"))
        self.agents = list(agents)
        self.expired: set[str] = set()
        self.desk = Desk(
            store,
            self.clock,
            roster=lambda: self.agents,
            qualify=self.why,
            may_reveal=lambda facts: bool(facts["reveal_logged"]),
            forbidden=forbidden,
            write_alone=self.write_alone,
            secure=tls is not None,
            behind_proxy=behind_proxy,
            passwords=QUICK,
        )
        self.known: set[str] = set()
        "Attempts of the site's store."
        self.alone: list[tuple[str, dict[str, str | None]]] = []
        self._stack, self._tls = AsyncExitStack(), tls
        self.port = 0

    @property
    def hub(self) -> Hub:
        return self.desk.hub

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def why(self, agent: Agent) -> Unqualified | None:
        return EXPIRED if agent.id in self.expired else None

    def write_alone(self, attempt_id: str, effects: Mapping[str, str | None]) -> bool:
        if attempt_id in self.known:
            self.alone.append((attempt_id, dict(effects)))
        return attempt_id in self.known

    def employ(self, member_id: str, role: Role = "agent", *, must_change: bool = False) -> None:
        """Gives somebody the test's password."""
        Staff(self.store, self.clock).set_password(
            member_id, role, QUICK.hash(PASSWORD), "test", must_change=must_change
        )

    def audited(self, kind: str) -> list[Any]:
        """Subject and data of the audit chain's links of that kind."""
        query = select(AuditRow.subject, AuditRow.data).where(AuditRow.kind == kind).order_by(AuditRow.seq)
        with self.store.reading() as connection:
            return list(connection.execute(query).all())

    async def __aenter__(self) -> Self:
        self.port = await self._stack.enter_async_context(
            self.desk.serve(self.folder, "127.0.0.1", 0, self._tls)
        )
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._stack.aclose()

    async def run(self, name: str = "demo") -> RunInTown:
        """A run that the desk knows."""
        run = RunInTown(self.folder, self.agents, self.clock, self.why, name)
        run.open()
        self._stack.push_async_callback(run.close)
        await until(lambda: self.hub.floor.run_of(f"{name}-1") is not None)
        return run

    async def somebody(self, member_id: str) -> Browser:
        """Somebody who has logged in, in a client of their own."""
        browser = Browser(self)
        self._stack.push_async_callback(browser.close)
        await browser.log_in(member_id)
        return browser

    async def available(self, member_id: str) -> Browser:
        """An agent with their page open, who takes calls."""
        browser = await self.somebody(member_id)
        await browser.watch()
        assert (await browser.post("/api/presence", {"reason": None}))[0] == 200
        return browser
