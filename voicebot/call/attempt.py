"""One attempt on one line: permit → INVITE → early media → answer → conversation → sealed record.

Whatever happens, the attempt is closed exactly once: `run` always returns a record or the reason why
nothing was dialled.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import structlog

from dialogs.policy import Command
from dialogs.policy import Conversation as DialogConversation
from handoff.card import Deed
from handoff.seat_line import LineDesk
from sip.cause import Cause
from sip.errors import DialError, NoSlot, SipError, TrunkDown
from sip.leg import Leg, LegState
from voicebot.call import sound
from voicebot.call.conversation import CallConversation, Surroundings
from voicebot.call.desk_feed import DeskFeed
from voicebot.call.equipment import Equipment
from voicebot.call.handing_over import Handover, HandoverEnd
from voicebot.call.inbox import Deaf, Inbox, Key
from voicebot.call.listening import Ear, Utterance
from voicebot.call.machine import MachineWatch
from voicebot.call.order import DialOrder
from voicebot.call.outcome import Outcome
from voicebot.call.preparation import PERMIT_WITHIN_S, TRUNK_DOWN, NotDialled, Preparation
from voicebot.call.prompt_book import LineRefused, PromptBook
from voicebot.call.record import CallRecord
from voicebot.call.recorder import Recorder
from voicebot.call.ringing import Ringing
from voicebot.call.speaking import Mouth
from voicebot.call.transcript import SILENCE, EndedBy, Transcript
from voicebot.call.verification import KnowledgeCheck
from voicebot.errors import InputError
from voicebot.speech.understanding import Instalments
from voicebot.store.states import Disposition

log = structlog.get_logger()

CLOSE_WITHIN_S = 3.0
"""A BYE that is not answered must not hold the worker's line."""


