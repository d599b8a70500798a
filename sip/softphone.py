"""The phone of a process: places and takes calls, and turns what the pj thread reports into events."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import structlog

from sip.capabilities import Capabilities
from sip.engine import CommandFailed, Engine
from sip.errors import DialError, NoSlot, SipError, TrunkDown
from sip.leg import Leg, LegState
from sip.media import CLOCK_RATE, check_frame_layout
from sip.ports import HIGHEST, LOWEST, PortBlock, reserve
from sip.registering import Registering, TrunkStatus
from sip.trunk import Trunk

log = structlog.get_logger()

STOP_WITHIN_S = 8.0
"""Good-byes, their answers and the tear-down; a phone that takes longer hangs and must be killed."""
SWITCH_INTERVAL_S = 0.0005
"""The clock thread of the stack needs the GIL 50 times a second and must not wait 5 ms for it."""
PJ_ETOOMANY = 70010
_URI = re.compile(r"sips?:[^\s<>\"]+")


@dataclass(frozen=True)
class PhoneSettings:
    """A port given as 0 is reserved.  `max_cps` keeps PJSIP's 64 socket keys from running out (it aborts)."""

    ip: str = "127.0.0.1"
    sip_port: int = 0
    rtp_port: int = 0
    ports: tuple[int, int] = (LOWEST, HIGHEST)
    "First and last of the range that ports are reserved from."
    identity: str | None = None
    max_calls: int = 4
    max_cps: float = 25.0
    clock_rate: int = CLOCK_RATE
    user_agent: str = "voicebot"
    trunk: Trunk | None = None
    "Where `dial(..., over_trunk=True)` goes out."
    takes_calls: bool = True
    "False: whoever calls is refused."


