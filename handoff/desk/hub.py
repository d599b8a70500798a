"""What happens at the desk: the runs tell, the people press, and each look and each end is written down."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from handoff.agents import Agent, Unqualified
from handoff.card import STEP, TURNS, Card, CardTurn
from handoff.desk.call_log import CallLog, DeskCall
from handoff.desk.floor import ALLOWED, Call, Floor, Run, Wrapping
from handoff.desk.wrap_up import WrapUp
from handoff.states import DeskAct, HandoffState
from voicebot.clock import Clock
from voicebot.errors import InputError

log = structlog.get_logger()
T = TypeVar("T")

ANSWER_WITHIN_S = 3.0
LOOK_S = 1.0
ROSTER_EVERY_S = 5.0
WENT = "lost"
"""Outcome of a call whose run ended or broke off."""


Forbidden = Callable[[str, bool], Sequence[str]]
"""(an agent's words, spoken to a contact) → why each found wording is forbidden."""


class NotNow(Exception):
    """It cannot be done: the message is a word of the pages."""


class Hub:
    """One desk's.  `start` and `stop` frame it."""

    def __init__(
        self,
        floor: Floor,
        calls: CallLog,
        clock: Clock,
        *,
        roster: Callable[[], Sequence[Agent]],
        disabled: Callable[[], Collection[str]],
        qualify: Callable[[Agent], Unqualified | None],
        may_reveal: Callable[[Mapping[str, Any]], bool],
        forbidden: Forbidden,
    ) -> None:
        """`roster` and `disabled` (accounts) are blocking; `may_reveal` asks the rules about a look;
        `forbidden` says what is wrong with an agent's words."""
        self.floor, self._log, self._clock = floor, calls, clock
        self._roster, self._disabled = roster, disabled
        self._qualify, self._may_reveal, self._forbidden = qualify, may_reveal, forbidden
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="desk-store")
        self._lines: dict[int, web.WebSocketResponse] = {}
        self.pages: set[web.WebSocketResponse] = set()
        "Lines of open pages: closed when the desk ends."
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.agents: dict[str, Agent] = {}
        self._barred: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Reads who there is, and which forms are missing from before."""
        await self.read_roster()
        await asyncio.to_thread(self._forbidden, "", False)  # reads its rules, which takes a while
        for call in await self.written(self._log.not_wrapped_up):
            self.floor.person(call.agent_id).wrapping = _left_over(call)
        for work in (self._keep_runs_told(), self._keep_roster()):
            self._do(work)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in [*self._lines.values(), *self.pages]:
            await line.close(code=WSCloseCode.GOING_AWAY)
        self._writer.shutdown()

    async def written(self, work: Callable[..., T], *arguments: Any) -> T:
        """Work on the store, one after the other, beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *arguments)

    def why_not(self, agent: Agent) -> Unqualified | None:
        """Why the rules keep an agent from taking calls today."""
        return self._qualify(agent)

    def is_busy(self, member_id: str) -> bool:
        """Has a call: no time to be logged out."""
        return self.floor.call_of(member_id) is not None

    def is_barred(self, member_id: str) -> bool:
        """Was disabled."""
        return member_id in self._barred

    async def calls_today(self, member_id: str) -> list[DeskCall]:
        """The agent's calls since midnight, the newest first."""
        return await self.written(self._log.today, member_id)

    # ---- the runs' lines

    async def run_line(self, request: web.Request) -> web.WebSocketResponse:
        """One run, from its hello until it is gone."""
        line = web.WebSocketResponse(heartbeat=10)
        await line.prepare(request)

        async def ask(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
            return await self._ask(line, kind, body)

        run = self.floor.run_came(ask)
        self._lines[run.id] = line
        try:
            async for message in line:
                if message.type is WSMsgType.TEXT:
                    await self._hear(run, json.loads(message.data))
        finally:
            del self._lines[run.id]
            for call in list(run.calls.values()):
                await self._over(run, call, WENT)
            self.floor.run_went(run)
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
        self.floor.changed()

    def _hello(self, run: Run, message: Mapping[str, Any]) -> None:
        run.campaign, run.campaign_id = message["campaign"], message["campaign_id"]
        run.simulated, run.queues = message["simulated"], message["queues"]
        run.ahead = datetime.fromisoformat(message["now"]) - self._clock.now()
        self._do(self._write_effects_due(run))
        log.info("run_came", campaign_id=run.campaign_id)

    async def _hear_of(self, run: Run, call: Call, kind: str, message: Mapping[str, Any]) -> None:
        match kind:
            case "offer":
                await self._offered(run, call, message["agent_id"])
            case "bridged":
                call.bridged, call.state = True, HandoffState.BRIDGED
                if call.log_number is not None:
                    await self._kept(self._log.bridged, call.log_number)
            case "over":
                await self._over(run, call, message["outcome"])
            case "gone":
                await self._over(run, call, WENT)
                run.calls.pop(call.card.attempt_id, None)
            case _ if kind == TURNS:
                turns = [CardTurn.model_validate(turn) for turn in message["turns"]]
                call.turns.extend(turns)
                self._do(self._judge(call, turns))
            case _ if kind == STEP:
                call.take_step(message["state"], message["detail"])
            case _:
                log.warning("unknown_word_of_a_run", kind=kind)

    async def _offered(self, run: Run, call: Call, agent_id: str) -> None:
        call.agent_id, call.state, call.since = agent_id, "offered", self._clock.monotonic()
        call.shown = call.bridged = call.held = call.muted = call.accepted = False
        call.log_number = None
        call.warnings = []
        if (person := self.floor.people.get(agent_id)) is not None and self.floor.at_desk(person):
            person.notice = ""
            await self._show(run, call)

    async def _show(self, run: Run, call: Call) -> None:
        """The look is written down first: without that, no card."""
        assert call.agent_id is not None
        number = await self._kept(self._log.offered, call.agent_id, run.campaign_id, call.card)
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
                self.floor.warned(call.agent_id, why)
                await self._kept(self._log.warned, call.agent_id, call.card.attempt_id, why)

    async def _over(self, run: Run, call: Call, outcome: str) -> None:
        """The agent's part in this call has ended."""
        agent_id, number, talked = call.agent_id, call.log_number, call.bridged
        if agent_id is None:
            return
        call.agent_id, call.log_number, call.shown, call.bridged = None, None, False, False
        person = self.floor.people.get(agent_id)
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
            await self._kept(self._log.ended, number, outcome)

    async def _kept(self, work: Callable[..., T], *arguments: Any) -> T | None:
        """None when the store does not take it: said in the log, and the desk goes on."""
        try:
            return await self.written(work, *arguments)
        except InputError as fault:
            log.error("not_written", work=work.__name__, fault=type(fault).__name__)
            return None

    # ---- what people do

    async def page_opened(self, member_id: str) -> None:
        """A call that is theirs already, and was offered before the page was there, is shown now."""
        self.floor.page_opened(member_id)
        if (found := self.floor.call_of(member_id)) is not None and not found[1].shown:
            await self._show(*found)
            if found[1].bridged and found[1].log_number is not None:
                await self._kept(self._log.bridged, found[1].log_number)
            self.floor.changed()

    def be_available(self, member_id: str, reason: str | None) -> None:
        """None: available.  NotNow without a valid certificate, or with a form missing."""
        if reason is None:
            agent = self.agents.get(member_id)
            if agent is None or self._qualify(agent) is not None:
                raise NotNow("unqualified")
        self.floor.take_break(member_id, reason)

    async def act(self, member_id: str, attempt_id: str, act: DeskAct, queue: str = "") -> None:
        """A button of the card.  NotNow when the call is not theirs, not in that state, or no such queue."""
        found = self.floor.call_of(member_id)
        if found is None or found[1].card.attempt_id != attempt_id:
            raise NotNow("not_yours")
        run, call = found
        if act not in ALLOWED.get(call.state, frozenset()):
            raise NotNow("not_now")
        if (act is DeskAct.PASS_ON) != (queue in run.queues and queue != call.card.queue):
            raise NotNow("not_now")
        body = {"attempt_id": attempt_id, "agent_id": member_id, "act": act, "queue": queue}
        answer = await self._asked(run, "act", body)
        if not answer.get("done"):
            raise NotNow("not_now")
        if act is DeskAct.ACCEPT:
            call.accepted = True
            self.floor.changed()

    async def reveal(self, member_id: str, attempt_id: str, reason: str) -> str:
        """The debtor's name, after the look was written down.  NotNow when the rules or the run say no."""
        found = self.floor.call_of(member_id)
        if found is None or found[1].card.attempt_id != attempt_id:
            raise NotNow("not_yours")
        run, call = found
        looked = (member_id, attempt_id, call.card.case_id, f"reveal:{reason}")
        try:
            await self.written(self._log.looked, *looked)
        except InputError:
            raise NotNow("store_down") from None
        facts = {"action": "view_pii", "viewer": "agency", "reveal_reason": True, "reveal_logged": True}
        if not self._may_reveal(facts):
            raise NotNow("not_allowed")
        return str((await self._asked(run, "name", {"attempt_id": attempt_id})).get("name", ""))

    async def look(self, member_id: str, attempt_id: str | None) -> None:
        """A supervisor looks at a call, or no longer at any."""
        if attempt_id is not None:
            found = self.floor.find(attempt_id)
            if found is None:
                raise NotNow("gone")
            try:
                await self.written(self._log.looked, member_id, attempt_id, found[1].card.case_id, "listen")
            except InputError:
                raise NotNow("store_down") from None
        self.floor.person(member_id).listens_to = attempt_id
        self.floor.changed()

    async def wrap_up(self, member_id: str, form: WrapUp) -> None:
        """The form is in: kept, written to the case, and the next call may come.

        ValueError with a word of the pages for a date out of range.
        """
        person = self.floor.people.get(member_id)
        wrapping = person.wrapping if person else None
        if person is None or wrapping is None or wrapping.log_number != form.call:
            raise NotNow("no_form")
        run = self.floor.run_of(wrapping.campaign_id)
        form.check(run.now(self._clock.now()) if run else self._clock.now())
        effects = form.effects()
        due = any(effects.values())
        kept = {**form.form(), "effects": effects}
        try:
            await self.written(
                lambda: self._log.wrapped_up(form.call, member_id, form.disposition, kept, effects_due=due)
            )
        except InputError:
            raise NotNow("store_down") from None
        person.wrapping = None
        self.floor.changed()
        if run is not None:
            if due:
                await self._write_effects(run, form.call, wrapping.attempt_id, effects)
            with contextlib.suppress(NotNow):
                await self._asked(run, "wrapped", {"agent_id": member_id})

    async def wish(self, campaign_id: str, wish: str, by: str) -> None:
        """Pause, resume, drain or stop a run."""
        run = self.floor.run_of(campaign_id)
        if run is None:
            raise NotNow("gone")
        await self._asked(run, "wish", {"wish": wish, "by": by})

    async def _asked(self, run: Run, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await run.ask(kind, body)
        except (ConnectionError, TimeoutError, RuntimeError) as fault:
            log.warning("run_did_not_answer", kind=kind, fault=type(fault).__name__)
            raise NotNow("run_silent") from None

    # ---- what goes on beside

    async def _write_effects(
        self, run: Run, number: int, attempt_id: str, effects: Mapping[str, str | None]
    ) -> None:
        """What could not be written stays due: the campaign's next run takes it."""
        with contextlib.suppress(NotNow):
            await self._asked(run, "effects", {"attempt_id": attempt_id, "effects": dict(effects)})
            await self._kept(self._log.effects_written, number)

    async def _write_effects_due(self, run: Run) -> None:
        for call in await self.written(self._log.with_effects_due, run.campaign_id):
            await self._write_effects(run, call.id, call.attempt_id, call.form.get("effects", {}))

    async def _keep_runs_told(self) -> None:
        """Presence, at each change and once a second for those whose grace ran out."""
        news = self.floor.watch()
        try:
            while True:
                for run in list(self.floor.runs.values()):
                    await self._tell_presence(run)
                news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await news.wait()
        finally:
            self.floor.unwatch(news)

    async def _tell_presence(self, run: Run) -> None:
        wanted = self.floor.presence_for(run)
        if run.told_presence != wanted and run.campaign_id:
            run.told_presence = wanted
            with contextlib.suppress(NotNow):
                await self._asked(run, "here", {"agents": wanted})

    async def _keep_roster(self) -> None:
        while True:
            await asyncio.sleep(ROSTER_EVERY_S)
            await self.read_roster()

    async def read_roster(self) -> None:
        """Who there is now, and who was disabled: their sessions end."""
        try:
            agents, disabled = await self.written(self._roster), await self.written(self._disabled)
        except InputError as fault:
            log.warning("roster_not_read", fault=type(fault).__name__)
            return
        self._barred = frozenset(disabled) | {agent.id for agent in agents if not agent.enabled}
        known = {agent.id: agent for agent in agents}
        if known != self.agents:
            self.agents = known
            self.floor.changed()

    def _do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _left_over(call: DeskCall) -> Wrapping:
    return Wrapping(
        call.id,
        call.attempt_id,
        call.campaign_id,
        call.case_id,
        call.phone_masked,
        None,
        [],
        call.outcome or WENT,
    )
