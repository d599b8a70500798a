"""The one thread that creates, uses and destroys every pjsua2 object of the process.

Commands arrive in a deque; a CRLF datagram to our own SIP port ends its select() at once (0.27 ms instead
of the poll interval).  Happenings leave through `post`, in the order in which they happened, ticks included.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pjsua2.pjsua2 as pj
import structlog

from sip.calls import Calls
from sip.capabilities import Capabilities, ask
from sip.errors import SipError
from sip.pj_call import Account, guarded
from sip.ports import PortBlock
from sip.trunk import Trunk
from sip.trunk_account import RegistrationAccount, call_account, open_transport, set_media_ports

log = structlog.get_logger()

POLL_MS = 50
"""Longest sleep in select(); commands do not wait for it, timers of the stack may."""
GOODBYE_S = 2.0
"""How long stop() waits for the answers to BYE and CANCEL before it tears everything down."""
CLOCK_RATE = 8000
_MORE_THAN_ANY_BUILD = 100_000
_CODECS = ("PCMA", "PCMU")
"""Without a trunk that says otherwise; everything else is off."""
_FIRST_CODEC = 255


def _library() -> ctypes.CDLL:
    """The extension itself: for the few C calls that the binding leaves out."""
    return ctypes.CDLL(sys.modules["pjsua2._pjsua2"].__file__)


class CommandFailed(Exception):
    """A pj call failed: `status` is PJ's number, `reason` its text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{reason} ({status})")
        self.status, self.reason = status, reason


class _Endpoint(pj.Endpoint):  # type: ignore[misc]  # the binding has no types
    """Tells of connections that broke."""

    def __init__(self, lost: Callable[[str], None]) -> None:
        super().__init__()
        self._lost = lost

    @guarded
    def onTransportState(self, event: pj.OnTransportStateParam) -> None:  # pjsua2's name
        if event.state == pj.PJSIP_TP_STATE_DISCONNECTED:
            self._lost(self.utilStrError(event.lastError) if event.lastError else "closed by the other side")