class Attempt:
    """Runs one DialOrder."""

    def __init__(self, order: DialOrder, tools: Equipment) -> None:
        self.order, self._tools = order, tools
        self._preparation = Preparation(order, tools)
        loop = asyncio.get_running_loop()
        self._transcript = Transcript(order, tools.now, loop.time)
        self._inbox = Inbox()
        self._recorder: Recorder | None = None
        self._ear: Ear | None = None
        self._machines: MachineWatch | None = None
        self._mouth: Mouth | None = None
        self._agent_ear: Ear | None = None
        self._bridged = False
        self._permitted = False
        self._ordered = ""
        self._ringing: Ringing | None = None
        self._conversation: CallConversation | None = None
        self._unrecorded = asyncio.Event()
        self._handover: Handover | None = None

    def _tell(self, **fields: object) -> None:
        self._tools.link.tell("progress", attempt_id=self.order.attempt_id, **fields)

    def end(self, reason: str) -> None:
        """Ordered by the supervisor: a ringing call is cancelled, an answered one says its closing line."""
        if self._ordered:
            return
        self._ordered = reason
        if self._conversation is not None:
            self._conversation.end(reason)
        elif self._ringing is not None:
            self._cancel(self._ringing)

    def act(self, deed: Deed) -> bool:
        """What an agent does on the desk about this call; False when it is not with them."""
        return self._handover is not None and self._handover.act(deed)

    def _cancel(self, ringing: Ringing) -> None:
        self._transcript.event("ended_by_order", self._ordered)
        ringing.give_up()

    async def run(self) -> CallRecord:
        """Raises NotDialled when no INVITE was sent; another fault means that one may have been."""
        try:
            return await self._run()
        except NotDialled:
            raise
        except Exception as fault:
            if self._permitted:
                raise
            log.error("not_prepared", attempt_id=self.order.attempt_id, fault=type(fault).__name__)
            raise NotDialled(f"could not be prepared: {type(fault).__name__}") from None

    async def _run(self) -> CallRecord:
        tools = self._tools
        folder = Path(tempfile.mkdtemp(prefix="call-"))
        try:
            book = self._preparation.book(folder)
            dialog = await self._preparation.dialog()
            try:
                recorder = self._recorder = Recorder(
                    tools.recordings, self.order.attempt_id, tools.keys, tools.recording_format
                )
                try:
                    return await self._dial(book, dialog, recorder)
                finally:
                    if self._transcript.answered_at is None:
                        recorder.discard()
            finally:
                await dialog.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _dial(self, book: PromptBook, dialog: DialogConversation, recorder: Recorder) -> CallRecord:
        order, tools = self.order, self._tools
        async with AsyncExitStack() as closing:
            ear = await self._open_ear()
            closing.push_async_callback(ear.close)
            self._preparation.trunk()
            await self._preparation.permit()
            self._permitted = True
            try:
                leg = await tools.phone.dial(
                    order.request_uri, caller=order.caller_uri, headers=order.headers, over_trunk=True
                )
            except TrunkDown:
                raise NotDialled(TRUNK_DOWN) from None
            except (NoSlot, DialError) as fault:  # no INVITE has left
                raise NotDialled(type(fault).__name__) from None
            tools.link.tell("invited", attempt_id=order.attempt_id)
            ringing = self._ringing = Ringing(leg, order.ring_s, tools.speech, tools.new_vad)
            if self._ordered:  # between the permit and the INVITE
                self._cancel(ringing)
            closing.push_async_callback(ringing.close)
            closing.push_async_callback(self._hang_up, leg)
            leg.on_tick = lambda theirs, ours: self._on_early_tick(leg, ringing, theirs, ours)
            following = asyncio.ensure_future(self._follow(leg, ringing))
            closing.callback(following.cancel)
            if (disposition := await ringing.wait()) is not None:
                return await self._unanswered(leg, disposition, ringing.announcement)
            outcome = await self._converse(leg, book, dialog, ear)
            await self._hang_up(leg)
            return await self._sealed(outcome, recorder, leg)

    async def _open_ear(self) -> Ear:
        ear = self._ear = Ear(
            self._tools.new_vad(),
            await self._preparation.recognizer(),
            on_utterance=self._on_utterance,
            on_onset=self._inbox.onset,
            on_wordless=self._inbox.wordless,
            on_deaf=lambda: self._inbox.put(Deaf()),
        )
        return ear

    async def _follow(self, leg: Leg, ringing: Ringing) -> None:
        """States and keys of the leg, for as long as it lives."""
        while leg.state is not LegState.ENDED:
            event = await leg.events.get()
            if event.kind in ("ringing", "early_media") and self._transcript.ringing_at is None:
                self._transcript.ringing_at = self._tools.now()
                self._tell(state="ringing")
            if event.kind == "early_media" and ringing.early_media():
                self._transcript.event("early_media")
            elif event.kind == "dtmf" and not self._bridged:
                self._inbox.put(Key(event.digit))

    async def _unanswered(self, leg: Leg, disposition: Disposition, announcement: str) -> CallRecord:
        if announcement:
            self._transcript.event("announcement", announcement)
        by_us = not leg.ended.done()
        await self._hang_up(leg)
        if leg.answered.done() and not leg.answered.cancelled():
            # Our CANCEL crossed with a 200 OK: somebody did pick up, and the caps count that.
            self._transcript.answered()
            self._tell(state="answered")
        return self._record(disposition, "bot" if by_us else "callee", leg)

    async def _converse(self, leg: Leg, book: PromptBook, dialog: DialogConversation, ear: Ear) -> Outcome:
        order, tools = self.order, self._tools
        self._transcript.answered()
        leg.on_tick = self._on_tick
        self._machines = MachineWatch(ear, self._inbox.put, patient=order.voicemail == "leave_line")
        self._tell(state="answered")
        mouth = self._mouth = Mouth(leg, book, ear, self._inbox, self._transcript)
        mouth.on_line = lambda line_id: self._tell(line=line_id)
        handover = Handover(
            leg=leg,
            phone=tools.phone,
            desk=LineDesk(tools.link),
            book=book,
            transcript=self._transcript,
            attempt_id=order.attempt_id,
            hold=tools.hold,
            queues=tools.queues,
            open_agent_ear=self._open_agent_ear,
            feed=DeskFeed(tools.link, order, book, self._transcript),
        )
        self._handover = handover

        async def hand_over(command: Command) -> HandoverEnd:
            self._tell(line="handoff")
            try:
                return await handover.run(command)
            finally:
                self._agent_ear, self._bridged = None, False

        async def note_command(command: Command) -> None:
            if command.stop_list or command.hold:
                await tools.link.ask(
                    "effects",
                    within_s=PERMIT_WITHIN_S,
                    attempt_id=order.attempt_id,
                    stop_list=command.stop_list,
                    hold=command.hold,
                )

        conversation = self._conversation = CallConversation(
            leg,
            dialog,
            mouth,
            ear,
            self._inbox,
            KnowledgeCheck(order.tail_mac, lambda tail: tools.mac_of(order.case_id, tail)),
            self._transcript,
            order.today,
            Surroundings(note_command, hand_over),
            limits=tools.manifest(order.digest).limits,
            instalments=Instalments.of({name: (slot.type, slot.value) for name, slot in order.slots.items()}),
            mailbox=self._machines if order.voicemail == "leave_line" else None,
            lead_in_s=tools.lead_in_s,
        )
        if self._ordered:  # its CANCEL came too late
            conversation.end(self._ordered)
        watching = asyncio.ensure_future(sound.watch(leg, self._transcript))
        try:
            return await self._recorded(conversation)
        finally:
            watching.cancel()
            await self._machines.close()

    async def _recorded(self, conversation: CallConversation) -> Outcome:
        """The conversation, as long as it is recorded and nothing breaks; else the approved last words."""
        talking = asyncio.ensure_future(conversation.run())
        unrecorded = asyncio.ensure_future(self._unrecorded.wait())
        try:
            await asyncio.wait({talking, unrecorded}, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                return talking.result()
            self._transcript.event("recorder_fault")
        except Exception as fault:
            log.error("call_broke", attempt_id=self.order.attempt_id, fault=type(fault).__name__)
            self._transcript.event("fault", type(fault).__name__)
        finally:
            talking.cancel()
            unrecorded.cancel()
            await asyncio.gather(talking, unrecorded, return_exceptions=True)
        with suppress(LineRefused, InputError, SipError):
            await conversation.say_goodbye()
        return Outcome(Disposition.UNKNOWN, "bot")

    async def _open_agent_ear(self) -> Ear:
        tools = self._tools
        recognizer = await tools.speech.open("live")
        began_s = self._transcript.at_s

        def heard(utterance: Utterance) -> None:
            shifted = Utterance(
                utterance.text, utterance.confidence, utterance.start_s + began_s, utterance.end_s + began_s
            )
            self._transcript.heard(shifted, "agent")

        ear = self._agent_ear = Ear(tools.new_vad(), recognizer, on_utterance=heard)
        return ear

    # ---- the media clock ----

    def _on_early_tick(self, leg: Leg, ringing: Ringing, theirs: bytes, ours: bytes) -> None:
        """Until the conversation begins.  What sounded before the answer never reaches the ear; from the
        first packet after it on everything does."""
        if leg.state is LegState.CONNECTED and self._ear is not None:
            self._ear.hear(theirs)
        else:
            ringing.on_tick(theirs, ours)

    def _on_tick(self, theirs: bytes, ours: bytes) -> None:
        assert self._recorder is not None and self._ear is not None
        self._ear.hear(theirs)
        if self._machines is not None:
            self._machines.on_tick(theirs)
        self._recorder.on_tick(theirs, ours, asyncio.get_running_loop().time())
        if self._recorder.failed:
            self._unrecorded.set()
        if self._mouth is not None and self._mouth.awaiting_first_audio and ours != SILENCE:
            self._mouth.awaiting_first_audio = False
            self._transcript.bot_audible()
        handoff = self._transcript.handoff
        self._bridged = handoff is not None and handoff.bridged_s is not None and handoff.ended_s is None
        if self._agent_ear is not None:
            self._agent_ear.hear(ours if self._bridged else SILENCE)

    def _on_utterance(self, utterance: Utterance) -> None:
        if self._bridged:  # two people talk: written down, decided by nobody
            self._transcript.heard(utterance, "debtor")
            return
        if self._machines is not None and self._machines.on_utterance(utterance):
            self._transcript.heard(utterance, "network")
            return
        self._inbox.put(utterance)

    # ---- the end ----

    async def _hang_up(self, leg: Leg) -> None:
        leg.on_tick = None
        if not leg.ended.done():
            await leg.hangup()
            await asyncio.wait({leg.ended}, timeout=CLOSE_WITHIN_S)

    async def _sealed(self, outcome: Outcome, recorder: Recorder, leg: Leg) -> CallRecord:
        recording = await asyncio.get_running_loop().run_in_executor(None, recorder.seal)
        return self._transcript.record(
            outcome.disposition,
            worker=self._tools.worker,
            ended_by=outcome.ended_by,
            cause=_cause(leg),
            rtp=leg.rtp,
            promise_date=outcome.promise_date,
            callback_at=outcome.callback_at,
            recording=recording,
            engines=self._tools.engines,
        )

    def _record(self, disposition: Disposition, by: EndedBy, leg: Leg) -> CallRecord:
        return self._transcript.record(
            disposition,
            worker=self._tools.worker,
            ended_by=by,
            cause=_cause(leg),
            rtp=leg.rtp,
        )


def _cause(leg: Leg) -> Cause | None:
    """Why it ended; None when the far end has not even agreed to its end."""
    return leg.ended.result() if leg.ended.done() else None
