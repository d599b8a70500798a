"""The worker's side of a handoff: reserves a seat through the supervisor, runs the warm transfer,
writes each step into the transcript and listens to both sides once they talk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import structlog

from dialogs.policy import Command
from handoff.card import Deed
from handoff.consult import TransferResult, WarmTransfer
from handoff.seat import Desk
from handoff.settings import QueueSettings
from handoff.states import HandoffState
from sip.leg import Leg
from sip.softphone import Softphone
from voicebot.call.desk_feed import DeskFeed
from voicebot.call.listening import Ear
from voicebot.call.prompt_book import PromptBook
from voicebot.call.record import HandoffRecord
from voicebot.call.transcript import Transcript
from voicebot.speech.asr.client import SpeechUnavailable

log = structlog.get_logger()

LAST_WORDS_S = 2.0
"""What the agent said last is recognised within this time; the debtor's leg is being closed meanwhile."""
AGENT_LEVEL = 2
"""The agent may know the case; the line itself says that it is for the agent only."""


class HandoverEnd(StrEnum):
    """How a handoff was left."""

    CALLEE_HUNG_UP = "callee_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    FAILED = "failed"
    RETURNED = "returned"
    ABANDONED = "abandoned"


@dataclass
class Handover:
    """One call's way to a person."""

    leg: Leg
    phone: Softphone
    desk: Desk
    book: PromptBook
    transcript: Transcript
    attempt_id: str
    hold: Path
    queues: dict[str, QueueSettings]
    open_agent_ear: Callable[[], Awaitable[Ear]]
    "Opens an ear for the agent's voice; the call feeds it once the legs are joined."
    feed: DeskFeed
    _transfer: WarmTransfer | None = None
    _ears_closing: list[asyncio.Future[None]] = field(default_factory=list)

    def act(self, deed: Deed) -> bool:
        """What an agent does on the desk; False when the call is not with them, or there is no such queue."""
        if self._transfer is None or (deed.queue and deed.queue not in self.queues):
            return False
        return self._transfer.act(deed.agent_id, deed.act, deed.queue)

    async def run(self, command: Command) -> HandoverEnd:
        """Returns when the handoff is over, one way or another; a queue may pass the debtor on."""
        following = asyncio.ensure_future(self.feed.follow())
        try:
            result = await self._to_queue(command, command.queue)
            while result.passed_on:
                result = await self._to_queue(command, result.passed_to)
        finally:
            try:
                await asyncio.gather(*self._ears_closing)
            finally:
                following.cancel()
                self.feed.catch_up()
        return self._end(result)

    async def _to_queue(self, command: Command, queue: str) -> TransferResult:
        transcript = self.transcript
        record = transcript.handoff = HandoffRecord(asked_s=transcript.at_s, queue=queue)
        settings = self.queues.get(queue) or self.queues["general"]
        whisper = self.book.prompt(
            settings.whisper_line, {"whisper_reason": command.reason}, level=AGENT_LEVEL, listener="agent"
        )

        def on_state(state: HandoffState, detail: str) -> None:
            transcript.event(f"handoff_{state}", detail)
            self.feed.step(state.value, detail)
            record.result = state.value
            match state:
                case HandoffState.RINGING if record.ringing_s is None:
                    record.ringing_s = transcript.at_s
                case HandoffState.WHISPER:
                    record.whisper_s = transcript.at_s
                case HandoffState.BRIDGED if record.bridged_s is None:
                    record.bridged_s = transcript.at_s
                case _:
                    pass

        self._show_card(command, settings)
        agent_ear = await self._agent_ear()
        try:
            self._transfer = WarmTransfer(
                self.leg,
                self.phone,
                self.desk,
                whisper=whisper.wav,
                hold=self.hold,
                settings=settings,
                attempt_id=self.attempt_id,
                on_state=on_state,
            )
            result = await self._transfer.run()
            record.agent = result.agent_id
        finally:
            record.ended_s = transcript.at_s
            self._transfer = None
            if agent_ear is not None:  # beside what follows: a debtor who is passed on hears hold at once
                self._ears_closing.append(asyncio.ensure_future(_last_words(agent_ear)))
        return result

    def _show_card(self, command: Command, settings: QueueSettings) -> None:
        try:
            self.feed.open(command, settings)
        except Exception as fault:  # its type only; without a card the debtor gets a person all the same
            log.error("no_card", attempt_id=self.attempt_id, fault=type(fault).__name__)

    async def _agent_ear(self) -> Ear | None:
        """None when the speech service is down: the debtor gets a person all the same, just no transcript."""
        try:
            return await self.open_agent_ear()
        except SpeechUnavailable as fault:
            self.transcript.event("asr_fault", str(fault))
            return None

    def _end(self, result: TransferResult) -> HandoverEnd:
        if result.returned:
            return HandoverEnd.RETURNED
        if result.bridged:
            return HandoverEnd.CALLEE_HUNG_UP if self.leg.ended.done() else HandoverEnd.AGENT_HUNG_UP
        return HandoverEnd.ABANDONED if self.leg.ended.done() else HandoverEnd.FAILED


async def _last_words(ear: Ear) -> None:
    await ear.last_words(LAST_WORDS_S)
    await ear.close()
