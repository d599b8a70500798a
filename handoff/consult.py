"""The warm transfer of one debtor to an agent, on the worker's side.

The debtor has heard the approved line and hears hold from here on.  A seat is reserved, the consult leg
rings, the agent alone hears the whisper, accepts, and the legs are joined in our own process.  Whoever
declines, does not answer or drops out is followed by the next seat, until the wait is over.  Every wait also
watches the debtor: when they hang up, the consult leg ends at once and an agent who has answered is told why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from handoff.consult_leg import ConsultLeg, DebtorGone, close_leg
from handoff.result import TransferResult
from handoff.seat import Desk, NobodyComes, Seat
from handoff.settings import QueueSettings
from handoff.states import DeskAct, HandoffMachine, HandoffState, SeatOutcome
from sip import bridge
from sip.errors import DialError, NoSlot, SipError
from sip.leg import Leg, LegState, Playback
from sip.softphone import Softphone

__all__ = ["QueueSettings", "Seat", "TransferResult", "WarmTransfer"]

log = structlog.get_logger()

ASK_AGAIN_S = 0.5
"""Pause between two questions to the queue while nobody is free; far below the queue's patience."""
LEAST_RING_S = 0.2
"""With less of the wait left than this, no phone is made to ring any more."""
ENDED_WITHIN_S = 1.0
"""A leg that refuses work has ended; the word of it follows within this time."""
ATTEMPT_HEADER = "X-Voicebot-Attempt"
"""On the consult leg's INVITE: the agent's desk shows the card of this attempt before there is audio."""


class _NobodyCame(Exception):
    """The message is a reason code."""


