"""A run as the desk sees it: its queue, its cards, its numbers; and what the desk asks of it.

What a worker tells of a case is kept here until the call is over.  The debtor's name stays here and is
given out when the desk asks for it, which it does only after the look was recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import structlog

from handoff import card as desk
from handoff.agents import Agent
from handoff.card import Briefing, Deed
from handoff.desk.errands import attempted
from handoff.queue import AgentQueue
from handoff.seat_line import BRIDGED, RELEASE, RESERVE
from voicebot.campaign.control import Wish
from voicebot.clock import Clock
from voicebot.errors import InputError

log = structlog.get_logger()

ACT_WITHIN_S = 2.0
FLOOR_EVERY_S = 0.5
DESK_AWAY_S = 30.0
"""So long after the desk went, those whose presence it tells are taken to be gone."""
ROSTER_EVERY_S = 5.0
"""Whoever was disabled or added by command is so in a running campaign after this."""
WISHES = frozenset({Wish.PAUSE, Wish.RESUME, Wish.DRAIN, Wish.STOP})


class RunControls(Protocol):
    """What the desk may ask of a run beside its agents."""

    def numbers(self) -> dict[str, Any]: ...

    async def progress(self) -> dict[str, Any]:
        """Counts for a page: planned, live, done, refused, answered, dispositions, refused_by_reason."""
        ...

    async def wish(self, wish: Wish, by: str) -> None:
        """As `voicebot pause|resume|drain|stop`."""
        ...

    async def apply(self, attempt_id: str, effects: Mapping[str, str | None]) -> None:
        """Writes what a wrap-up asks for: stop_list, hold, promise_date, callback_at."""
        ...

    async def ask_worker(self, attempt_id: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Asks the worker that holds the attempt; LookupError when none does."""
        ...

    async def roster(self) -> Sequence[Agent] | None:
        """The agents as they are in force now; None when that cannot be told."""
        ...


