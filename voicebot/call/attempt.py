"""One attempt on one line: permit → INVITE → early media → answer → conversation → sealed record.

Whatever happens, the attempt is closed exactly once: `run` always returns a record or the reason why
nothing was dialled.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from dialogs.manifest import Manifest
from dialogs.policy import Command, DialogPolicy, DialogUnavailable
from dialogs.policy import Conversation as DialogConversation
from handoff.seat_line import LineDesk
from handoff.settings import QueueSettings
from sip.cause import Cause, CauseKind
from sip.errors import DialError, NoSlot, SipError
from sip.leg import Leg, LegState
from sip.softphone import Softphone
from voicebot.call.conversation import CallConversation, Outcome, Surroundings
from voicebot.call.early_media import EarlyMedia
from voicebot.call.handing_over import Handover, HandoverEnd
from voicebot.call.inbox import Deaf, Inbox, Key
from voicebot.call.link import Link
from voicebot.call.listening import Ear, Utterance
from voicebot.call.opening import verdict
from voicebot.call.order import DialOrder
from voicebot.call.prompt_book import LineRefused, PromptBook
from voicebot.call.record import CallRecord, Engines
from voicebot.call.recorder import Recorder
from voicebot.call.speaking import Mouth
from voicebot.call.transcript import SILENCE, EndedBy, Transcript
from voicebot.call.verification import KnowledgeCheck
from voicebot.errors import InputError
from voicebot.speech.asr.client import SpeechService, SpeechUnavailable
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.vad import TwoStageVad
from voicebot.store.states import Disposition

log = structlog.get_logger()

PERMIT_WITHIN_S = 10.0
CLOSE_WITHIN_S = 3.0
"""A BYE that is not answered must not hold the worker's line."""

_BY_CAUSE: dict[CauseKind, Disposition] = {
    CauseKind.BUSY: Disposition.BUSY,
    CauseKind.NO_ANSWER: Disposition.NO_ANSWER,
    CauseKind.CANCELLED: Disposition.NO_ANSWER,
    CauseKind.REJECTED: Disposition.REJECTED,
    CauseKind.EMPTY_NUMBER: Disposition.EMPTY_NUMBER,
    CauseKind.POWERED_OFF: Disposition.POWERED_OFF,
    CauseKind.SUSPENDED: Disposition.SUSPENDED,
    CauseKind.UNREACHABLE: Disposition.UNREACHABLE,
    CauseKind.CARRIER_FAILED: Disposition.CARRIER_FAILED,
    CauseKind.NORMAL: Disposition.CARRIER_FAILED,
}


