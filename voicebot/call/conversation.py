"""One answered call: opening → speaking ⇄ listening → deciding → … → closing.

The dialog policy decides, the book of prompts allows, the mouth speaks, the ear hears.  This class only
moves events between them, and holds the verification level: debt lines need level 2, and only the
knowledge check of this very call raises it there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import structlog

from dialogs.policy import Command, Expects, LineRef, Reply, TurnEvent
from dialogs.policy import Conversation as DialogConversation
from sip.leg import Leg
from voicebot.call.endpointing import DATES, DIGITS, ORDINARY, Patience
from voicebot.call.handing_over import HandoverEnd
from voicebot.call.inbox import Heard, Inbox, Key, Machine
from voicebot.call.listening import Ear, Utterance
from voicebot.call.opening import Opening, is_greeting
from voicebot.call.prompt_book import LineRefused
from voicebot.call.speaking import Mouth
from voicebot.call.transcript import EndedBy, Transcript
from voicebot.call.understanding import values_in
from voicebot.call.verification import MASKED_TEXT, READINGS, KnowledgeCheck
from voicebot.store.states import Disposition

log = structlog.get_logger()

NO_INPUT_S = 5.0
"""Silence after a question before the bot asks whether it is heard."""
LONGEST_CALL_S = 240.0
"""T-TIME asks for three minutes; no call lasts longer than this, whatever keeps it alive."""
PATIENCE: Mapping[Expects, Patience] = {
    "digits": DIGITS,
    "date": DATES,
    "time": DATES,
    "yes_no": ORDINARY,
    "open": ORDINARY,
}
FAULT_LINE = LineRef("C.handover_fault")
TOMORROW = "明天"
"""The value of the track's run-time slot callback_day that is not today."""


@dataclass
class Outcome:
    """What the call came to, as far as the conversation knows."""

    disposition: Disposition
    ended_by: EndedBy
    promise_date: str | None = None
    callback_at: str | None = None


@dataclass(frozen=True)
class Surroundings:
    """What the conversation asks of the worker, each answered by the supervisor."""

    note_command: Callable[[Command], Awaitable[None]]
    "Writes stop list entries and holds at once."
    hand_over: Callable[[Command], Awaitable[HandoverEnd]]
    "Runs the warm transfer until it is over."


