"""One answered call: opening → speaking ⇄ listening → deciding → … → closing.

The dialog policy decides, the book of prompts allows, the mouth speaks, the ear hears.  This class only
moves events between them, and holds the verification level: debt lines need level 2, and only the
knowledge check of this very call raises it there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

import structlog

from dialogs.policy import Command, Expects, LineRef, Reply, TurnEvent
from dialogs.policy import Conversation as DialogConversation
from sip.leg import Leg
from voicebot.call.barge_in import spoken_characters
from voicebot.call.completeness import judge_for
from voicebot.call.endpointing import DATES, DIGITS, ORDINARY, STORY, Patience
from voicebot.call.greeting import is_greeting
from voicebot.call.handing_over import HandoverEnd
from voicebot.call.inbox import Heard, Inbox, Key, Machine
from voicebot.call.listening import Ear, Utterance
from voicebot.call.machine import MachineWatch, Moment
from voicebot.call.opening import Opening
from voicebot.call.outcome import Agreement, Outcome
from voicebot.call.prompt_book import LineRefused
from voicebot.call.reading import HUMAN_KEY, Reading
from voicebot.call.speaking import Mouth
from voicebot.call.talk_time import TalkTime
from voicebot.call.transcript import EndedBy, Transcript
from voicebot.call.verification import READINGS, KnowledgeCheck
from voicebot.speech.understanding import Instalments
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
    "story": STORY,
}
WORDLESS_S = 20.0
"""So long without words or a decision, whatever noise is on the line, counts as silence."""
LAST_WORDS_S = 3.0
"""What the callee said while hanging up is recognised and decided within this time."""
DEAF_TURNS = 2
"""Turns that could not be recognised until a person takes the call."""
FAULT_HANDOVER = Reply(
    lines=(LineRef("C.handover_fault"),),
    command=Command("handoff", "HUMAN", reason="系统繁忙转人工"),
    stage="fault",
    level=0,
    listener="unknown",
    degraded=True,
)
FAREWELL = (LineRef("C.fault_bye"),)
LIMIT_FAREWELL = (LineRef("C.end"),)
MOST_AFTERTHOUGHTS = 2
"""Closing lines that may be answered by something that has to be done: the next one is the last."""
_MACHINES = frozenset({Disposition.VOICEMAIL, Disposition.ASSISTANT})
_GOODBYE = re.compile(r"(?:好的?|嗯|行|谢谢|再见|拜拜|挂了|你?辛苦了?|不客气|没事|啊|了|吧|您|你)*")
"""Words of leaving: nothing to decide upon."""


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
        *,
        limits: Mapping[str, int] | None = None,
        instalments: Instalments | None = None,
        mailbox: MachineWatch | None = None,
        lead_in_s: float = 0.0,
    ) -> None:
        """`limits`: the talk track's (asks are the track's own); `instalments`: the case's approved plans.

        `mailbox`: where a voicemail gets a message, the watch that knows its beep.  `lead_in_s`: of the line.
        """
        self._leg, self._dialog, self._mouth, self._ear = leg, dialog, mouth, ear
        self._inbox, self._check, self._transcript = inbox, check, transcript
        self._today, self._around = today, surroundings
        self._time = TalkTime(limits or {}, lambda: asyncio.get_running_loop().time())
        self._mailbox, self._lead_in_s = mailbox, lead_in_s
        self._kept_open = False
        self._greeted_at_s: float | None = None
        self._agreed = Agreement(today)
        self._reading = Reading(check, transcript, today, instalments)
        self._afterthoughts = 0
        self._limit = asyncio.timeout(None)
        self._bot_leads = False
        self._ordered = ""

    async def run(self) -> Outcome:
        """Returns when the call is over or the closing lines were spoken; the caller hangs up."""
        self._limit = asyncio.timeout(LONGEST_CALL_S)
        try:
            async with self._limit:
                self._bot_leads = True
                if self._ordered:
                    self.end(self._ordered)
                return await self._talk()
        except TimeoutError:
            if not self._limit.expired():
                raise
            self._bot_leads = False
            if self._ordered:
                self._transcript.event("ended_by_order", self._ordered)
            else:
                self._transcript.event("limit", f"{LONGEST_CALL_S:.0f} s")
            await self.say_goodbye(LIMIT_FAREWELL)
            return Outcome(Disposition.NOT_UNDERSTOOD, "bot")
        finally:
            self._bot_leads = False

    def end(self, reason: str) -> None:
        """Somebody wants this call ended: what is being said is broken off, the closing line follows.

        While people talk or are being brought together, the bot waits for its turn.  A call in which somebody
        may be in danger is never ended by the bot.
        """
        self._ordered = reason
        if self._bot_leads and not self._kept_open:
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def say_goodbye(self, lines: tuple[LineRef, ...] = FAREWELL) -> None:
        """The approved last words when the call cannot go on."""
        await self._mouth.say(lines, level=0, listener="unknown", interruptible=False)

    async def _talk(self) -> Outcome:
        first = asyncio.ensure_future(self._decide(TurnEvent("start")))
        try:
            machine = await Opening(self._leg, self._ear, self._inbox, self._lead_in_s).wait()
            reply = await first
        finally:
            first.cancel()
        if machine is not None:
            reply = await self._on_machine(machine, reply)
        self._time.go_on()
        while True:
            reply = await self._in_time(reply)
            if reply.command is not None:
                await self._note(reply.command)
            if self._is_gone():
                return await self._after_hangup(reply)
            self._ear.be_patient(PATIENCE[reply.expects], judge_for(reply.expects, self._today))
            self._ear.alternatives = READINGS if reply.expects == "digits" else 1
            interruption = await self._say(reply)
            if (command := reply.command) is not None:
                if (late := await self._afterthought(reply, command)) is not None:
                    reply = late
                    continue
                outcome, reply = await self._carry_out(command)
                if outcome is not None:
                    return outcome
                continue
            heard = interruption or await self._listen()
            if self._is_gone() and heard is None:
                return await self._after_hangup(reply)
            reply = await self._on_heard(heard, reply)

    def _is_gone(self) -> bool:
        return self._leg.ended.done()

    async def _in_time(self, reply: Reply) -> Reply:
        """The reply; the closing one when the track's time for persuading, or for the whole call, is over."""
        if reply.keeps_open:
            self._kept_open = True
            self._limit.reschedule(None)
        limit = self._time.decided(reply)
        if limit is None or self._is_gone():
            return reply
        self._transcript.event("limit", limit)
        reply = await self._decide(TurnEvent("time_up"))
        self._time.decided(reply)
        return reply

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
            await self.say_goodbye(FAULT_HANDOVER.lines)
            return None

    async def _listen(self) -> Heard | None:
        """The next thing to decide upon, or None for silence."""
        loop = asyncio.get_running_loop()
        wordless_at = loop.time() + WORDLESS_S
        while not self._is_gone() and loop.time() < wordless_at:
            if (heard := self._inbox.take()) is not None:
                if not self._already_answered(heard):
                    return heard
                continue
            await asyncio.wait(
                (self._inbox.wait(), self._leg.ended),
                timeout=max(0.05, min(NO_INPUT_S - self._ear.quiet_s, wordless_at - loop.time())),
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
        while not isinstance(heard, Machine):
            if isinstance(heard, Key):
                self._ear.restart_silence()
            told = self._reading.of(heard, before.expects)
            if self._reading.deaf_turns >= DEAF_TURNS:  # asked again once; now a person takes over
                return FAULT_HANDOVER
            if told is not None:
                return await self._decide(told.event, masked=told.masked)
            heard = await self._listen()
        return await self._on_machine(heard, before)

    async def _afterthought(self, closing: Reply, command: Command) -> Reply | None:
        """What was said over the last line still counts where it obliges us: to leave somebody alone, to note
        a complaint, to fetch a person.  Everything else has been closed."""
        if command.action != "hangup" or command.disposition in _MACHINES:
            return None
        if self._afterthoughts >= MOST_AFTERTHOUGHTS:
            return None
        until = asyncio.get_running_loop().time() + LAST_WORDS_S
        while (heard := self._inbox.take()) is not None or (
            self._ear.busy and not self._is_gone() and asyncio.get_running_loop().time() < until
        ):
            if heard is None:
                await asyncio.wait({self._inbox.wait(), self._leg.ended}, timeout=0.1)
            elif (isinstance(heard, Key) and heard.digit == HUMAN_KEY) or isinstance(heard, Utterance):
                late = await self._decide_late(heard, closing)
                if late is not None:
                    self._afterthoughts += 1
                    return late
        return None

    async def _decide_late(self, heard: Utterance | Key, closing: Reply) -> Reply | None:
        if isinstance(heard, Utterance) and _GOODBYE.fullmatch(spoken_characters(heard.text)):
            self._transcript.heard(heard, "debtor")
            return None
        told = self._reading.of(heard, closing.expects)
        if told is None:
            return None
        reply = await self._decide(told.event, masked=told.masked)
        command = reply.command
        obliges = command is not None and (command.action == "handoff" or command.stop_list or command.hold)
        return reply if obliges and not reply.degraded else None

    async def _on_machine(self, machine: Machine, before: Reply) -> Reply:
        """What the talk track has for machines; a message waits for the beep.  `before`, again, for a person
        who picks up meanwhile."""
        self._transcript.event("machine", machine.network or machine.kind)
        records = machine.kind == "VOICEMAIL" and machine.network is None
        moment = await self._mailbox.moment(self._leg.ended) if self._mailbox and records else None
        if moment is not None:
            self._transcript.event("mailbox", moment)
        if moment is Moment.PERSON:
            return before
        self._agreed.network = machine.network
        reply = await self._decide(TurnEvent("machine", text=machine.kind))
        return reply if records and moment is not Moment.NEVER else replace(reply, lines=())

    async def _carry_out(self, command: Command) -> tuple[Outcome | None, Reply]:
        """A hang-up ends the conversation; a handoff may come back with the next thing to say."""
        self._agreed.update(command.slots)
        if command.action == "handoff" and not self._is_gone():
            end = await self._with_a_person(command)
            if end is HandoverEnd.FAILED:
                return None, await self._decide(TurnEvent("handoff_failed"))
            if end is HandoverEnd.RETURNED:
                return None, await self._decide(TurnEvent("returned"))
            if end is HandoverEnd.ABANDONED:
                await self._decide(TurnEvent("hangup"))
                return self._agreed.outcome(Disposition.HUNG_UP, "callee"), _NOTHING
            by: EndedBy = "agent" if end is HandoverEnd.AGENT_HUNG_UP else "callee"
            return self._agreed.outcome(Disposition(command.disposition), by), _NOTHING
        ended_by: EndedBy = "callee" if self._is_gone() else "bot"
        if self._is_gone():
            await self._dialog.turn(TurnEvent("hangup"))
        disposition = Disposition(command.disposition)
        if command.action == "handoff":  # gone before anybody could be asked
            disposition = Disposition.HUNG_UP
        return self._agreed.outcome(disposition, ended_by), _NOTHING

    async def _with_a_person(self, command: Command) -> HandoverEnd:
        """The bot's own limit stands still while people talk; their talk has the queue's."""
        loop = asyncio.get_running_loop()
        ends_at = self._limit.when()
        left = None if ends_at is None else ends_at - loop.time()
        self._limit.reschedule(None)
        self._bot_leads = False
        self._time.pause()
        try:
            return await self._around.hand_over(command)
        finally:
            self._bot_leads = True
            self._time.go_on()
            while (said := self._inbox.take()) is not None:  # said on hold, to nobody
                if isinstance(said, Utterance):
                    self._transcript.heard(said, "debtor")
            if left is not None and not self._kept_open:
                self._limit.reschedule(loop.time() + (0.0 if self._ordered else max(left, 0.0)))

    async def _note(self, command: Command) -> None:
        """Stop list and holds are written before anything else is said."""
        self._transcript.wishes(command.stop_list, command.hold)
        try:
            await self._around.note_command(command)
        except (TimeoutError, RuntimeError, ConnectionError) as fault:
            # The record carries them too: they are written when the call is closed.
            log.error("effects_not_written", fault=type(fault).__name__)
            self._transcript.event("effects_late", type(fault).__name__)

    async def _after_hangup(self, reply: Reply) -> Outcome:
        """The callee is gone.  What they said last still counts: a wish to be left alone above all."""
        if reply.command is None:
            await self._ear.last_words(LAST_WORDS_S)
            if self._mailbox is not None:
                self._mailbox.settle()
        while reply.command is None and (heard := self._inbox.take()) is not None:
            if isinstance(heard, Machine) or (
                isinstance(heard, Utterance) and not self._already_answered(heard)
            ):
                reply = await self._on_heard(heard, reply)
                if reply.command is not None:
                    await self._note(reply.command)
        await self._decide(TurnEvent("hangup"))
        if reply.command is not None and reply.command.action == "hangup":
            self._agreed.update(reply.command.slots)
            return self._agreed.outcome(Disposition(reply.command.disposition), "callee")
        return self._agreed.outcome(Disposition.HUNG_UP, "callee")


_NOTHING = Reply(lines=(), command=None, stage="over", level=0, listener="unknown")
