"""One call on its way to a person: real transfer, words by script, the talk track's lines without sound."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialogs.manifest import Manifest
from dialogs.policy import Command
from dialogs.track import Track
from handoff.seat_line import LineDesk
from sip.leg import Leg
from tests.handoff.paper_phone import end, tone
from voicebot.call.desk_feed import DeskFeed
from voicebot.call.handing_over import Handover, HandoverEnd
from voicebot.call.order import CaseSlot, DialOrder
from voicebot.call.prompt_book import Prompt, PromptBook
from voicebot.call.record import Decision, Turn
from voicebot.call.transcript import Transcript
from voicebot.speech.asr.client import SpeechUnavailable
from voicebot.speech.tts.cache import PromptCache

if TYPE_CHECKING:
    from tests.handoff.desk.run_in_town import RunInTown

NAME, PHONE = "陈志明", "13812345678"
COMMAND = Command(
    "handoff",
    "HUMAN",
    queue="instalment",
    reason="客户希望分期",
    slots={"promise_date": "2026-03-10"},
)


class Book:
    """The talk track's own lines, without their sound: what is played is a tone."""

    def __init__(self, folder: Path, order: DialOrder, whisper_s: float) -> None:
        self._wav, self._whisper_s = tone(folder / "whisper.wav", 800, whisper_s), whisper_s
        case = {name: (slot.type, slot.value) for name, slot in order.slots.items()}
        self._lines = PromptBook(
            track(), PromptCache(folder), order.voice, case, order.flags, order.today, folder
        )

    def prompt(self, line_id: str, run_slots: Mapping[str, str], *, level: int, listener: str) -> Prompt:
        return Prompt(line_id, "", self._wav, self._whisper_s)

    def text(self, line_id: str, run_slots: Mapping[str, str], *, level: int, listener: str) -> str:
        return self._lines.text(line_id, run_slots, level=level, listener=listener)


@lru_cache
def track() -> Manifest:
    """A talk track as it is approved."""
    return Manifest.of(Track.load(Path("dialogs/talktracks/instalment.yaml")))


class HandedOver:
    """One call on its way to a person."""

    def __init__(
        self,
        run: RunInTown,
        phone: Any,
        debtor: Leg,
        attempt_id: str,
        level: int,
        command: Command,
        whisper_s: float,
    ) -> None:
        self.run, self.phone, self.debtor, self.attempt_id = run, phone, debtor, attempt_id
        loop = asyncio.get_running_loop()
        order = _order(attempt_id, run.name)
        self.transcript = Transcript(order, datetime.now, loop.time)
        self.transcript.answered()
        self.transcript.decisions.append(Decision(at_s=0, event="speech", level=level))
        self.says("bot", f"您好，请问您是{NAME}本人吗？")
        self.says("debtor", "是我，我现在没有那么多钱，想分期还。")
        self.says("bot", "好的，正在帮您转接人工，请不要挂机。")
        book: Any = Book(run.folder, order, whisper_s)
        link: Any = run
        self.handover = Handover(
            leg=debtor,
            phone=phone,
            desk=LineDesk(run),
            book=book,
            transcript=self.transcript,
            attempt_id=attempt_id,
            hold=tone(run.folder / "hold.wav", 500, 0.5),
            queues=run.queues,
            open_agent_ear=_deaf,
            feed=DeskFeed(link, order, book, self.transcript),
        )
        run.controls.calls[attempt_id] = self.handover
        self.ended = asyncio.ensure_future(self._run(command))

    def says(self, speaker: Any, text: str) -> None:
        at = self.transcript.at_s
        self.transcript.turns.append(Turn(speaker=speaker, start_s=at, end_s=at + 1, text=text))

    async def debtor_hangs_up(self) -> HandoverEnd:
        """And the handoff is over."""
        end(self.debtor)
        return await self.ended

    async def _run(self, command: Command) -> HandoverEnd:
        try:
            return await self.handover.run(command)
        finally:
            del self.run.controls.calls[self.attempt_id]
            self.run.at_desk.forget(self.attempt_id)


async def _deaf() -> Any:
    raise SpeechUnavailable("none in this test")


def _order(attempt_id: str, campaign: str) -> DialOrder:
    slots = {
        "debtor_name": CaseSlot(type="name", value=NAME),
        "product": CaseSlot(type="name", value="消费贷款"),
        "amount_due": CaseSlot(type="money", value="326050"),
        "due_date": CaseSlot(type="date", value="2026-02-23"),
        "overdue_days": CaseSlot(type="count", value="7"),
        "official_no": CaseSlot(type="number", value="4000095500"),
        "loan_last4": CaseSlot(type="tail", value="4137"),
        "app_name": CaseSlot(type="name", value="海城生活"),
        "inst_name": CaseSlot(type="name", value="海城消金客服中心"),
        "plan_count": CaseSlot(type="count", value="6"),
        "plan_amount": CaseSlot(type="money", value="56000"),
        "plan_first_date": CaseSlot(type="date", value="2026-03-10"),
        "plan_total": CaseSlot(type="money", value="336000"),
    }
    return DialOrder(
        attempt_id=attempt_id,
        campaign=campaign,
        case_id="DEMO-008",
        phone_masked="138****5678",
        request_uri=f"sip:{PHONE}@127.0.0.1",
        caller_uri="sip:bot@127.0.0.1",
        caller="02160000001",
        digest="d" * 64,
        pack="cn@1",
        voice="espeak:cmn",
        slots=slots,
        run_slots={},
        flags={"plan_approved": True},
        tail_mac=None,
        queue="general",
        ring_s=10,
        today=date(2026, 3, 2),
    )