class NotDialled(RuntimeError):
    """The attempt ended before the INVITE: refused by the gate, or a part of the site was missing."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


@dataclass(frozen=True)
class Tools:
    """What a worker lends to each of its calls."""

    phone: Softphone
    speech: SpeechService
    policy: DialogPolicy
    cache: PromptCache
    link: Link
    manifest: Callable[[str], Manifest]
    new_vad: Callable[[], TwoStageVad]
    mac_of: Callable[[str, str], str]
    "Keyed hash of (case id, four digits)."
    recordings: Path
    hold: Path
    queues: dict[str, QueueSettings]
    engines: Engines
    worker: str
    now: Callable[[], datetime]


class Attempt:
    """Runs one DialOrder."""

    def __init__(self, order: DialOrder, tools: Tools) -> None:
        self.order, self._tools = order, tools
        loop = asyncio.get_running_loop()
        self._transcript = Transcript(order, tools.now, loop.time)
        self._inbox = Inbox()
        self._early: EarlyMedia | None = None
        self._recorder: Recorder | None = None
        self._ear: Ear | None = None
        self._mouth: Mouth | None = None
        self._agent_ear: Ear | None = None
        self._bridged = False
        self._leg: Leg | None = None
        self._permitted = False
        self._unrecorded = asyncio.Event()

    def _tell(self, **fields: object) -> None:
        self._tools.link.tell("progress", attempt_id=self.order.attempt_id, **fields)

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
        folder = Path(tempfile.mkdtemp(prefix="call-"))
        try:
            book = self._book(folder)
            dialog = await self._open_dialog()
            try:
                recorder = self._recorder = Recorder(self._tools.recordings / f"{self.order.attempt_id}.flac")
                try:
                    return await self._dial(book, dialog, recorder)
                finally:
                    if self._transcript.answered_at is None:
                        recorder.discard()
            finally:
                await dialog.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _book(self, folder: Path) -> PromptBook:
        order, tools = self.order, self._tools
        try:
            book = PromptBook(
                tools.manifest(order.digest),
                tools.cache,
                order.voice,
                {name: (slot.type, slot.value) for name, slot in order.slots.items()},
                order.flags,
                order.today,
                folder,
            )
            missing = book.missing_clauses()
        except LineRefused as refused:
            raise NotDialled(str(refused)) from None
        if missing:
            raise NotDialled(f"{len(missing)} prompts are not rendered")
        return book

    async def _open_dialog(self) -> DialogConversation:
        order = self.order
        try:
            return await self._tools.policy.open(
                order.attempt_id, order.digest, flags=order.flags, slots=order.run_slots, today=order.today
            )
        except DialogUnavailable as fault:
            raise NotDialled(f"dialog service: {fault}") from None

    async def _dial(self, book: PromptBook, dialog: DialogConversation, recorder: Recorder) -> CallRecord:
        order, tools = self.order, self._tools
        ear = await self._open_ear()  # before the INVITE: a call that cannot hear is not placed
        try:
            await self._ask_permit()
            try:
                leg = self._leg = await tools.phone.dial(
                    order.request_uri, caller=order.caller_uri, headers=order.headers
                )
            except (NoSlot, DialError) as fault:  # no INVITE has left
                raise NotDialled(type(fault).__name__) from None
            leg.on_tick = self._on_early_tick
            disposition = await self._until_answer(leg)
            if disposition is not None:
                return await self._unanswered(leg, disposition)
            outcome = await self._converse(leg, book, dialog, ear)
            await self._hang_up(leg)
            cause = leg.ended.result() if leg.ended.done() else None
            return await self._sealed(outcome, recorder, cause)
        finally:
            if self._leg is not None:
                self._leg.on_tick = None
                await self._hang_up(self._leg)
            if self._early is not None:
                await self._early.close()
            await ear.close()

    async def _ask_permit(self) -> None:
        """The gate's last word.  No answer is no permission."""
        try:
            permit = await self._tools.link.ask(
                "permit", within_s=PERMIT_WITHIN_S, attempt_id=self.order.attempt_id
            )
        except (TimeoutError, RuntimeError) as fault:
            raise NotDialled(f"no permission: {type(fault).__name__}") from None
        if not permit["allowed"]:
            raise NotDialled(permit["reason"], refused=True)
        self._permitted = True

    async def _open_ear(self) -> Ear:
        tools = self._tools
        try:
            recognizer = await tools.speech.open("live")
        except SpeechUnavailable as fault:
            raise NotDialled(f"speech service: {fault}") from None
        ear = self._ear = Ear(
            tools.new_vad(),
            recognizer,
            on_utterance=self._on_utterance,
            on_onset=self._inbox.onset,
            on_deaf=lambda: self._inbox.put(Deaf()),
        )
        return ear

    async def _until_answer(self, leg: Leg) -> Disposition | None:
        """None when answered; else what the attempt came to without an answer."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self.order.ring_s
        events = loop.create_task(self._follow(leg))
        try:
            while True:
                waiting: set[asyncio.Future[Any]] = {leg.answered, leg.ended}
                if self._early is not None:
                    waiting.add(self._early.verdict)
                left = give_up_at - loop.time()
                if left <= 0:
                    return Disposition.NO_ANSWER
                await asyncio.wait(waiting, timeout=min(left, 0.5), return_when=asyncio.FIRST_COMPLETED)
                if leg.answered.done() and not leg.answered.cancelled():
                    return None
                if self._early is not None and self._early.verdict.done():
                    return self._early.verdict.result()
                if leg.ended.done():
                    return _BY_CAUSE[leg.ended.result().kind]
        finally:
            if not (leg.answered.done() and not leg.answered.cancelled()):
                events.cancel()

    async def _follow(self, leg: Leg) -> None:
        """States and keys of the leg, for as long as it lives."""
        while leg.state is not LegState.ENDED:
            event = await leg.events.get()
            if event.kind in ("ringing", "early_media") and self._transcript.ringing_at is None:
                self._transcript.ringing_at = self._tools.now()
                self._tell(state="ringing")
            if event.kind == "early_media" and self._early is None:
                self._early = EarlyMedia()
                self._early.start(self._tools.speech, self._tools.new_vad())
                self._transcript.event("early_media")
            elif event.kind == "dtmf" and not self._bridged:
                self._inbox.put(Key(event.digit))
            elif event.kind == "ended":
                return

    async def _unanswered(self, leg: Leg, disposition: Disposition) -> CallRecord:
        if self._early is not None and self._early.text:
            self._transcript.event("announcement", self._early.text)
        by_us = not leg.ended.done()
        await self._hang_up(leg)
        if leg.answered.done() and not leg.answered.cancelled():
            # Our CANCEL crossed with a 200 OK: somebody did pick up, and the caps count that.
            self._transcript.answered()
            self._tell(state="answered")
        cause = leg.ended.result() if leg.ended.done() else None
        return self._record(
            disposition,
            "bot" if by_us else "callee",
            cause.code if cause else 0,
            cause.reason if cause else "",
        )

    async def _converse(self, leg: Leg, book: PromptBook, dialog: DialogConversation, ear: Ear) -> Outcome:
        order, tools = self.order, self._tools
        self._transcript.answered()
        leg.on_tick = self._on_tick
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
        )

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

        conversation = CallConversation(
            leg,
            dialog,
            mouth,
            ear,
            self._inbox,
            KnowledgeCheck(order.tail_mac, lambda tail: tools.mac_of(order.case_id, tail)),
            self._transcript,
            order.today,
            Surroundings(note_command, hand_over),
        )
        return await self._recorded(conversation)

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

    def _on_early_tick(self, theirs: bytes, ours: bytes) -> None:
        if self._early is not None:
            self._early.on_tick(theirs)

    def _on_tick(self, theirs: bytes, ours: bytes) -> None:
        assert self._recorder is not None and self._ear is not None
        self._ear.hear(theirs)
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
        if (machine := verdict(utterance)) is not None:
            self._transcript.heard(utterance, "network")
            self._inbox.put(machine)
            return
        self._inbox.put(utterance)

    # ---- the end ----

    async def _hang_up(self, leg: Leg) -> None:
        if not leg.ended.done():
            await leg.hangup()
            await asyncio.wait({leg.ended}, timeout=CLOSE_WITHIN_S)

    async def _sealed(self, outcome: Outcome, recorder: Recorder, cause: Cause | None) -> CallRecord:
        recording = await asyncio.get_running_loop().run_in_executor(None, recorder.seal)
        return self._transcript.record(
            outcome.disposition,
            worker=self._tools.worker,
            ended_by=outcome.ended_by,
            sip_code=cause.code if cause else 200,
            sip_reason=cause.reason if cause else "",
            promise_date=outcome.promise_date,
            callback_at=outcome.callback_at,
            recording=recording,
            engines=self._tools.engines,
        )

    def _record(self, disposition: Disposition, by: EndedBy, code: int, reason: str) -> CallRecord:
        return self._transcript.record(
            disposition,
            worker=self._tools.worker,
            ended_by=by,
            sip_code=code,
            sip_reason=reason,
        )
