"""One run beside the desk: its queue, its line, and what the desk asks of it, written down."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dialogs.policy import Command
from handoff import card
from handoff.agents import Agent
from handoff.card import Deed
from handoff.desk.line import RunLine
from handoff.queue import AgentQueue
from handoff.seat_line import KINDS, answer_desk
from handoff.settings import QueueSettings
from sip.leg import Leg
from tests.handoff.desk.browser import Browser, until
from tests.handoff.desk.handed_over import COMMAND, HandedOver
from tests.handoff.paper_phone import PaperPhone
from tests.handoff.paper_scene import answers_when_rung
from voicebot.call.handing_over import Handover
from voicebot.campaign.at_desk import RunAtDesk
from voicebot.campaign.control import Wish
from voicebot.clock import Clock

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

    async def offer(self, phone: PaperPhone, *, free: int = 1, **more: Any) -> HandedOver:
        """Hands a call over as soon as so many agents are free."""
        await until(lambda: self.queue.seats(SETTINGS.name).free == free)
        return self.hand_over(phone, phone.debtor(), **more)

    async def talks_with(self, agent: Browser) -> HandedOver:
        """Hands a call over to wang, who accepts: the two talk."""
        call = await self.offer(PaperPhone({"a": answers_when_rung}))
        await agent.accepts()
        return call
