"""The leg to an agent, watched together with the debtor's: no wait on one misses the other's end."""

from __future__ import annotations

import asyncio
from typing import Any

from handoff.states import SeatOutcome
from sip.cause import Cause, CauseKind
from sip.errors import SipError
from sip.leg import Leg, LegEvent, Playback

HANG_UP_WITHIN_S = 2.0
"""A leg that is still not hung up then is left to the softphone: the agent's seat must not wait for it."""

_OUTCOME_OF = {
    CauseKind.BUSY: SeatOutcome.BUSY,
    CauseKind.REJECTED: SeatOutcome.DECLINED,
    CauseKind.NO_ANSWER: SeatOutcome.NO_ANSWER,
    CauseKind.CANCELLED: SeatOutcome.NO_ANSWER,
}


class DebtorGone(Exception):
    """The debtor hung up."""


class ConsultLeg:
    """One try to reach one agent.  Every wait ends at once with DebtorGone when the debtor hangs up."""

    def __init__(self, leg: Leg, debtor: Leg) -> None:
        self.leg, self._debtor = leg, debtor
        self._next: asyncio.Task[LegEvent] | None = None

    async def event(self, until: float | None, *also: asyncio.Future[Any]) -> LegEvent | None:
        """The agent's leg's next event; None when loop time `until` is reached or one of `also` is done."""
        if self._next is None:
            self._next = asyncio.ensure_future(self.leg.events.get())
        left = None if until is None else max(0.0, until - asyncio.get_running_loop().time())
        either: set[asyncio.Future[Any]] = {self._next, self._debtor.ended, *also}
        await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if self._debtor.ended.done():
            raise DebtorGone
        if not self._next.done():
            return None
        event, self._next = self._next.result(), None
        return event

    async def ring(self, until: float) -> SeatOutcome | None:
        """Waits for the agent to answer.  None when they did, else why not."""
        while (event := await self.event(until)) is not None:
            if event.kind == "answered":
                return None
            if event.kind == "ended":
                return _why_not(event.cause)
        return SeatOutcome.NO_ANSWER

    async def accept(
        self, whisper: Playback, key: str | None, key_s: float, until: float
    ) -> SeatOutcome | None:
        """Waits for the agent to accept, while the whisper plays and `key_s` after it.  None: accepted."""
        loop = asyncio.get_running_loop()
        while not whisper.done.done():
            if (event := await self.event(until, whisper.done)) is None:
                if loop.time() >= until:
                    return SeatOutcome.WAIT_OVER
            elif event.kind == "ended":
                return SeatOutcome.DROPPED
            elif event.kind == "dtmf" and event.digit == key:
                return None
        if not whisper.done.result():
            return SeatOutcome.DROPPED  # only a leg that ended stops its whisper
        if key is None:
            return None
        last = min(until, loop.time() + key_s)
        while (event := await self.event(last)) is not None:
            if event.kind == "ended":
                return SeatOutcome.DROPPED
            if event.kind == "dtmf" and event.digit == key:
                return None
        return SeatOutcome.WAIT_OVER if last == until else SeatOutcome.NOT_ACCEPTED

    async def talk(self, return_key: str | None) -> SeatOutcome:
        """Until the agent hangs up (TALKED) or gives the debtor back (RETURNED)."""
        while (event := await self.event(None)) is not None:
            if event.kind == "ended":
                return SeatOutcome.TALKED
            if event.kind == "dtmf" and event.digit == return_key:
                return SeatOutcome.RETURNED
        raise AssertionError("a wait without an end has ended")

    async def say_goodbye(self, playback: Playback) -> None:
        """Lets a short line to the agent play out, unless they hang up first."""
        either: set[asyncio.Future[Any]] = {playback.done, self.leg.ended}
        await asyncio.wait(either, timeout=playback.seconds + 0.5, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Cancels or hangs up; never raises for a leg that is gone, never waits long."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        await close_leg(self.leg)


async def close_leg(leg: Leg) -> None:
    """Hangs a leg up within HANG_UP_WITHIN_S."""
    try:
        async with asyncio.timeout(HANG_UP_WITHIN_S):
            await leg.hangup()
    except (TimeoutError, SipError):
        return


def _why_not(cause: Cause | None) -> SeatOutcome:
    return _OUTCOME_OF.get(cause.kind, SeatOutcome.UNREACHABLE) if cause else SeatOutcome.UNREACHABLE