class WarmTransfer:
    """One handoff of one call; `run` works once.

    debtor: the connected debtor leg; only its `ended` is watched, its events stay the owner's.
    whisper: WAV for the agent.  hold: WAV that is looped to the debtor.
    gone: WAV for an agent whose debtor hung up.
    on_state(state, detail): told of each step; detail is an agent's id or a reason code.
    """

    def __init__(
        self,
        debtor: Leg,
        phone: Softphone,
        desk: Desk,
        *,
        whisper: Path,
        hold: Path,
        settings: QueueSettings,
        attempt_id: str,
        on_state: Callable[[HandoffState, str], None] = lambda state, detail: None,
        gone: Path | None = None,
    ) -> None:
        self._debtor, self._phone, self._desk = debtor, phone, desk
        self._whisper, self._hold, self._gone = whisper, hold, gone
        self._settings, self._attempt_id, self._on_state = settings, attempt_id, on_state
        self._machine = HandoffMachine()
        self._loop = asyncio.get_running_loop()
        self._result = TransferResult(HandoffState.REQUESTED, self._loop.time())
        self._deadline = 0.0
        self._holding: Playback | None = None
        self._seat: Seat | None = None
        self._consult: ConsultLeg | None = None
        self._reserving: asyncio.Task[Seat | None] | None = None
        self._dialling: asyncio.Task[Leg] | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._outcome = SeatOutcome.WITHDRAWN
        self._started = False
        self._on_hold = False

    @property
    def state(self) -> HandoffState:
        return self._machine.state

    def act(self, agent_id: str, act: DeskAct, queue: str = "") -> bool:
        """What the agent of this seat does on the desk; `queue`: where the debtor is passed on to.

        False when the seat is not theirs, or nobody is rung.
        """
        if self._consult is None or self._seat is None or self._seat.agent_id != agent_id:
            return False
        if act is DeskAct.PASS_ON:
            if not queue or self.state is not HandoffState.BRIDGED:
                return False
            self._result.passed_to = queue
        self._consult.act(act)
        return True

    async def run(self) -> TransferResult:
        """Returns when the handoff is over: talked and hung up, returned, nobody came, or the debtor is gone.

        The debtor leg is left as it is; the consult leg is ended, the seat released, hold silent.
        RuntimeError when it was run before.
        """
        if self._started:
            raise RuntimeError("a handoff runs once")
        self._started = True
        self._result.asked_at = self._loop.time()
        self._deadline = self._result.asked_at + self._settings.max_wait_s
        try:
            await self._find_agent()
            await self._talk()
        except DebtorGone:
            await self._debtor_gone()
        except _NobodyCame as nobody:
            await self._hold_off()
            self._result.reason = str(nobody)
            self._end(HandoffState.CALLBACK, str(nobody))
        finally:
            # Also when the owner is cancelled in the midst of it: nothing may stay behind.
            self._clearing = asyncio.ensure_future(self._clear_up())
            await asyncio.shield(self._clearing)
        return self._result

    # ---- the way to an agent

    async def _find_agent(self) -> None:
        """Rings one seat after another, until an agent and the debtor hear each other."""
        self._check_debtor()
        for left in reversed(range(self._settings.tries)):
            await self._hold_on()
            self._move(HandoffState.RESERVING)
            self._seat = await self._reserve()
            refused = await self._try_seat(self._seat)
            if refused is None:
                return
            self._outcome = refused
            self._check_debtor()
            # Who waits in vain is told so first; the agent's leg is cleared up after that.
            if refused is SeatOutcome.NO_LINE:
                raise _NobodyCame("no_line")
            if refused is SeatOutcome.WAIT_OVER or self._wait_over():
                raise _NobodyCame("wait_over")
            if not left:
                raise _NobodyCame("tries_used_up")
            await self._give_up_seat()

    async def _reserve(self) -> Seat:
        tried = {agent_id for agent_id, _ in self._result.tried}
        while not self._wait_over():
            # A task of its own: a debtor who hangs up must not lose the answer, it may hold a seat.
            ask = self._desk.reserve(self._settings.name, self._attempt_id, tried)
            self._reserving = asyncio.ensure_future(ask)
            await self._watching_debtor(self._reserving)
            answered, self._reserving = self._reserving, None
            try:
                seat = answered.result()
            except NobodyComes as nobody:
                raise _NobodyCame(str(nobody)) from None
            except (ConnectionError, TimeoutError) as fault:
                log.warning("desk_lost", attempt_id=self._attempt_id, fault=type(fault).__name__)
                raise _NobodyCame("desk_lost") from None
            if seat is not None:
                return seat
            await asyncio.wait({self._debtor.ended}, timeout=ASK_AGAIN_S)
            self._check_debtor()
        raise _NobodyCame("wait_over")

    async def _try_seat(self, seat: Seat) -> SeatOutcome | None:
        """Rings, briefs and joins.  None when both hear each other, else why this seat did not work out."""
        self._result.agent_id = seat.agent_id
        try:
            consult = await self._dial(seat)
            self._move(HandoffState.RINGING, seat.agent_id)
            self._result.ringing_at = self._result.ringing_at or self._loop.time()
            refused = await consult.ring(min(self._loop.time() + self._settings.ring_s, self._deadline))
            if refused is not None:
                return refused
            self._check_debtor()
            return await self._brief_and_join(consult, seat)
        except NoSlot:
            return SeatOutcome.NO_LINE
        except DialError:
            return SeatOutcome.UNREACHABLE
        except SipError:
            # A leg refused work because it has just ended; whose, the next check tells.
            ends = {self._debtor.ended} | ({self._consult.leg.ended} if self._consult else set())
            await asyncio.wait(ends, timeout=ENDED_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            self._check_debtor()
            return SeatOutcome.DROPPED

    async def _dial(self, seat: Seat) -> ConsultLeg:
        call = self._phone.dial(seat.uri, headers=((ATTEMPT_HEADER, self._attempt_id),))
        self._dialling = asyncio.ensure_future(call)
        await self._watching_debtor(self._dialling)
        dialled, self._dialling = self._dialling, None
        self._consult = ConsultLeg(dialled.result(), self._debtor)
        return self._consult

    async def _brief_and_join(self, consult: ConsultLeg, seat: Seat) -> SeatOutcome | None:
        settings = self._settings
        self._move(HandoffState.WHISPER, seat.agent_id)
        self._result.whisper_at = self._loop.time()
        whisper = await consult.leg.play(self._whisper)
        refused = await consult.accept(whisper, settings.accept_key, settings.accept_s, self._deadline)
        if refused is not None:
            return refused
        await whisper.stop()
        self._check_debtor()
        await self._hold_off()
        await bridge.join(self._debtor, consult.leg)
        self._check_debtor()
        self._result.bridged_at = self._loop.time()
        self._move(HandoffState.BRIDGED, seat.agent_id)
        with suppress(ConnectionError, TimeoutError):  # the two talk, whether the queue hears of it or not
            await self._desk.bridged(seat)
        return None

    async def _talk(self) -> None:
        assert self._consult is not None
        self._outcome = SeatOutcome.TALKED
        try:
            self._outcome = await self._consult.talk(self._settings.return_key, self._on_act)
        except DebtorGone:
            self._result.ended_by = "debtor"
            self._end(HandoffState.WRAP_UP, "debtor")
            return
        if self._outcome in (SeatOutcome.RETURNED, SeatOutcome.PASSED_ON):
            with suppress(SipError):
                await bridge.part(self._debtor, self._consult.leg)
            await self._hold_off()
            if self._outcome is SeatOutcome.PASSED_ON:
                self._end(HandoffState.PASSED_ON, self._result.passed_to)
            else:
                self._end(HandoffState.RETURNED, self._result.agent_id or "")
        else:
            self._result.ended_by = "agent"
            self._end(HandoffState.WRAP_UP, "agent")

    async def _on_act(self, act: DeskAct) -> None:
        """Hold and mute while the two talk.  A leg that ended meanwhile is seen by the next wait."""
        assert self._consult is not None
        agent = self._consult.leg
        with suppress(SipError, DebtorGone):
            match act:
                case DeskAct.HOLD if not self._on_hold:
                    self._on_hold = True
                    await bridge.part(self._debtor, agent)
                    await self._hold_on()
                case DeskAct.RESUME if self._on_hold:
                    self._on_hold = False
                    await self._hold_off()
                    await bridge.join(self._debtor, agent)
                case DeskAct.MUTE | DeskAct.UNMUTE if not self._on_hold:
                    await bridge.hear(agent, self._debtor, on=act is DeskAct.UNMUTE)
                case _:
                    return
            self._on_state(self.state, f"{act}")

    # ---- endings

    async def _debtor_gone(self) -> None:
        self._outcome = SeatOutcome.DEBTOR_GONE
        self._result.ended_by = "debtor"
        self._end(HandoffState.ABANDONED, "debtor")
        consult = self._consult
        # The leg is asked, not what was last seen of it: the answer may have crossed with the hang-up.
        if consult is not None and consult.leg.state is LegState.CONNECTED and self._gone is not None:
            with suppress(SipError):
                await consult.say_goodbye(await consult.leg.play(self._gone))

    async def _give_up_seat(self) -> None:
        """Ends the consult leg, then frees the agent: their phone is quiet when the next call may ring it."""
        consult, self._consult = self._consult, None
        if consult is not None:
            await consult.close()
        seat, self._seat = self._seat, None
        if seat is not None:
            self._result.tried.append((seat.agent_id, self._outcome))
            await self._release(seat)
            self._outcome = SeatOutcome.WITHDRAWN

    async def _release(self, seat: Seat) -> None:
        try:
            await self._desk.release(seat, self._outcome)
        except (ConnectionError, TimeoutError) as fault:
            # The reservation expires by itself; the queue's end of the line is gone with all its seats.
            log.warning("release_lost", agent=seat.agent_id, fault=type(fault).__name__)

    async def _clear_up(self) -> None:
        if self._dialling is not None:
            with suppress(SipError):
                await close_leg(await self._dialling)
        await self._give_up_seat()
        await self._hold_off()
        if self._reserving is not None:
            with suppress(NobodyComes, ConnectionError, TimeoutError):
                if (late := await self._reserving) is not None:
                    await self._release(late)

    # ---- small things

    async def _hold_on(self) -> None:
        if self._holding is None:
            try:
                self._holding = await self._debtor.play(self._hold, loop=True)
            except SipError:
                await asyncio.wait({self._debtor.ended}, timeout=ENDED_WITHIN_S)
                self._check_debtor()
                raise

    async def _hold_off(self) -> None:
        playing, self._holding = self._holding, None
        if playing is not None:
            with suppress(SipError):
                await playing.stop()

    async def _watching_debtor(self, task: asyncio.Task[Any]) -> None:
        """Until `task` is done; DebtorGone, with the task running on, when the debtor hangs up before."""
        await asyncio.wait({task, self._debtor.ended}, return_when=asyncio.FIRST_COMPLETED)
        self._check_debtor()

    def _check_debtor(self) -> None:
        if self._debtor.ended.done():
            raise DebtorGone

    def _wait_over(self) -> bool:
        return self._deadline - self._loop.time() < LEAST_RING_S

    def _move(self, state: HandoffState, detail: str = "") -> None:
        self._machine.move(state)
        self._result.state = state
        self._on_state(state, detail)

    def _end(self, state: HandoffState, detail: str) -> None:
        self._result.ended_at = self._loop.time()
        self._move(state, detail)
