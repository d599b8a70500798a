"""What the runs tell the desk: cards, offers, steps, words, ends; each look and each end is written down."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from handoff.card import STEP, TURNS, Card, CardTurn
from handoff.desk.call import Call, Offer
from handoff.desk.call_log import CallLog
from handoff.desk.errands import Errands, attempted
from handoff.desk.floor import Floor, Person, Run, Wrapping
from handoff.desk.writer import Writer
from handoff.states import HandoffState
from voicebot.clock import Clock

log = structlog.get_logger()

ANSWER_WITHIN_S = 3.0
KEEP_AGAIN_S = 1.0
"""A card that the store did not take is tried again after this."""
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
        self._ending = False
        self._being_written: set[int] = set()
        "Calls whose form's effects a run is asked to write."

    async def start(self) -> None:
        """Makes ready what takes a while: the rules about words."""
        await asyncio.to_thread(self._forbidden, "", False)
        self._errands.do("keep_again", self._keep_again())

    async def stop(self) -> None:
        self._ending = True
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
                    self._hear(run, json.loads(message.data))
        finally:
            del self._lines[run.id]
            if not self._ending:  # else the talks go on, and the next desk is told of them
                for call in list(run.calls.values()):
                    self._over(run, call, WENT)
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

    def _hear(self, run: Run, message: dict[str, Any]) -> None:
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
            self._hear_of(run, call, kind, message)
        self._floor.changed()

    def _hello(self, run: Run, message: Mapping[str, Any]) -> None:
        run.campaign, run.campaign_id = message["campaign"], message["campaign_id"]
        run.simulated, run.queues = message["simulated"], message["queues"]
        run.ahead = datetime.fromisoformat(message["now"]) - self._clock.now()
        self._errands.do("effects_due", self._write_effects_due(run))
        log.info("run_came", campaign_id=run.campaign_id)

    def _hear_of(self, run: Run, call: Call, kind: str, message: Mapping[str, Any]) -> None:
        match kind:
            case "offer":
                self._offered(run, call, Offer(message["agent_id"], bool(message.get("bridged"))))
            case "bridged" if call.offer is not None:
                call.offer.bridged, call.state = True, HandoffState.BRIDGED
                self.keep(run, call)
            case "over":
                self._over(run, call, message["outcome"])
            case "gone":
                self._over(run, call, WENT)
                run.calls.pop(call.card.attempt_id, None)
            case _ if kind == TURNS:
                turns = [CardTurn.model_validate(turn) for turn in message["turns"]]
                call.turns.extend(turns)
                self._errands.do("judge", self._judge(call, turns))
            case _ if kind == STEP:
                call.take_step(message["state"], message["detail"])
            case _:
                log.warning("unknown_word_of_a_run", kind=kind)

    def _offered(self, run: Run, call: Call, offer: Offer) -> None:
        person = self._floor.people.get(offer.agent_id)
        if person is not None and offer.bridged and (lost := person.talks_again(call.card.attempt_id)):
            offer.log_number, offer.talk_kept = lost.log_number, True
        call.offered(offer, self._clock.monotonic())
        if person is not None and self._floor.at_desk(person):
            person.notice = ""
            self.keep(run, call)

    def keep(self, run: Run, call: Call) -> None:
        """Has the look and the talk written down: without that, no card."""
        if call.offer is not None and not call.offer.kept:
            self._errands.do("keep", self._keep(run, call.card, call.offer))

    async def _keep(self, run: Run, card: Card, offer: Offer) -> None:
        async with offer.order:
            if offer.log_number is None:
                told = (offer.agent_id, run.campaign_id, card)
                offer.log_number = await self._writer.kept(self._log.offered, *told)
                self._floor.changed()
            if offer.log_number is not None and offer.bridged and not offer.talk_kept:
                offer.talk_kept = bool(await self._writer.kept(self._log.bridged, offer.log_number))

    async def _keep_again(self) -> None:
        """What the store did not take is tried again while the call is theirs."""
        while True:
            await asyncio.sleep(KEEP_AGAIN_S)
            for run, call in self._floor.calls():
                person = self._floor.people.get(call.agent_id or "")
                if call.offer is None or call.offer.kept or person is None:
                    continue
                if self._floor.at_desk(person):
                    await attempted("keep", partial(self._keep, run, call.card, call.offer))

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

    def _over(self, run: Run, call: Call, outcome: str) -> None:
        """The agent's part in this call has ended."""
        offer, call.offer = call.offer, None
        if offer is None:
            return
        person, owes = self._floor.people.get(offer.agent_id), None
        if person is not None and not offer.bridged:
            person.notice = outcome
        elif person is not None and offer.log_number is not None:
            person.forms.append(_wrapping(offer.log_number, run, call, outcome))
        elif person is not None and self._floor.at_desk(person):
            owes = person
        self._errands.do("over", self._write_end(run, call, offer, outcome, owes))

    async def _write_end(self, run: Run, call: Call, offer: Offer, outcome: str, owes: Person | None) -> None:
        """`owes`: whose form has no number yet, because the store was away; it has when the store is back."""
        while owes is not None and not offer.kept:
            await self._keep(run, call.card, offer)
            if not offer.kept:
                await asyncio.sleep(KEEP_AGAIN_S)
        if owes is not None and offer.log_number is not None:
            owes.forms.append(_wrapping(offer.log_number, run, call, outcome))
            self._floor.changed()
        async with offer.order:
            if offer.log_number is not None:
                await self._writer.kept(self._log.ended, offer.log_number, outcome)

    async def write_effects(
        self, run: Run, number: int, attempt_id: str, effects: Mapping[str, str | None]
    ) -> None:
        """What could not be written stays due, and is tried again; never twice at once."""
        if number in self._being_written:
            return
        self._being_written.add(number)
        try:
            await asked(run, "effects", {"attempt_id": attempt_id, "effects": dict(effects)})
            await self._writer.kept(self._log.effects_written, number)
        except NotNow:
            log.warning("effects_stay_due", call=number)
        finally:
            self._being_written.discard(number)

    async def _write_effects_due(self, run: Run) -> None:
        for call in await self._writer.kept(self._log.with_effects_due, run.campaign_id) or []:
            await self.write_effects(run, call.id, call.attempt_id, call.form.get("effects", {}))


def _wrapping(number: int, run: Run, call: Call, outcome: str) -> Wrapping:
    card = call.card
    told = (card.attempt_id, run.campaign_id, card.case_id, card.phone_masked)
    return Wrapping(number, *told, card, call.turns, outcome)