class CallConversation:
    """Owns the turn loop of one debtor leg."""

    def __init__(
        self,
        leg: Leg,
        dialog: DialogConversation,
        mouth: Mouth,
        ear: Ear,
        inbox: Inbox,
        check: KnowledgeCheck,
        transcript: Transcript,
        today: date,
        surroundings: Surroundings,
    ) -> None:
        self._leg, self._dialog, self._mouth, self._ear = leg, dialog, mouth, ear
        self._inbox, self._check, self._transcript = inbox, check, transcript
        self._today, self._around = today, surroundings
        self._greeted_at_s: float | None = None
        self._agreed: dict[str, str] = {}

    async def run(self) -> Outcome:
        """Returns when the call is over or the closing lines were spoken; the caller hangs up."""
        try:
            async with asyncio.timeout(LONGEST_CALL_S):
                return await self._talk()
        except TimeoutError:
            self._transcript.event("limit", f"{LONGEST_CALL_S:.0f} s")
            return Outcome(Disposition.NOT_UNDERSTOOD, "bot")

    async def _talk(self) -> Outcome:
        first = asyncio.ensure_future(self._decide(TurnEvent("start")))
        machine = await Opening(self._leg, self._ear, self._inbox).wait()
        reply = await first
        if machine is not None:
            reply = await self._on_machine(machine)
        while True:
            if self._is_gone():
                return await self._after_hangup()
            if reply.command is not None:
                await self._around.note_command(reply.command)
            self._ear.be_patient(PATIENCE[reply.expects])
            self._ear.alternatives = READINGS if reply.expects == "digits" else 1
            interruption = await self._say(reply)
            if reply.command is not None:
                outcome, reply = await self._carry_out(reply.command)
                if outcome is not None:
                    return outcome
                continue
            heard = interruption or await self._listen()
            if self._is_gone():
                return await self._after_hangup()
            reply = await self._on_heard(heard, reply)

    def _is_gone(self) -> bool:
        return self._leg.ended.done()

    async def _decide(self, event: TurnEvent, *, masked: bool = False) -> Reply:
        reply = await self._dialog.turn(event)
        self._transcript.decided(event, reply, masked=masked)
        if reply.degraded:
            self._transcript.event("policy_fault", event.kind)
        return reply

    def _level(self, reply: Reply) -> int:
        """The engine may lower the level, never raise it: level 2 is this call's own knowledge check."""
        return min(reply.level, 2 if self._check.passed else 1)

    async def _say(self, reply: Reply) -> Heard | None:
        if self._greeted_at_s is None:
            self._greeted_at_s = self._ear.now_s
        try:
            return await self._mouth.say(
                reply.lines,
                level=self._level(reply),
                listener=reply.listener,
                interruptible=reply.command is None,
            )
        except LineRefused as refused:
            # Never spoken, always seen: the finding names the line, a person looks at the track.
            log.error("line_refused", reason=str(refused))
            self._transcript.event("line_refused", str(refused))
            return await self._mouth.say((FAULT_LINE,), level=0, listener="unknown", interruptible=False)

    async def _listen(self) -> Heard | None:
        """The next thing to decide upon, or None for silence."""
        while not self._is_gone():
            if (heard := self._inbox.take()) is not None:
                if not self._already_answered(heard):
                    return heard
                continue
            await asyncio.wait(
                (self._inbox.wait(), self._leg.ended),
                timeout=max(0.05, NO_INPUT_S - self._ear.quiet_s),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not len(self._inbox) and not self._ear.busy and self._ear.quiet_s >= NO_INPUT_S:
                return None
        return None

    def _already_answered(self, heard: Heard) -> bool:
        """A greeting from before the bot spoke: the opening itself was the answer."""
        if (
            isinstance(heard, Utterance)
            and self._greeted_at_s is not None
            and heard.start_s <= self._greeted_at_s
            and is_greeting(heard.text)
        ):
            self._transcript.heard(heard, "debtor")
            return True
        return False

    async def _on_heard(self, heard: Heard | None, before: Reply) -> Reply:
        if heard is None:
            return await self._decide(TurnEvent("silence"))
        if isinstance(heard, Machine):
            return await self._on_machine(heard)
        if isinstance(heard, Key):
            return await self._on_key(heard, before)
        self._transcript.speech_ended(heard)
        # Four digits before the check has passed are taken for the identity tail: never kept, never sent on.
        right = None if self._check.passed else self._check.in_speech(heard.text, heard.alternatives)
        self._transcript.heard(heard, "debtor", masked=right is not None)
        if right is not None and before.expects == "digits":
            self._check.forget_keys()
            return await self._decide(TurnEvent("verified" if right else "not_verified"), masked=True)
        text = heard.text if right is None else MASKED_TEXT
        event = TurnEvent(
            "speech", text=text, confidence=heard.confidence, values=values_in(text, self._today)
        )
        return await self._decide(event)

    async def _on_key(self, key: Key, before: Reply) -> Reply:
        if before.expects != "digits":
            self._transcript.event("dtmf", key.digit)
            return await self._decide(TurnEvent("dtmf", digit=key.digit))
        self._transcript.event("dtmf", "digit of the check")
        right = self._check.key(key.digit)
        while right is None:
            following = await self._listen()
            if not isinstance(following, Key):
                self._check.forget_keys()
                return await self._on_heard(following, before)
            self._transcript.event("dtmf", "digit of the check")
            right = self._check.key(following.digit)
        return await self._decide(TurnEvent("verified" if right else "not_verified"))

    async def _on_machine(self, machine: Machine) -> Reply:
        self._transcript.event("machine", machine.kind)
        return await self._decide(TurnEvent("machine", text=machine.kind))

    async def _carry_out(self, command: Command) -> tuple[Outcome | None, Reply]:
        """A hang-up ends the conversation; a handoff may come back with the next thing to say."""
        self._agreed.update(command.slots)
        if command.action == "handoff" and not self._is_gone():
            end = await self._around.hand_over(command)
            if end is HandoverEnd.FAILED:
                return None, await self._decide(TurnEvent("handoff_failed"))
            if end is HandoverEnd.RETURNED:
                return None, await self._decide(TurnEvent("returned"))
            if end is HandoverEnd.ABANDONED:
                return await self._after_hangup(), _NOTHING
            by: EndedBy = "agent" if end is HandoverEnd.AGENT_HUNG_UP else "callee"
            return self._outcome(Disposition(command.disposition), by), _NOTHING
        ended_by: EndedBy = "callee" if self._is_gone() else "bot"
        if self._is_gone():
            await self._dialog.turn(TurnEvent("hangup"))
        disposition = Disposition(command.disposition)
        if command.action == "handoff":  # gone before anybody could be asked
            disposition = Disposition.HUNG_UP
        return self._outcome(disposition, ended_by), _NOTHING

    async def _after_hangup(self) -> Outcome:
        await self._decide(TurnEvent("hangup"))
        return self._outcome(Disposition.HUNG_UP, "callee")

    def _outcome(self, disposition: Disposition, ended_by: EndedBy) -> Outcome:
        return Outcome(
            disposition,
            ended_by,
            promise_date=self._agreed.get("promise_date") if disposition is Disposition.PTP else None,
            callback_at=self._callback_at() if disposition is Disposition.CALLBACK else None,
        )

    def _callback_at(self) -> str | None:
        """Local time of the agreed call-back, ISO to the minute; None when no time was agreed."""
        time = self._agreed.get("callback_time")
        if time is None:
            return None
        day = self._today + timedelta(days=1 if self._agreed.get("callback_day") == TOMORROW else 0)
        return f"{day.isoformat()}T{time}"


_NOTHING = Reply(lines=(), command=None, stage="over", level=0, listener="unknown")
