"""A desk as it is served, and a run at its line: real queue, real transfer, words by script."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import aiohttp
from argon2 import PasswordHasher

from dialogs.manifest import Manifest
from dialogs.policy import Command
from dialogs.track import Track
from handoff import card
from handoff.agents import Agent, Unqualified
from handoff.card import Deed
from handoff.desk.app import Desk
from handoff.desk.hub import Hub
from handoff.desk.line import RunLine
from handoff.desk.passwords import Passwords
from handoff.queue import AgentQueue
from handoff.seat_line import KINDS, LineDesk, answer_desk
from handoff.settings import QueueSettings
from handoff.staff import Role, Staff
from sip.leg import Leg
from tests.handoff.paper_phone import tone
from voicebot.call.desk_feed import DeskFeed
from voicebot.call.handing_over import Handover, HandoverEnd
from voicebot.call.order import CaseSlot, DialOrder
from voicebot.call.prompt_book import Prompt, PromptBook
from voicebot.call.record import Decision, Turn
from voicebot.call.transcript import Transcript
from voicebot.campaign.at_desk import RunAtDesk
from voicebot.campaign.control import Wish
from voicebot.cli.agent_words import forbidden
from voicebot.clock import ManualClock
from voicebot.speech.asr.client import SpeechUnavailable
from voicebot.speech.tts.cache import PromptCache
from voicebot.store.database import Store

PASSWORD = "a-long-test-password"
NAME, PHONE = "陈志明", "13812345678"
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
SETTINGS = QueueSettings(
    name="instalment",
    skill="instalment",
    max_wait_s=20,
    ring_s=8,
    tries=2,
    accept_s=6,
    wrap_up_s=1,
    rest_s=0.5,
)
EXPIRED = Unqualified("CN-TR-01", "AGENT_UNQUALIFIED", "坐席未通过培训考核")
COMMAND = Command(
    "handoff",
    "HUMAN",
    queue="instalment",
    reason="客户希望分期",
    slots={"promise_date": "2026-03-10"},
)


class Clock(ManualClock):
    """The date stands still; seconds run, as the tasks of a desk wait for them."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.elapsed_s


class Book:
    """The talk track's own lines, without their sound: what is played is a tone."""

    def __init__(self, folder: Path, order: DialOrder, whisper_s: float) -> None:
        self._wav, self._whisper_s = tone(folder / "whisper.wav", 800, whisper_s), whisper_s
        case = {name: (slot.type, slot.value) for name, slot in order.slots.items()}
        self._lines = PromptBook(
            track(), PromptCache(folder), order.voice, case, order.flags, order.today, folder
        )

    def prompt(self, line_id: str, run_slots: Mapping[str, str], *, level: int, listener: str) -> Prompt:
        return Prompt(line_id, "", self._wav, self._whisper_s)

    def text(self, line_id: str, run_slots: Mapping[str, str], *, level: int, listener: str) -> str:
        return self._lines.text(line_id, run_slots, level=level, listener=listener)


@lru_cache
def track() -> Manifest:
    """A talk track as it is approved."""
    return Manifest.of(Track.load(Path("dialogs/talktracks/instalment.yaml")))


