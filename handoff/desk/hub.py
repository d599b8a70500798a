"""What people do at the desk, and what goes on beside: who is there, who there is at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from aiohttp import WSCloseCode, web

from handoff.agents import Agent, Unqualified
from handoff.desk.call import ALLOWED, Call
from handoff.desk.call_log import CallLog, DeskCall
from handoff.desk.errands import Errands, attempted
from handoff.desk.floor import Floor, Run, Wrapping
from handoff.desk.run_lines import WENT, Forbidden, NotNow, RunLines, WriteAlone, asked
from handoff.desk.sessions import Session
from handoff.desk.wrap_up import WrapUp
from handoff.desk.writer import Writer
from handoff.staff import Standing
from handoff.states import DeskAct
from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.encryption import Unreadable

log = structlog.get_logger()

LOOK_S = 1.0
ROSTER_EVERY_S = 5.0


class Hub:
    """One desk's.  `start` and `stop` frame it."""

    def __init__(
        self,
        floor: Floor,
        calls: CallLog,
        clock: Clock,
        *,
        roster: Callable[[], Sequence[Agent]],
        standing: Callable[[], Mapping[str, Standing]],
        qualify: Callable[[Agent], Unqualified | None],
        may_reveal: Callable[[Mapping[str, Any]], bool],
        forbidden: Forbidden,
        write_alone: WriteAlone,
    ) -> None:
        """`roster` and `standing` (accounts) are blocking; `may_reveal` asks the rules about a look;
        `forbidden` says what is wrong with an agent's words; `write_alone` writes to a case of no run."""
        self.floor, self._log, self._clock = floor, calls, clock
        self._roster, self._read_standing = roster, standing
        self._qualify, self._may_reveal = qualify, may_reveal
        self._write_alone = write_alone
        self._writer = Writer()
        self.runs = RunLines(floor, calls, self._writer, clock, forbidden)
        self.pages: set[web.WebSocketResponse] = set()
        "Lines of open pages: closed when the desk ends."
        self._errands = Errands()
        self.agents: dict[str, Agent] = {}
        self._standing: Mapping[str, Standing] = {}
        self._of_other_stores: set[int] = set()
        "Calls whose attempt the site's store does not know: only a run of their campaign can write for them."

    async def start(self) -> None:
        """Reads who there is, and which forms are missing from before."""
        await self.read_roster()
        await self.runs.start()
        for call in reversed(await self._writer.written(self._log.not_wrapped_up)):
            self.floor.person(call.agent_id).forms.append(_left_over(call))
        self._errands.do("presence", self._keep_runs_told())
        self._errands.do("roster", self._keep_roster())

    async def stop(self) -> None:
        await self._errands.stop()
        await self.runs.stop()
        for page in list(self.pages):
            await page.close(code=WSCloseCode.GOING_AWAY)
        self._writer.stop()

    def why_not(self, agent: Agent) -> Unqualified | None:
        """Why the rules keep an agent from taking calls today."""
        return self._qualify(agent)

    def is_busy(self, member_id: str) -> bool:
        """Has a call: no time to be logged out."""
        return self.floor.call_of(member_id) is not None

    def knows(self, member_id: str) -> bool:
        """Stands in the register or in agents.yaml, as they were read last."""
        return member_id in self._standing or member_id in self.agents

    def is_barred(self, session: Session) -> bool:
        """Was disabled, removed, given another role, or given a new first password since."""
        agent, standing = self.agents.get(session.member_id), self._standing.get(session.member_id)
        if standing is not None and (
            not standing.enabled or (standing.must_change and not session.must_change)
        ):
            return True
        if agent is not None:
            return not agent.enabled or agent.role != session.role
        return standing is None or not standing.role == session.role == "operations"

    async def calls_today(self, member_id: str) -> list[DeskCall]:
        """The agent's calls since midnight, the newest first."""
        return await self._writer.written(self._log.today, member_id)

    # ---- what people do

    def page_opened(self, member_id: str) -> None:
        """A call that is theirs already, and was offered before the page was there, is shown now."""
        self.floor.page_opened(member_id)
        if (found := self.floor.call_of(member_id)) is not None:
            self.runs.keep(*found)

    def be_available(self, member_id: str, reason: str | None) -> None:
        """None: available.  NotNow without a valid certificate."""
        if reason is None:
            agent = self.agents.get(member_id)
            if agent is None or self._qualify(agent) is not None:
                raise NotNow("unqualified")
        self.floor.take_break(member_id, reason)

    async def act(self, member_id: str, attempt_id: str, act: DeskAct, queue: str = "") -> None:
        """A button of the card.  NotNow when the call is not theirs, not in that state, or no such queue."""
        run, call = self._own_call(member_id, attempt_id)
        if act not in ALLOWED.get(call.state, frozenset()):
            raise NotNow("not_now")
        if (act is DeskAct.PASS_ON) != (queue in run.queues and queue != call.card.queue):
            raise NotNow("not_now")
        body = {"attempt_id": attempt_id, "agent_id": member_id, "act": act, "queue": queue}
        answer = await asked(run, "act", body)
        if not answer.get("done"):
            raise NotNow("not_now")
        if act is DeskAct.ACCEPT:
            call.accepted = True
            self.floor.changed()

    async def reveal(self, member_id: str, attempt_id: str, reason: str) -> str:
        """The debtor's name, after the look was written down.  NotNow when the rules or the run say no."""
        run, _call = self._own_call(member_id, attempt_id)
        await self._written(self._log.looked, member_id, attempt_id, "name", reason)
        facts = {"action": "view_pii", "viewer": "agency", "reveal_reason": True, "reveal_logged": True}
        if not self._may_reveal(facts):
            raise NotNow("not_allowed")
        return str((await asked(run, "name", {"attempt_id": attempt_id})).get("name", ""))

    async def look(self, member_id: str, attempt_id: str | None) -> None:
        """A supervisor looks at a call, or no longer at any."""
        if attempt_id is not None:
            if self.floor.find(attempt_id) is None:
                raise NotNow("gone")
            await self._written(self._log.looked, member_id, attempt_id, "transcript")
        self.floor.person(member_id).listens_to = attempt_id
        self.floor.changed()

    async def wrap_up(self, member_id: str, form: WrapUp) -> None:
        """The form is in: kept, written to the case, and the next call may come.

        ValueError with a word of the pages for a date out of range.
        """
        person = self.floor.people.get(member_id)
        wrapping = person.wrapping if person else None
        if person is None or wrapping is None or wrapping.taken or wrapping.log_number != form.call:
            raise NotNow("no_form")
        run = self.floor.run_of(wrapping.campaign_id)
        form.check(run.now(self._clock.now()) if run else self._clock.now())
        effects = form.effects()
        due = any(effects.values())
        kept = {**form.form(), "effects": effects}
        wrapping.taken = True
        try:
            await self._written(
                lambda: self._log.wrapped_up(form.call, member_id, form.disposition, kept, effects_due=due)
            )
            person.forms.remove(wrapping)
        finally:
            wrapping.taken = False
        self.floor.changed()
        if run is not None:
            if due:
                await self.runs.write_effects(run, form.call, wrapping.attempt_id, effects)
            with contextlib.suppress(NotNow):
                await asked(run, "wrapped", {"agent_id": member_id})

    async def wish(self, campaign_id: str, wish: str, by: str) -> None:
        """Pause, resume, drain or stop a run."""
        run = self.floor.run_of(campaign_id)
        if run is None:
            raise NotNow("gone")
        await asked(run, "wish", {"wish": wish, "by": by})

    def _own_call(self, member_id: str, attempt_id: str) -> tuple[Run, Call]:
        found = self.floor.call_of(member_id)
        if found is None or found[1].card.attempt_id != attempt_id:
            raise NotNow("not_yours")
        return found

    async def _written(self, work: Callable[..., None], *arguments: Any) -> None:
        """Nothing goes on before it is."""
        try:
            await self._writer.written(work, *arguments)
        except InputError:
            raise NotNow("store_down") from None

    # ---- what goes on beside

    async def _keep_runs_told(self) -> None:
        """Presence, at each change and once a second for those whose grace ran out."""
        news = self.floor.watch()
        try:
            while True:
                await attempted("presence", self._tell_runs)
                news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await news.wait()
        finally:
            self.floor.unwatch(news)

    async def _tell_runs(self) -> None:
        for run in list(self.floor.runs.values()):
            await self._tell_presence(run)

    async def _tell_presence(self, run: Run) -> None:
        wanted = self.floor.presence_for(run)
        if run.told_presence != wanted and run.campaign_id:
            run.told_presence = wanted
            with contextlib.suppress(NotNow):
                await asked(run, "here", {"agents": wanted})

    async def _keep_roster(self) -> None:
        while True:
            await attempted("effects_due", self._write_what_is_due)
            await asyncio.sleep(ROSTER_EVERY_S)
            await attempted("roster", self.read_roster)

    async def _write_what_is_due(self) -> None:
        """What forms ask for and nobody has written yet: through the campaign's run, or without it."""
        for call in await self._writer.kept(self._log.with_effects_due) or []:
            effects = call.form.get("effects", {})
            if (run := self.floor.run_of(call.campaign_id)) is not None:
                await self.runs.write_effects(run, call.id, call.attempt_id, effects)
            elif call.id not in self._of_other_stores:
                written = await self._writer.kept(self._write_alone, call.attempt_id, effects)
                if written:
                    await self._writer.kept(self._log.effects_written, call.id)
                elif written is False:
                    self._of_other_stores.add(call.id)

    async def read_roster(self) -> None:
        """Who there is now; sessions of who was disabled end also when a profile cannot be read."""
        if (standing := await self._writer.kept(self._read_standing)) is not None:
            self._standing = standing
        try:
            agents = await self._writer.written(self._roster)
        except (InputError, Unreadable) as fault:
            log.warning("roster_not_read", fault=type(fault).__name__)
            return
        known = {agent.id: agent for agent in agents}
        if known != self.agents:
            self.agents = known
            self.floor.changed()


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
