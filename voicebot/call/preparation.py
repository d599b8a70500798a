"""What must be there before an INVITE: rendered lines, the dialog, an ear, the trunk, the permit."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dialogs.policy import Conversation, DialogUnavailable
from voicebot.call.equipment import Equipment
from voicebot.call.order import DialOrder
from voicebot.call.prompt_book import LineRefused, PromptBook
from voicebot.speech.asr.client import Recognizer, SpeechUnavailable

PERMIT_WITHIN_S = 10.0
"""A permit is good for so long after it was asked for: less than 70 % of a worker's lease in the ledger, so
that a worker that was frozen meanwhile does not dial what was given up."""
TRUNK_DOWN = "the trunk is not registered"
"""Why an order led to no INVITE when its registration went meanwhile."""


class NotDialled(RuntimeError):
    """The attempt ended before the INVITE: refused by the gate, or a part of the site was missing."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class Preparation:
    """One order's.  Whatever is missing raises NotDialled: nothing has left then."""

    def __init__(self, order: DialOrder, tools: Equipment) -> None:
        self._order, self._tools = order, tools

    def book(self, folder: Path) -> PromptBook:
        """The track's lines for this case, all rendered; what is made for the call goes to `folder`."""
        order, tools = self._order, self._tools
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

    async def dialog(self) -> Conversation:
        """Its conversation with the dialog service."""
        order = self._order
        try:
            return await self._tools.policy.open(
                order.attempt_id, order.digest, flags=order.flags, slots=order.run_slots, today=order.today
            )
        except DialogUnavailable as fault:
            raise NotDialled(f"dialog service: {fault}") from None

    async def recognizer(self) -> Recognizer:
        """Hears the far end: a call that cannot hear is not placed."""
        try:
            return await self._tools.speech.open("live")
        except SpeechUnavailable as fault:
            raise NotDialled(f"speech service: {fault}") from None

    def trunk(self) -> None:
        """To be asked before the permit: nothing is counted then."""
        if not self._tools.phone.trunk_status.ready:
            raise NotDialled(TRUNK_DOWN)

    async def permit(self) -> None:
        """The gate's last word.  No answer is no permission, nor is one that was long on its way."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            permit = await self._tools.link.ask(
                "permit", within_s=PERMIT_WITHIN_S, attempt_id=self._order.attempt_id
            )
        except (TimeoutError, RuntimeError) as fault:
            raise NotDialled(f"no permission: {type(fault).__name__}") from None
        if not permit["allowed"]:
            raise NotDialled(permit["reason"], refused=True)
        if loop.time() - asked_at > PERMIT_WITHIN_S:
            raise NotDialled("the permission came too late")