class PaperControls:
    """What the desk asks of the run, written down."""

    def __init__(self) -> None:
        self.calls: dict[str, Handover] = {}
        self.wishes: list[tuple[Wish, str]] = []
        self.effects: list[tuple[str, dict[str, str | None]]] = []
        self.fault: Exception | None = None
        self.staff: Sequence[Agent] | None = None

    def numbers(self) -> dict[str, Any]:
        return {
            "calls": len(self.calls),
            "ringing": 0,
            "workers": 2,
            "held_up_by": [],
            "alarms": [],
            "fault": "",
            "pacing": {"wanted": 4, "abandoned": 1},
        }

    async def progress(self) -> dict[str, Any]:
        return {
            "planned": 6,
            "live": 1,
            "done": 9,
            "refused": 2,
            "answered": 7,
            "dispositions": {"PTP": 4, "HUMAN": 2, "BUSY": 1},
            "refused_by_reason": {"STOP_LIST": 2},
        }

    async def wish(self, wish: Wish, by: str) -> None:
        self.wishes.append((wish, by))

    async def apply(self, attempt_id: str, effects: Mapping[str, str | None]) -> None:
        if self.fault is not None:
            raise self.fault
        self.effects.append((attempt_id, dict(effects)))

    async def ask_worker(self, attempt_id: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        deed = Deed.model_validate(body)
        return {"done": self.calls[attempt_id].act(deed)}

    async def roster(self) -> Sequence[Agent] | None:
        return self.staff


class RunInTown:
    """One run: its queue, its line to the desk, the calls that it hands over."""

    def __init__(self, folder: Path, agents: Sequence[Agent], clock: Clock, why: Any, name: str) -> None:
        self.folder, self.name = folder, name
        self.queues = {SETTINGS.name: SETTINGS, "general": SETTINGS.model_copy(update={"name": "general"})}
        self.queue = AgentQueue(agents, self.queues, why, clock.monotonic)
        self.controls = PaperControls()
        self.at_desk = RunAtDesk(name, f"{name}-1", self.queue, clock)
        self.at_desk.begin(self.controls)
        self.line = RunLine(folder, self.at_desk)
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = itertools.count(1)

    def open(self) -> None:
        self._tasks = [asyncio.ensure_future(work) for work in (self.line.run(), self.at_desk.keep_up())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # a call's link

    def tell(self, kind: str, **body: Any) -> None:
        if kind in card.KINDS:
            self.at_desk.hear(kind, body)
        elif kind in KINDS:
            self.at_desk.seat(kind, body, answer_desk(self.queue, "w1", kind, body))

    async def ask(self, kind: str, *, within_s: float, **body: Any) -> dict[str, Any]:
        answer = answer_desk(self.queue, "w1", kind, body)
        self.at_desk.seat(kind, body, answer)
        return answer

    def hand_over(
        self, phone: Any, debtor: Leg, *, level: int = 2, command: Command = COMMAND, whisper_s: float = 1.0
    ) -> HandedOver:
        """Begins a handoff of a call that has said a few things."""
        return HandedOver(self, phone, debtor, f"att-{next(self._numbers)}", level, command, whisper_s)


class HandedOver:
    """One call on its way to a person."""

    def __init__(
        self,
        run: RunInTown,
        phone: Any,
        debtor: Leg,
        attempt_id: str,
        level: int,
        command: Command,
        whisper_s: float,
    ) -> None:
        self.run, self.debtor, self.attempt_id = run, debtor, attempt_id
        loop = asyncio.get_running_loop()
        order = _order(attempt_id, run.name)
        self.transcript = Transcript(order, datetime.now, loop.time)
        self.transcript.answered()
        self.transcript.decisions.append(Decision(at_s=0, event="speech", level=level))
        self.says("bot", f"您好，请问您是{NAME}本人吗？")
        self.says("debtor", "是我，我现在没有那么多钱，想分期还。")
        self.says("bot", "好的，正在帮您转接人工，请不要挂机。")
        book: Any = Book(run.folder, order, whisper_s)
        link: Any = run
        self.handover = Handover(
            leg=debtor,
            phone=phone,
            desk=LineDesk(run),
            book=book,
            transcript=self.transcript,
            attempt_id=attempt_id,
            hold=tone(run.folder / "hold.wav", 500, 0.5),
            queues=run.queues,
            open_agent_ear=_deaf,
            feed=DeskFeed(link, order, book, self.transcript),
        )
        run.controls.calls[attempt_id] = self.handover
        self.ended = asyncio.ensure_future(self._run(command))

    def says(self, speaker: Any, text: str) -> None:
        at = self.transcript.at_s
        self.transcript.turns.append(Turn(speaker=speaker, start_s=at, end_s=at + 1, text=text))

    async def _run(self, command: Command) -> HandoverEnd:
        try:
            return await self.handover.run(command)
        finally:
            del self.run.controls.calls[self.attempt_id]
            self.run.at_desk.forget(self.attempt_id)


async def _deaf() -> Any:
    raise SpeechUnavailable("none in this test")


def _order(attempt_id: str, campaign: str) -> DialOrder:
    slots = {
        "debtor_name": CaseSlot(type="name", value=NAME),
        "product": CaseSlot(type="name", value="消费贷款"),
        "amount_due": CaseSlot(type="money", value="326050"),
        "due_date": CaseSlot(type="date", value="2026-02-23"),
        "overdue_days": CaseSlot(type="count", value="7"),
        "official_no": CaseSlot(type="number", value="4000095500"),
        "loan_last4": CaseSlot(type="tail", value="4137"),
        "app_name": CaseSlot(type="name", value="海城生活"),
        "inst_name": CaseSlot(type="name", value="海城消金客服中心"),
        "plan_count": CaseSlot(type="count", value="6"),
        "plan_amount": CaseSlot(type="money", value="56000"),
        "plan_first_date": CaseSlot(type="date", value="2026-03-10"),
        "plan_total": CaseSlot(type="money", value="336000"),
    }
    return DialOrder(
        attempt_id=attempt_id,
        campaign=campaign,
        case_id="DEMO-008",
        phone_masked="138****5678",
        request_uri=f"sip:{PHONE}@127.0.0.1",
        caller_uri="sip:bot@127.0.0.1",
        caller="02160000001",
        digest="d" * 64,
        pack="cn@1",
        voice="espeak:cmn",
        slots=slots,
        run_slots={},
        flags={"plan_approved": True},
        tail_mac=None,
        queue="general",
        ring_s=10,
        today=date(2026, 3, 2),
    )


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


async def until(holds: Any, within_s: float = 8.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
