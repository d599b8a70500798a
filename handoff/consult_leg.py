"""The leg to an agent, watched together with the debtor's: no wait on one misses the other's end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from handoff.states import DeskAct, SeatOutcome
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
        self._acts: asyncio.Queue[DeskAct] = asyncio.Queue()
        self._next: asyncio.Task[LegEvent] | None = None
        self._next_act: asyncio.Task[DeskAct] | None = None
        self._accepted = False

    def act(self, act: DeskAct) -> None:
        """The agent pressed a button of the desk: taken in like a key of the phone."""
        self._acts.put_nowait(act)

    async def event(self, until: float | None, *also: asyncio.Future[Any]) -> LegEvent | DeskAct | None:
        """What the agent's leg, or the agent on the desk, does next; None when loop time `until` is reached
        or one of `also` is done."""
        if self._next is None:
            self._next = asyncio.ensure_future(self.leg.events.get())
        if self._next_act is None:
            self._next_act = asyncio.ensure_future(self._acts.get())
        left = None if until is None else max(0.0, until - asyncio.get_running_loop().time())
        either: set[asyncio.Future[Any]] = {self._next, self._next_act, self._debtor.ended, *also}
        await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if self._debtor.ended.done():
            raise DebtorGone
        if self._next.done():
            event, self._next = self._next.result(), None
            return event
        if self._next_act.done():
            act, self._next_act = self._next_act.result(), None
            return act
        return None

    async def ring(self, until: float) -> SeatOutcome | None:
        """Waits for the agent to answer.  None when they did, else why not."""
        while (event := await self.event(until)) is not None:
            if isinstance(event, DeskAct):
                if event is DeskAct.DECLINE:
                    return SeatOutcome.DECLINED
                self._accepted = self._accepted or event is DeskAct.ACCEPT
            elif event.kind == "answered":
                return None
            elif event.kind == "ended":
                return _why_not(event.cause)
        return SeatOutcome.NO_ANSWER

    async def accept(
        self, whisper: Playback, key: str | None, key_s: float, until: float
    ) -> SeatOutcome | None:
        """Waits for the agent to accept, while the whisper plays and `key_s` after it.  None: accepted."""
        loop = asyncio.get_running_loop()
        while not whisper.done.done():
            event = await self.event(until, whisper.done)
            if event is None and loop.time() >= until:
                return SeatOutcome.WAIT_OVER
            if (refused := _refused(event)) is not None:
                return refused
            if event is not None and _accepts(event, key):
                return None
        if not whisper.done.result():
            return SeatOutcome.DROPPED  # only a leg that ended stops its whisper
        if key is None or self._accepted:
            return None
        last = min(until, loop.time() + key_s)
        while (event := await self.event(last)) is not None:
            if (refused := _refused(event)) is not None:
                return refused
            if _accepts(event, key):
                return None
        return SeatOutcome.WAIT_OVER if last == until else SeatOutcome.NOT_ACCEPTED

    async def talk(self, return_key: str | None, on_act: Callable[[DeskAct], Awaitable[None]]) -> SeatOutcome:
        """Until the agent hangs up (TALKED), gives the debtor back (RETURNED) or passes them on (PASSED_ON);
        `on_act` does the rest."""
        while (event := await self.event(None)) is not None:
            if isinstance(event, DeskAct):
                if event is DeskAct.HANG_UP:
                    return SeatOutcome.TALKED
                if event is DeskAct.RETURN:
                    return SeatOutcome.RETURNED
                if event is DeskAct.PASS_ON:
                    return SeatOutcome.PASSED_ON
                await on_act(event)
            elif event.kind == "ended":
                return SeatOutcome.TALKED
            elif event.kind == "dtmf" and event.digit == return_key:
                return SeatOutcome.RETURNED
        raise AssertionError("a wait without an end has ended")

    async def say_goodbye(self, playback: Playback) -> None:
        """Lets a short line to the agent play out, unless they hang up first."""
        either: set[asyncio.Future[Any]] = {playback.done, self.leg.ended}
        await asyncio.wait(either, timeout=playback.seconds + 0.5, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Cancels or hangs up; never raises for a leg that is gone, never waits long."""
        for waiting in (self._next, self._next_act):
            if waiting is not None:
                waiting.cancel()
        self._next = self._next_act = None
        await close_leg(self.leg)


def _accepts(event: LegEvent | DeskAct, key: str | None) -> bool:
    if isinstance(event, DeskAct):
        return event is DeskAct.ACCEPT
    return event.kind == "dtmf" and event.digit == key


def _refused(event: LegEvent | DeskAct | None) -> SeatOutcome | None:
    if event is DeskAct.DECLINE:
        return SeatOutcome.DECLINED
    return SeatOutcome.DROPPED if isinstance(event, LegEvent) and event.kind == "ended" else None


async def close_leg(leg: Leg) -> None:
    """Hangs a leg up within HANG_UP_WITHIN_S."""
    try:
        async with asyncio.timeout(HANG_UP_WITHIN_S):
            await leg.hangup()
    except (TimeoutError, SipError):
        return


def _why_not(cause: Cause | None) -> SeatOutcome:
    return _OUTCOME_OF.get(cause.kind, SeatOutcome.UNREACHABLE) if cause else SeatOutcome.UNREACHABLE
