"""What a call tells the desk of its handoff: the card before anybody is rung, each step, each word said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from dialogs.policy import Command
from handoff.card import BRIEFING, STEP, TURNS, Briefing, Card, CardFact, CardLine, CardTurn
from handoff.settings import QueueSettings
from voicebot.call.link import Link
from voicebot.call.order import DialOrder
from voicebot.call.prompt_book import LineRefused, PromptBook
from voicebot.call.record import Decision, Turn
from voicebot.call.transcript import Transcript
from voicebot.quality.redaction import redact
from voicebot.store.masking import mask_name

LOOK_S = 0.2
"""New words are on the desk within this time."""
NAME = "debtor_name"
VERIFIED = 2
SHOWN = (
    "product",
    "amount_due",
    "principal",
    "interest",
    "penalty",
    "due_date",
    "overdue_days",
    "plan_count",
    "plan_amount",
    "plan_first_date",
    "last_promise",
    "official_no",
)
"""Case slots an agent works with; what names or numbers a person is never among them."""
AGREED = ("promise_date", "callback_day", "callback_time")
SUGGESTED: Mapping[str, tuple[str, ...]] = {
    "general": ("A.how", "A.detail", "B.full", "A.partial", "B.paper"),
    "instalment": ("B.ability", "B.plan", "B.cost", "B.accept_read", "B.no_new_debt"),
    "hardship": ("B.empathy", "A.hard", "B.paper", "B.no_new_debt"),
    "complaint": ("C.complaint", "B.paper"),
    "dispute": ("C.dispute", "A.detail", "B.paper"),
    "care": ("C.vulnerable", "C.crisis", "B.empathy"),
}
"""By queue: lines of the approved track that an agent may say too."""
UNVERIFIED = ("C.verify", "C.verify_why")
TO_CONTACT = ("D.what", "D.relay", "D.thanks")
ALWAYS = ("B.family", "C.fraud")


class DeskFeed:
    """One handoff's.  Nothing here waits: a desk that is not there costs the call nothing."""

    def __init__(self, link: Link, order: DialOrder, book: PromptBook, transcript: Transcript) -> None:
        self._link, self._order, self._book, self._transcript = link, order, book, transcript
        self._told = 0

    def open(self, command: Command, settings: QueueSettings) -> None:
        """Tells the card, with all that was said; to be called before a seat is asked for."""
        self._told = 0
        turns = self._new_turns()
        briefing = Briefing(card=self._card(command, settings, turns), name=self._name)
        self._link.tell(BRIEFING, **briefing.model_dump(mode="json"))

    def step(self, state: str, detail: str) -> None:
        """Tells a step of the handoff."""
        self._link.tell(STEP, attempt_id=self._order.attempt_id, state=state, detail=detail)

    async def follow(self) -> None:
        """Tells what is said, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.catch_up()

    def catch_up(self) -> None:
        """Tells what was said since."""
        if turns := self._new_turns():
            said = [turn.model_dump() for turn in turns]
            self._link.tell(TURNS, attempt_id=self._order.attempt_id, turns=said)

    @property
    def _name(self) -> str:
        slot = self._order.slots.get(NAME)
        return slot.value if slot is not None else ""

    def _new_turns(self) -> list[CardTurn]:
        new = self._transcript.turns[self._told :]
        self._told += len(new)
        return [self._shown(turn) for turn in new]

    def _shown(self, turn: Turn) -> CardTurn:
        text = redact(turn.text, turn.speaker, [self._name])
        return CardTurn(speaker=turn.speaker, at_s=round(turn.start_s, 1), text=text)

    def _card(self, command: Command, settings: QueueSettings, turns: Sequence[CardTurn]) -> Card:
        order, level = self._order, _level(self._transcript.decisions)
        to_contact = bool(order.flags.get("to_contact"))
        verified = level >= VERIFIED and not to_contact
        return Card(
            attempt_id=order.attempt_id,
            campaign=order.campaign,
            case_id=order.case_id,
            phone_masked=order.phone_masked,
            name_masked=mask_name(self._name),
            to_contact=to_contact,
            queue=settings.name,
            reason=command.reason,
            priority=command.priority,
            level=level,
            disposition=command.disposition,
            facts=tuple(self._facts()),
            agreed=tuple(
                CardFact(key=key, text=command.slots[key]) for key in AGREED if key in command.slots
            ),
            lines=tuple(self._lines(settings.name, command.slots, level, to_contact)),
            reminders=_reminders(settings.name, verified, to_contact),
            turns=tuple(turns),
        )

    def _facts(self) -> list[CardFact]:
        slots = self._order.slots
        return [
            CardFact(key=key, text=_readable(slots[key].type, slots[key].value))
            for key in SHOWN
            if key in slots
        ]

    def _lines(self, queue: str, agreed: Mapping[str, str], level: int, to_contact: bool) -> list[CardLine]:
        """Lines of the approved track with this case's values; those that it may not hear, or that lack a
        value, are left out."""
        first = TO_CONTACT if to_contact else () if level >= VERIFIED else UNVERIFIED
        listener = "contact" if to_contact else "debtor"
        run_slots, lines = {**self._order.run_slots, **agreed}, []
        for line_id in dict.fromkeys((*first, *SUGGESTED.get(queue, ()), *ALWAYS)):
            try:
                text = self._book.text(line_id, run_slots, level=max(level, 1), listener=listener)
            except LineRefused:
                continue
            lines.append(CardLine(id=line_id, text=redact(text, "bot", [self._name])))
        return lines


def _level(decisions: Sequence[Decision]) -> int:
    return decisions[-1].level if decisions else 0


def _readable(kind: str, value: str) -> str:
    return f"¥{int(value) / 100:,.2f}" if kind == "money" else value


def _reminders(queue: str, verified: bool, to_contact: bool) -> tuple[str, ...]:
    """Codes of `handoff.desk.words`."""
    first = "contact" if to_contact else "verified" if verified else "not_verified"
    own = {"care": ("care",), "hardship": ("care", "no_promise"), "complaint": ("complaint",)}
    return (first, *own.get(queue, ("no_promise",)), "recorded", "conduct")
