"""What the runs tell the desk: cards, offers, steps, words, ends; each look and each end is written down."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from handoff.card import STEP, TURNS, Card, CardTurn
from handoff.desk.call_log import CallLog
from handoff.desk.errands import Errands
from handoff.desk.floor import Call, Floor, Run, Wrapping
from handoff.desk.writer import Writer
from handoff.states import HandoffState
from voicebot.clock import Clock

log = structlog.get_logger()

ANSWER_WITHIN_S = 3.0
WENT = "lost"
"""Outcome of a call whose run ended or broke off."""
WriteAlone = Callable[[str, Mapping[str, str | None]], bool]
"""(attempt, effects) → written; False when the site's store does not know the attempt.  Blocking."""
Forbidden = Callable[[str, bool], Sequence[str]]
"""(an agent's words, spoken to a contact) → why each found wording is forbidden."""


class NotNow(Exception):
    """It cannot be done: the message is a word of the pages."""


async def asked(run: Run, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A question to a run.  NotNow when it does not answer."""
    try:
        return await run.ask(kind, body)
    except (ConnectionError, TimeoutError, RuntimeError) as fault:
        log.warning("run_did_not_answer", kind=kind, fault=type(fault).__name__)
        raise NotNow("run_silent") from None


class RunLines:
    """The lines of all runs; what comes in changes the floor."""

    def __init__(
        self, floor: Floor, calls: CallLog, writer: Writer, clock: Clock, forbidden: Forbidden
    ) -> None:
        self._floor, self._log, self._writer, self._clock = floor, calls, writer, clock
        self._forbidden = forbidden
        self._lines: dict[int, web.WebSocketResponse] = {}
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._errands = Errands()

    async def start(self) -> None:
        """Makes ready what takes a while: the rules about words."""
        await asyncio.to_thread(self._forbidden, "", False)

    async def stop(self) -> None:
        for line in list(self._lines.values()):
            await line.close(code=WSCloseCode.GOING_AWAY)
        await self._errands.stop()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One run, from its hello until it is gone."""
        line = web.WebSocketResponse(heartbeat=10)
        await line.prepare(request)

        async def ask(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
            return await self._ask(line, kind, body)

        run = self._floor.run_came(ask)
        self._lines[run.id] = line
        try:
            async for message in line:
                if message.type is WSMsgType.TEXT:
                    await self._hear(run, json.loads(message.data))
        finally:
            del self._lines[run.id]
            for call in list(run.calls.values()):
                await self._over(run, call, WENT)
            self._floor.run_went(run)
        return line

    async def _ask(self, line: web.WebSocketResponse, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await line.send_json({"kind": kind, "n": number, **body})
            async with asyncio.timeout(ANSWER_WITHIN_S):
                found: dict[str, Any] = await answer
        finally:
            self._answers.pop(number, None)
        if "fault" in found:
            raise RuntimeError(found["fault"])
        return found

    async def _hear(self, run: Run, message: dict[str, Any]) -> None:
        kind = message.pop("kind")
        if kind == "answer":
            if (waiting := self._answers.get(message["n"])) is not None and not waiting.done():
                waiting.set_result(message["body"])
            return
        if kind == "floor":
            run.floor = message
        elif kind == "hello":
            self._hello(run, message)
        elif kind == "card":
            card = Card.model_validate(message["card"])
            run.calls[card.attempt_id] = Call(card, list(card.turns), since=self._clock.monotonic())
        elif (call := run.calls.get(message["attempt_id"])) is not None:
            await self._hear_of(run, call, kind, message)
        self._floor.changed()

    def _hello(self, run: Run, message: Mapping[str, Any]) -> None:
        run.campaign, run.campaign_id = message["campaign"], message["campaign_id"]
        run.simulated, run.queues = message["simulated"], message["queues"]
        run.ahead = datetime.fromisoformat(message["now"]) - self._clock.now()
        self._errands.do("effects_due", self._write_effects_due(run))
        log.info("run_came", campaign_id=run.campaign_id)

    async def _hear_of(self, run: Run, call: Call, kind: str, message: Mapping[str, Any]) -> None:
        match kind:
            case "offer":
                await self._offered(run, call, message["agent_id"])
            case "bridged":
                call.bridged, call.state = True, HandoffState.BRIDGED
                if call.log_number is not None:
                    await self._writer.kept(self._log.bridged, call.log_number)
            case "over":
                await self._over(run, call, message["outcome"])
            case "gone":
                await self._over(run, call, WENT)
                run.calls.pop(call.card.attempt_id, None)
            case _ if kind == TURNS:
                turns = [CardTurn.model_validate(turn) for turn in message["turns"]]
                call.turns.extend(turns)
                self._errands.do("judge", self._judge(call, turns))
            case _ if kind == STEP:
                call.take_step(message["state"], message["detail"])
            case _:
                log.warning("unknown_word_of_a_run", kind=kind)

    async def _offered(self, run: Run, call: Call, agent_id: str) -> None:
        call.agent_id, call.state, call.since = agent_id, "offered", self._clock.monotonic()
        call.shown = call.bridged = call.held = call.muted = call.accepted = False
        call.log_number = None
        call.warnings = []
        if (person := self._floor.people.get(agent_id)) is not None and self._floor.at_desk(person):
            person.notice = ""
            await self.show(run, call)

    async def show(self, run: Run, call: Call) -> None:
        """The look is written down first: without that, no card."""
        assert call.agent_id is not None
        number = await self._writer.kept(self._log.offered, call.agent_id, run.campaign_id, call.card)
        if number is not None:
            call.log_number, call.shown = number, True

    async def _judge(self, call: Call, turns: Sequence[CardTurn]) -> None:
        """Forbidden words of an agent: seen by themselves and by the supervisors at once, and kept."""
        said = [turn.text for turn in turns if turn.speaker == "agent"]
        for text in said:
            for why in await asyncio.to_thread(self._forbidden, text, call.card.to_contact):
                if call.agent_id is None or why in call.warnings:
                    continue
                call.warnings.append(why)
                self._floor.warned(call.agent_id, why)
                await self._writer.kept(self._log.warned, call.agent_id, call.card.attempt_id, why)

    async def _over(self, run: Run, call: Call, outcome: str) -> None:
        """The agent's part in this call has ended."""
        agent_id, number, talked = call.agent_id, call.log_number, call.bridged
        if agent_id is None:
            return
        call.agent_id, call.log_number, call.shown, call.bridged = None, None, False, False
        person = self._floor.people.get(agent_id)
        if person is not None and talked and number is not None:
            card = call.card
            person.wrapping = Wrapping(
                number,
                card.attempt_id,
                run.campaign_id,
                card.case_id,
                card.phone_masked,
                card,
                call.turns,
                outcome,
            )
        elif person is not None:
            person.notice = outcome
        if number is not None:
            await self._writer.kept(self._log.ended, number, outcome)

    async def write_effects(
        self, run: Run, number: int, attempt_id: str, effects: Mapping[str, str | None]
    ) -> None:
        """What could not be written stays due, and is tried again."""
        with contextlib.suppress(NotNow):
            await asked(run, "effects", {"attempt_id": attempt_id, "effects": dict(effects)})
            await self._writer.kept(self._log.effects_written, number)

    async def _write_effects_due(self, run: Run) -> None:
        for call in await self._writer.kept(self._log.with_effects_due, run.campaign_id) or []:
            await self.write_effects(run, call.id, call.attempt_id, call.form.get("effects", {}))