class Engine:
    """Runs pjsua2 on a thread of its own.  `post(leg_id, kind, data)` may be called from any thread."""

    def __init__(
        self,
        ip: str,
        ports: PortBlock,
        identity: str,
        max_calls: int,
        user_agent: str,
        trunk: Trunk | None,
        takes_calls: bool,
        post: Callable[[int, str, Any], None],
    ) -> None:
        self._ip, self._ports, self._identity = ip, ports, identity
        self._max_calls, self._user_agent, self._post = max_calls, user_agent, post
        self._trunk, self._takes_calls = trunk, takes_calls
        self.trunk_port = 0
        "Where the trunk's TCP or TLS listens; 0 without."
        self._commands: collections.deque[tuple[str, tuple[Any, ...], Future[Any]]] = collections.deque()
        self._stopping = False
        self._up: Future[Capabilities] = Future()
        self._library = _library()
        self._wake_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._main, name="pjsua2")
        self._endpoint: pj.Endpoint | None = None
        self._account: Account | None = None
        self._calls: Calls | None = None

    # ---- any thread ----

    def start(self) -> Future[Capabilities]:
        """Starts the thread.  The future holds what the build can do, or a SipError."""
        self._thread.start()
        return self._up

    def submit(self, operation: str, *arguments: Any) -> Future[Any]:
        """Asks the pj thread for one of the operations of `Calls`.  Fails with CommandFailed or SipError."""
        done: Future[Any] = Future()
        if self._stopping or not self._thread.is_alive():
            done.set_exception(SipError("the softphone is not running.", "Start it first."))
            return done
        self._commands.append((operation, arguments, done))
        self._wake()
        return done

    def slots(self) -> int:
        """Call slots in use, those of legs that were hung up and still wait for an answer included."""
        return int(self._library.pjsua_call_get_count()) if self._thread.is_alive() else 0

    def stop(self, within_s: float) -> bool:
        """Ends all legs and the thread.  False when it is still alive after `within_s`: kill the process."""
        self._stopping = True
        if self._thread.is_alive():
            self._wake()
            self._thread.join(within_s)
        stopped = not self._thread.is_alive()
        if stopped:
            self._wake_socket.close()
        return stopped

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # no route to ourselves: then select() ends by itself
            self._wake_socket.sendto(b"\r\n\r\n", (self._ip, self._ports.sip_port))

    # ---- the pj thread ----

    def _main(self) -> None:
        fault: SipError | None = None
        try:
            able = self._boot()
        except pj.Error as error:
            fault = SipError(f"the SIP stack did not start: {error.reason}.")
        except SipError as error:
            fault = error.with_traceback(None)
        if fault is not None:  # outside `except`: a traceback would keep pj objects alive
            self._tear_down()
            self._up.set_exception(fault)
            return
        self._up.set_result(able)
        self._run()
        self._tear_down()

    def _run(self) -> None:
        assert self._endpoint is not None and self._calls is not None
        give_up_at: float | None = None
        while True:
            try:
                self._endpoint.libHandleEvents(POLL_MS)
            except pj.Error as error:
                log.error("sip.events_failed", reason=error.reason)
            self._calls.sweep()  # first: a command that crossed with the end of its leg does nothing
            self._serve()
            self._calls.sweep()
            if self._stopping or not threading.main_thread().is_alive():
                if give_up_at is None:
                    self._stopping = True
                    give_up_at = time.monotonic() + GOODBYE_S
                    self._calls.hang_up_all()
                elif self._calls.count == 0 or time.monotonic() > give_up_at:
                    return

    def _serve(self) -> None:
        """Runs the waiting commands.  Their faults travel without tracebacks: those hold pj objects."""
        while self._commands:
            operation, arguments, done = self._commands.popleft()
            awaited = done.set_running_or_notify_cancel()  # a hang-up is carried out, awaited or not
            result: Any = None
            fault: Exception | None = None
            try:
                result = getattr(self._calls, operation)(*arguments)
            except pj.Error as error:
                fault = CommandFailed(error.status, error.reason)
            except SipError as error:
                fault = error.with_traceback(None)
            except Exception as error:
                fault = SipError(f"{operation} failed: {type(error).__name__}: {error}")
            if not awaited:
                continue
            if fault is not None:
                done.set_exception(fault)
            else:
                done.set_result(result)

    def _boot(self) -> Capabilities:
        self._library.pj_log_set_level(0)  # the stack would print to our standard output
        self._endpoint = endpoint = _Endpoint(lambda why: self._post(0, "transport", why))
        endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = _MORE_THAN_ANY_BUILD  # cut down by PJSIP to what it was built for
        config.uaConfig.userAgent = self._user_agent
        media = config.medConfig
        media.clockRate, media.audioFramePtime, media.ecTailLen = CLOCK_RATE, 20, 0
        media.noVad = True  # silence is sent too: the far end hears a live line from the ACK on
        media.sndAutoCloseTime = -1  # else the null device stops its clock after a second without legs
        endpoint.libInit(config)
        able = ask(endpoint, self._library)
        self._check(able)
        endpoint.audDevManager().setNullDev()
        transport = pj.TransportConfig()
        transport.port, transport.boundAddress = self._ports.sip_port, self._ip
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        if self._trunk is not None:
            self.trunk_port = open_transport(endpoint, self._trunk, self._ip)
        endpoint.libStart()
        for codec in endpoint.codecEnum2():
            endpoint.codecSetPriority(codec.codecId, self._priority(codec.codecId))
        self._calls = Calls(self._post, self._max_calls, self.slots, self._takes_calls)
        account = pj.AccountConfig()
        account.idUri = self._identity
        set_media_ports(account, self._ip, self._ports)
        self._account = self._calls.account = Account(self._calls)
        self._account.create(account)
        if self._trunk is not None:
            self._open_trunk(self._calls, self._trunk)
        self._calls.open(endpoint)
        return able

    def _open_trunk(self, calls: Calls, trunk: Trunk) -> None:
        secret = trunk.login.secret() if trunk.login is not None else ""
        calls.trunk_account = Account(calls)
        calls.trunk_account.create(call_account(trunk, secret, self._identity, self._ip, self._ports))
        if trunk.registration is not None:
            calls.registration = RegistrationAccount(
                trunk, secret, self._identity, lambda answer: self._post(0, "registration", answer)
            )

    def _priority(self, codec_id: str) -> int:
        wanted = self._trunk.codecs if self._trunk is not None else _CODECS
        name = codec_id.partition("/")[0]
        return _FIRST_CODEC - wanted.index(name) if name in wanted else 0

    def _check(self, able: Capabilities) -> None:
        limit = able.call_limit
        if self._max_calls > limit:
            raise SipError(
                f"{self._max_calls} calls a process are set, but this build of PJSIP has room for {limit}.",
                f"Set {limit} or fewer and run more workers, or install a build with a higher "
                "PJSUA_MAX_CALLS (it is used as it is).",
                key="max_calls",
            )
        if self._trunk is not None:
            able.require(self._trunk)

    def _tear_down(self) -> None:
        """The order matters: calls and players, then the clock, then the ports it served, then the rest."""
        if self._calls is not None:
            self._calls.drop_all()
            if self._endpoint is not None:
                self._endpoint.audDevManager().setNoDev()
            self._calls.close()
        for name in ("last_traceback", "last_value", "last_type"):
            sys.__dict__.pop(name, None)
        if self._account is not None and self._endpoint is not None:
            self._account.shutdown()
            if self._calls is not None:
                if self._calls.registration is not None:
                    self._calls.registration.drop()
                if self._calls.trunk_account is not None:
                    self._calls.trunk_account.shutdown()
            self._endpoint.libHandleEvents(10)
        if self._calls is not None:
            self._calls.account = self._calls.trunk_account = self._calls.registration = None
        self._account = self._calls = None
        if self._endpoint is not None:
            self._endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)  # our good-byes are already said
        self._endpoint = None
        while self._commands:
            done = self._commands.popleft()[2]
            if done.set_running_or_notify_cancel():
                done.set_exception(SipError("the softphone was stopped."))