class RunAtDesk:
    """One run's.  Plain state; the line (handoff.desk.line) takes the news out."""

    def __init__(
        self,
        campaign: str,
        campaign_id: str,
        queue: AgentQueue,
        clock: Clock,
    ) -> None:
        self._campaign, self._campaign_id = campaign, campaign_id
        self._queue, self._clock, self._now = queue, clock, clock.monotonic
        self._known_controls: RunControls | None = None
        self._briefings: dict[str, Briefing] = {}
        self._offers: dict[int, dict[str, Any]] = {}
        self._steps: dict[str, list[dict[str, Any]]] = {}
        self._news: list[dict[str, Any]] = []
        self._connected = False
        self._lost_at: float | None = None
        self._floor: dict[str, Any] = {}
        self._floor_at = 0.0
        self._progress: dict[str, Any] = {}

    @property
    def _controls(self) -> RunControls:
        assert self._known_controls is not None, "the desk asks before the run has begun"
        return self._known_controls

    def begin(self, controls: RunControls) -> None:
        """From here on the line may be opened."""
        self._known_controls = controls

    # ---- told by the workers

    def hear(self, kind: str, body: dict[str, Any]) -> None:
        """A message of `handoff.card.KINDS`."""
        if kind == desk.BRIEFING:
            briefing = Briefing.model_validate(body)
            self._briefings[briefing.card.attempt_id] = briefing
            self._say("card", card=briefing.card.model_dump(mode="json"))
        elif (known := self._briefings.get(body["attempt_id"])) is not None:
            if kind == desk.TURNS:
                turns = tuple(desk.CardTurn.model_validate(turn) for turn in body["turns"])
                card = known.card.model_copy(update={"turns": known.card.turns + turns})
                self._briefings[card.attempt_id] = known.model_copy(update={"card": card})
            elif kind == desk.STEP:
                self._step(body)
            self._say(kind, **body)

    def _step(self, body: dict[str, Any]) -> None:
        """Kept for a desk that comes later: where the handoff stands, and what was pressed there."""
        steps = self._steps.setdefault(body["attempt_id"], [])
        if steps and steps[-1]["state"] != body["state"]:
            steps.clear()
        steps.append(body)

    def seat(self, kind: str, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """A word between a worker and the agent queue, and the queue's answer (handoff.seat_line)."""
        self._floor_at = -FLOOR_EVERY_S  # who is free has changed: told with the next news
        if kind == RESERVE and (seat := answer.get("seat")):
            offer = {
                "reservation": seat["reservation"],
                "attempt_id": body["attempt_id"],
                "agent_id": seat["agent_id"],
                "queue": body["queue"],
            }
            self._offers[seat["reservation"]] = offer
            self._say("offer", **offer)
        elif kind == BRIDGED and (talks := self._offers.get(body["reservation"])):
            talks["bridged"] = True
            self._say("bridged", **talks)
        elif kind == RELEASE and (ended := self._offers.pop(body["reservation"], None)):
            self._say("over", **ended, outcome=body["outcome"])

    def forget(self, attempt_id: str) -> None:
        """The call is over."""
        self._steps.pop(attempt_id, None)
        if self._briefings.pop(attempt_id, None) is not None:
            self._say("gone", attempt_id=attempt_id)

    # ---- the line's

    def greeting(self) -> list[dict[str, Any]]:
        """Hello, every card, offer and step, the floor."""
        self._connected, self._lost_at, self._news = True, None, []
        cards = [
            {"kind": "card", "card": one.card.model_dump(mode="json")} for one in self._briefings.values()
        ]
        offers = [{"kind": "offer", **offer} for offer in self._offers.values()]
        steps = [{"kind": desk.STEP, **step} for told in self._steps.values() for step in told]
        hello = {
            "kind": "hello",
            "campaign": self._campaign,
            "campaign_id": self._campaign_id,
            "simulated": self._clock.simulated,
            "now": self._clock.now().isoformat(),
            "queues": self._queue.names,
        }
        return [hello, *cards, *offers, *steps, self._look()]

    def news(self) -> list[dict[str, Any]]:
        """What is new since it was last asked."""
        self._sweep_offers()
        if self._now() - self._floor_at >= FLOOR_EVERY_S:
            before, floor = self._floor, self._look()
            if floor != before:
                self._news.append(floor)
        news, self._news = self._news, []
        return news

    def lost(self) -> None:
        """The desk is gone; those who sit there may come back with it."""
        self._connected, self._lost_at = False, self._now()

    async def asked(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answers the desk.  ValueError for a question that it may not ask."""
        match kind:
            case "here":
                self._take_presence(body["agents"])
            case "wrapped":
                self._queue.wrapped_up(body["agent_id"])
            case "act":
                deed = Deed.model_validate(body)
                return await self._controls.ask_worker(
                    deed.attempt_id, desk.ACT, deed.model_dump(mode="json")
                )
            case "name":
                briefing = self._briefings.get(body["attempt_id"])
                return {"name": briefing.name if briefing else ""}
            case "effects":
                await self._controls.apply(body["attempt_id"], body["effects"])
            case "wish" if body["wish"] in WISHES:
                await self._controls.wish(Wish(body["wish"]), body["by"])
            case _:
                raise ValueError(f"a run knows no question {kind}")
        return {"done": True}

    async def keep_up(self) -> None:
        """Until cancelled: numbers for the pages, the roster, and whom a lost desk leaves behind."""
        roster_at = self._now()
        while True:
            await asyncio.sleep(1.0)
            if self._lost_at is not None and self._now() - self._lost_at > DESK_AWAY_S:
                self._lost_at = None
                self._take_presence({})
            if self._connected:
                await attempted("progress", self._count)
            if self._now() - roster_at > ROSTER_EVERY_S:
                roster_at = self._now()
                await attempted("roster", self._revise)

    # ---- inside

    async def _count(self) -> None:
        with contextlib.suppress(InputError, OSError, RuntimeError):  # numbers for a person
            self._progress = await self._controls.progress()

    async def _revise(self) -> None:
        if (agents := await self._controls.roster()) is not None:
            self._queue.revise(agents)

    def _say(self, kind: str, **body: Any) -> None:
        if self._connected:
            self._news.append({"kind": kind, **body})

    def _sweep_offers(self) -> None:
        """Seats that the queue took back by itself: their worker died, or nobody told their end."""
        held = {reservation.number for reservation in self._queue.reservations()}
        for number in [one for one in self._offers if one not in held]:
            self._say("over", **self._offers.pop(number), outcome="lost")

    def _look(self) -> dict[str, Any]:
        stats = self._queue.stats()
        self._floor_at = self._now()
        self._floor = {
            "kind": "floor",
            "agents": [asdict(row) for row in self._queue.rows()],
            "waiting": [asdict(row) for row in self._queue.waiting()],
            "outcomes": {str(outcome): count for outcome, count in stats.outcomes.items()},
            "expired": stats.expired,
            "numbers": self._controls.numbers(),
            "progress": self._progress,
        }
        return self._floor

    def _take_presence(self, agents: Mapping[str, Mapping[str, Any]]) -> None:
        for row in self._queue.rows():
            here = agents.get(row.agent_id, {})
            self._queue.sit_down(row.agent_id, bool(here.get("at_desk")))
            self._queue.go_elsewhere(row.agent_id, bool(here.get("elsewhere")))
            self._queue.take_break(row.agent_id, here.get("break") or None)
