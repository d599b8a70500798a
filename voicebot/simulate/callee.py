"""One call played by a scenario on one incoming leg."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from sip.leg import Leg
from voicebot.simulate.bot_watch import TICK_S
from voicebot.simulate.measurement import measure
from voicebot.simulate.party import LONGEST_SPEECH_S, Party
from voicebot.simulate.result import CalleeResult, SipResult
from voicebot.simulate.scenario import Scenario, Step
from voicebot.simulate.stock import SpeechStock

log = structlog.get_logger()

RING_AT_ONCE_S = 0.05
ANNOUNCEMENTS = 2
"""A network says its announcement twice before it gives the final code."""
UNHEARD_S = 4.4
"""The bot asks whether anybody is there after 5 s without a word: then our last words did not reach it."""
REPEATS = 2
"""A callee says the same thing again at most this often in a call."""
AGENT_WITHIN_S = 40.0
"""From asking for a human to the agent's greeting, whisper and second tries included."""
RECORDS_S = 20.0
"""How long a voicemail records."""
NO_ANSWER_S = 90.0
ANSWER_TICKS = 8
"""Our word of an utterance's end comes this late (0.16 s): a quick answer may have begun by then."""


class Callee:
    """Plays `scenario` on `leg`; `play` returns the call's result."""

    def __init__(
        self,
        leg: Leg,
        scenario: Scenario,
        stock: SpeechStock,
        *,
        process: str,
        audio: Path,
        agents: tuple[bytes, ...] = (),
    ) -> None:
        """`audio`: where the WAVs go.  `agents`: PCM of the agents' greetings, to know them by."""
        self._leg, self._scenario, self._stock = leg, scenario, stock
        self._process, self._audio = process, audio
        self._party = Party(leg, stock, scenario.voice, scenario.noise_dbfs, agents)
        self._gave_up = False
        self._hung_up = False
        self._repeated = 0
        self._steps_left = len(scenario.steps)
        self._agent_at: int | None = None

    async def play(self) -> CalleeResult:
        loop = asyncio.get_running_loop()
        rang_at = loop.time()
        await self._answer()
        cause = await self._leg.ended
        answered = self._party.answered_tick is not None
        result = CalleeResult(
            scenario=self._scenario.id,
            suffix=self._scenario.number,
            process=self._process,
            sip_call_id=self._leg.sip_call_id,
            attempt_id=self._leg.headers.get("X-Voicebot-Attempt", ""),
            sip=SipResult.of(cause),
            answered=answered,
            hung_up_by="callee" if self._hung_up else "bot",
            seconds=round(self._party.seconds(self._party.tick) if answered else loop.time() - rang_at, 2),
            gave_up=self._gave_up,
            repeated=self._repeated,
            steps_left=self._steps_left,
            said=self._party.sayings(),
            keys=self._party.keys,
            agent_greeted_s=None if self._agent_at is None else self._party.seconds(self._agent_at),
        )
        if answered:
            self._measure(result)
        name = f"{self._scenario.number}-{self._scenario.id}-{self._process}-{abs(self._leg.id)}"
        result.audio = await asyncio.to_thread(self._party.save, self._audio, name)
        return result

    def _measure(self, result: CalleeResult) -> None:
        party = self._party
        measured = measure(party.theirs, party.ours, party.said, party.answered_tick or 0).as_json()
        result.first_bot_s = measured["first_bot_s"]
        result.greeting = measured["greeting"]
        result.turns, result.barge_ins = measured["turns"], measured["barge_ins"]

    # ---- the INVITE ----

    async def _answer(self) -> None:
        answer = self._scenario.answer
        if answer.kind != "announcement":
            await self._party.rest(RING_AT_ONCE_S)
            await self._leg.answer(180)
        await self._party.rest(answer.after_s)
        match answer.kind:
            case "person":
                await self._party.pick_up()
                await self._converse()
            case "voicemail":
                await self._party.pick_up()
                await self._record_message()
            case "announcement":
                await self._announce()
            case "busy":
                await self._refuse(486)
            case "rejected":
                await self._refuse(603)
            case "no_answer":
                await self._party.rest(NO_ANSWER_S)
                await self._refuse(480)

    async def _refuse(self, code: int, reason: str = "") -> None:
        if not self._leg.ended.done():
            self._hung_up = True
            await self._leg.answer(code, reason)

    async def _announce(self) -> None:
        answer = self._scenario.answer
        await self._leg.answer(183)
        wav = self._stock.spoken(answer.voice, answer.text, self._scenario.noise_dbfs)
        for _ in range(ANNOUNCEMENTS):
            if self._leg.ended.done():
                return
            await self._party.play(wav, answer.text)
            await self._party.rest(1.0)
        await self._refuse(answer.code, answer.reason)

    async def _record_message(self) -> None:
        answer = self._scenario.answer
        wav = self._stock.spoken(answer.voice, answer.text, self._scenario.noise_dbfs, with_beep=True)
        await self._party.play(wav, answer.text)
        await self._party.rest(RECORDS_S)
        await self._hang_up()

    # ---- talking ----

    async def _converse(self) -> None:
        """Goes through the steps, each when its moment has come, then waits for the bot to hang up."""
        since = 0
        last: Step | None = None
        for step in self._scenario.steps:
            if not await self._moment(step, since, last):
                break
            await self._party.rest(step.after_s)
            if self._leg.ended.done():
                break
            await self._do(step)
            since, last = self._party.tick - ANSWER_TICKS, step
            self._steps_left -= 1
        else:
            await self._party.rest(self._scenario.linger_s)
        if not self._leg.ended.done():
            self._gave_up = not self._hung_up
            await self._hang_up()

    async def _do(self, step: Step) -> None:
        if step.say:
            await self._party.say(step.say, to_bot=self._agent_at is None, greeting=step.when == "answered")
        elif step.keys:
            await self._party.press(step.keys)
        elif step.hang_up:
            await self._hang_up()
        else:
            await self._party.rest(step.wait_s)

    async def _moment(self, step: Step, since: int, last: Step | None) -> bool:
        """Waits for a step's moment.  False when the bot is gone or says nothing any more."""
        party, patience_s = self._party, self._scenario.patience_s
        match step.when:
            case "answered" | "at_once":
                return True
            case "bot_started":
                return (
                    await party.until(lambda: party.watch.started_since(since) is not None, patience_s)
                    == "seen"
                )
            case "agent_greeted":
                return await self._agent(since)
            case _:
                return await self._bot_paused(since, last)

    async def _bot_paused(self, since: int, last: Step | None) -> bool:
        """Waits for the bot to have spoken; what it did not hear is said again."""
        while True:
            if await self._party.listen(since, self._scenario.patience_s) != "seen":
                return False
            started = self._party.watch.answered_since(since)
            late = started is not None and (started - since) * TICK_S > UNHEARD_S
            if not late or last is None or last.hang_up or self._repeated >= REPEATS:
                return True
            self._repeated += 1
            await self._do(last)
            since = self._party.tick - ANSWER_TICKS

    async def _agent(self, since: int) -> bool:
        """Waits until an agent's own greeting was heard to its end."""
        party = self._party
        seen = await party.until(lambda: (party.recognised_at or 0) > since, AGENT_WITHIN_S)
        if seen != "seen":
            return False
        self._agent_at = party.recognised_at
        return await party.paused(party.tick - 1, LONGEST_SPEECH_S) == "seen"

    async def _hang_up(self) -> None:
        if not self._leg.ended.done():
            self._hung_up = True
            await self._leg.hangup()
