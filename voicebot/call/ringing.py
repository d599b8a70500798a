"""From the INVITE to the answer, or to what came instead of one: a SIP result, an announcement, a tone,
or nothing for as long as the campaign lets a phone ring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sip.cause import CauseKind
from sip.leg import Leg
from voicebot.call.early_media import EarlyMedia
from voicebot.speech.asr.client import SpeechService
from voicebot.speech.vad import TwoStageVad
from voicebot.store.states import Disposition

LAST_WORDS_S = 1.5
"""An announcement that the final response cuts off is still read within this time."""

BY_CAUSE: dict[CauseKind, Disposition] = {
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
_NOBODY_CAME = frozenset({Disposition.NO_ANSWER, Disposition.UNREACHABLE, Disposition.CARRIER_FAILED})


class Ringing:
    """One leg that was dialled.  Its ticks go to `on_tick` until the answer."""

    def __init__(
        self, leg: Leg, ring_s: float, speech: SpeechService, new_vad: Callable[[], TwoStageVad]
    ) -> None:
        self._leg, self._ring_s = leg, ring_s
        self._speech, self._new_vad = speech, new_vad
        self._early: EarlyMedia | None = None
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def give_up(self) -> None:
        """Somebody wants this call ended: `wait` returns as at the end of the ringing time."""
        if not self._given_up.done():
            self._given_up.set_result(None)

    @property
    def announcement(self) -> str:
        """What the network said, as recognised; empty when it said nothing."""
        return self._early.text if self._early is not None else ""

    def early_media(self) -> bool:
        """A 183 came.  True when it is the first one: its audio is listened to from now on."""
        if self._early is not None:
            return False
        self._early = EarlyMedia()
        self._early.start(self._speech, self._new_vad())
        return True

    def on_tick(self, theirs: bytes, ours: bytes) -> None:
        if self._early is not None:
            self._early.on_tick(theirs)

    async def wait(self) -> Disposition | None:
        """None when answered; else what the attempt came to without an answer."""
        loop, leg = asyncio.get_running_loop(), self._leg
        give_up_at = loop.time() + self._ring_s
        while (left := give_up_at - loop.time()) > 0:
            waiting: set[asyncio.Future[Any]] = {leg.answered, leg.ended, self._given_up}
            if self._early is not None:
                waiting.add(self._early.verdict)
            await asyncio.wait(waiting, timeout=min(left, 0.5), return_when=asyncio.FIRST_COMPLETED)
            if leg.answered.done() and not leg.answered.cancelled():
                return None
            if self._early is not None and leg.ended.done():
                await self._early.last_words(LAST_WORDS_S)
            if self._early is not None and self._early.verdict.done():
                return self._early.verdict.result()
            if leg.ended.done():
                return self._unless_announced(BY_CAUSE[leg.ended.result().kind])
            if self._given_up.done():
                break
        return self._unless_announced(Disposition.NO_ANSWER)

    def _unless_announced(self, result: Disposition) -> Disposition:
        """The network's own words say more than a result that only means that nobody came."""
        announced = self._early.if_nobody_answers if self._early is not None else None
        return announced if announced is not None and result in _NOBODY_CAME else result

    async def close(self) -> None:
        if self._early is not None:
            await self._early.close()