class Softphone:
    """One a process at a time.  Use it as `async with Softphone(settings) as phone`."""

    def __init__(self, settings: PhoneSettings | None = None) -> None:
        self.settings = settings or PhoneSettings()
        self.sip_port = 0
        self.trunk_port = 0
        "Where the trunk's TCP or TLS listens; 0 over UDP."
        self.capabilities: Capabilities | None = None
        "Of the installed build; known once started."
        self.registering: Registering | None = None
        "Of a trunk that wants it."
        self.on_trunk: Callable[[TrunkStatus], None] | None = None
        "Told whenever the trunk's registration comes or goes."
        self.incoming: asyncio.Queue[Leg] = asyncio.Queue()
        self._engine: Engine | None = None
        self._ports: PortBlock | None = None
        self._legs: dict[int, Leg] = {}
        self._numbers = itertools.count(1)
        self._next_dial = 0.0
        self._out: collections.deque[tuple[int, str, Any]] = collections.deque()
        self._kicked = False

    # ---- life ----

    async def start(self) -> None:
        """Opens the SIP port.  Raises PortBusy, or SipError for settings that this build can't keep."""
        settings = self.settings
        if settings.clock_rate != CLOCK_RATE:
            raise SipError(f"the clock rate is {CLOCK_RATE} Hz.", key="clock_rate")
        if settings.max_calls < 1 or settings.max_cps <= 0:
            raise SipError("max_calls and max_cps must be positive.", key="max_calls")
        check_frame_layout()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._loop = asyncio.get_running_loop()
        ports = self._ports = reserve(
            settings.ip,
            max_calls=settings.max_calls,
            sip_port=settings.sip_port,
            rtp_port=settings.rtp_port,
            within=settings.ports,
        )
        identity = settings.identity or f"sip:voicebot@{settings.ip}:{ports.sip_port}"
        engine = Engine(
            settings.ip,
            ports,
            identity,
            settings.max_calls,
            settings.user_agent,
            settings.trunk,
            settings.takes_calls,
            self._post,
        )
        try:
            self.capabilities = await asyncio.wrap_future(engine.start())
        except BaseException:  # a start that is given up leaves no thread behind
            engine.stop(0)
            ports.release()
            raise
        self._engine, self.sip_port, self.trunk_port = engine, ports.sip_port, engine.trunk_port
        if settings.trunk is not None and settings.trunk.registration is not None:
            self.registering = Registering(settings.trunk, self.ask, self._tell_of_trunk)
            self.registering.start()

    async def stop(self) -> None:
        """Hangs everything up and closes.  Raises SipError when the stack hangs: then kill the process."""
        if self.registering is not None and self._engine is not None:
            await self.registering.close()
        engine, self._engine = self._engine, None
        if engine is None:
            return
        stopped = await self._loop.run_in_executor(None, engine.stop, STOP_WITHIN_S)
        self._drain()
        for leg in list(self._legs.values()):
            leg.give_up()
        if self._ports is not None:
            self._ports.release()
        if not stopped:
            raise SipError(f"the SIP stack did not stop within {STOP_WITHIN_S:.0f} s.", "Kill the process.")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self.stop()

    # ---- calls ----

    @property
    def call_limit(self) -> int:
        """How many calls this build of PJSIP has room for; 0 before the start."""
        return self.capabilities.call_limit if self.capabilities is not None else 0

    @property
    def trunk_status(self) -> TrunkStatus:
        """Whether calls may go out over the trunk now."""
        if self.registering is not None:
            return self.registering.status
        return TrunkStatus(self.settings.trunk is not None, "needs no registration")

    async def beat(self) -> None:
        """Returns when the pj thread has answered.  Raises SipError when it is gone; may wait for ever."""
        await self.ask("beat")

    def slots_in_use(self) -> int:
        """Call slots that are taken, by legs that were hung up but not yet confirmed too."""
        return self._engine.slots() if self._engine is not None else 0

    async def dial(
        self,
        uri: str,
        *,
        caller: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        over_trunk: bool = False,
    ) -> Leg:
        """Sends an INVITE and returns its leg; `caller` is the URI in From.

        `over_trunk`: with the trunk's transport, login, SRTP and timers; else to a phone of our own.
        Raises NoSlot when every line is taken, TrunkDown when the trunk is not registered, DialError when the
        stack refuses.
        """
        for given in (uri, caller or uri):
            if not _URI.fullmatch(given):
                raise DialError("this is not a SIP URI.", "It reads sip:user@host:port.")
        engine = self._running()
        await self._throttle()
        if over_trunk and not (status := self.trunk_status).ready:
            raise TrunkDown(f"the trunk takes no calls: {status.text}.")
        leg = Leg(self, next(self._numbers), LegState.CALLING, remote_uri=uri, local_uri=caller or "")
        self._legs[leg.id] = leg
        try:
            command = engine.submit("dial", leg.id, uri, caller, tuple(headers), over_trunk)
            leg.sip_call_id, leg.local_uri = await asyncio.wrap_future(command)
        except CommandFailed as fault:
            self._legs.pop(leg.id, None)
            if fault.status == PJ_ETOOMANY:
                raise NoSlot("PJSIP has no free call slot.") from None
            raise DialError(f"the SIP stack refused the call: {fault.reason}.") from None
        except asyncio.CancelledError:
            engine.submit("hangup", leg.id, 0)
            self._legs.pop(leg.id, None)
            raise
        except SipError:
            self._legs.pop(leg.id, None)
            raise
        return leg

    async def _throttle(self) -> None:
        pause = 1.0 / self.settings.max_cps
        now = self._loop.time()
        turn = max(self._next_dial, now)
        self._next_dial = turn + pause
        if turn > now:
            await asyncio.sleep(turn - now)

    def _running(self) -> Engine:
        if self._engine is None:
            raise SipError("the softphone is not running.", "Start it first.")
        return self._engine

    # ---- for its legs ----

    async def ask(self, operation: str, *arguments: Any) -> Any:
        """Runs an operation on the pj thread.  Raises SipError."""
        try:
            return await asyncio.wrap_future(self._running().submit(operation, *arguments))
        except CommandFailed as fault:
            raise SipError(f"the SIP stack refused to {operation}: {fault.reason}.") from None

    def forget(self, leg: Leg) -> None:
        """The leg has ended: nothing is delivered to it any more."""
        self._legs.pop(leg.id, None)

    # ---- from the pj thread and the clock thread ----

    def _post(self, leg_id: int, kind: str, data: Any) -> None:
        """Any thread.  One wake-up of the loop serves everything posted until it runs."""
        self._out.append((leg_id, kind, data))
        if not self._kicked:
            self._kicked = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._kicked = False
        while self._out:
            leg_id, kind, data = self._out.popleft()
            try:
                self._deliver(leg_id, kind, data)
            except Exception as fault:  # an owner's on_tick: its fault must not cost others their audio
                self._loop.call_exception_handler({"message": f"leg {leg_id}: {kind}", "exception": fault})

    def _tell_of_trunk(self, status: TrunkStatus) -> None:
        if self.on_trunk is not None:
            self.on_trunk(status)

    def _deliver(self, leg_id: int, kind: str, data: Any) -> None:
        if leg_id == 0:
            if self.registering is not None:
                told = (
                    self.registering.answered if kind == "registration" else self.registering.transport_lost
                )
                told(data)
        elif kind == "incoming":
            call_id, remote_uri, local_uri, headers = data
            leg = self._legs[leg_id] = Leg(
                self,
                leg_id,
                LegState.RINGING,
                sip_call_id=call_id,
                remote_uri=remote_uri,
                local_uri=local_uri,
                headers=headers,
            )
            self.incoming.put_nowait(leg)
        elif (known := self._legs.get(leg_id)) is not None:
            known.happened(kind, data)
