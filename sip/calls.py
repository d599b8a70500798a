"""The legs as the pj thread sees them: pjsua2 calls, their callbacks and what one can ask of them."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import pjsua2.pjsua2 as pj
import structlog

from sip import cause
from sip.media import PairPool, Player, TickPair, open_player
from sip.wiring import Wiring

log = structlog.get_logger()

Post = Callable[[int, str, Any], None]

_HEADER = re.compile(r"^([A-Za-z][\w.-]*)[ \t]*:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_BURY_AFTER_S = 0.5
"""A player that ran out has an end-of-file job on its way; destroying it earlier is a use after free."""


def _guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """Nothing may escape a callback of the stack: the saved traceback would keep its pj objects alive."""

    @functools.wraps(callback)
    def guarded(self: Any, *arguments: Any) -> None:
        try:
            callback(self, *arguments)
        except Exception as fault:
            log.error("sip.callback_failed", callback=callback.__name__, fault=type(fault).__name__)

    return guarded


def headers_of(message: str) -> dict[str, str]:
    """The headers of a SIP message as text; of a repeated one, the first."""
    head = message.replace("\r\n", "\n").split("\n\n", 1)[0]
    headers: dict[str, str] = {}
    for name, value in _HEADER.findall(head.split("\n", 1)[-1]):
        headers.setdefault(name, value)
    return headers


def _telling(headers: dict[str, str]) -> dict[str, str]:
    """The headers that say why a leg ended.  The others carry numbers and are not kept."""
    kept = ("reason", "warning", "retry-after")
    return {k: v for k, v in headers.items() if k.lower() in kept or k.lower().startswith("x-")}


class PjCall(pj.Call):  # type: ignore[misc]  # the binding has no types
    """One leg on the pj thread."""

    def __init__(self, calls: Calls, leg_id: int, pj_id: int = -1, *, incoming: bool = False) -> None:
        super().__init__(calls.account, pj_id)
        self.calls, self.leg_id, self.incoming = calls, leg_id, incoming
        self.slot: pj.AudioMedia | None = None
        self.pair: TickPair | None = None
        self.player: Player | None = None
        self.sources: set[int] = set()
        "Ids of the legs whose audio this leg hears."
        self.links: dict[tuple[str, int, str], tuple[pj.AudioMedia, pj.AudioMedia]] = {}
        self.refusal = 603
        self.connected = self.early = self.rang = self.hung_up = self.accepted = False

    @property
    def may_speak(self) -> bool:
        """The dialling side keeps its prompts until the answer: 183 is no listener."""
        return self.connected or self.incoming

    @_guarded
    def onCallState(self, event: pj.OnCallStateParam) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY and not self.incoming:
            self.rang = True
            self.calls.post(self.leg_id, "ringing", None)
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED and not self.connected:
            self.connected = True
            self.calls.post(self.leg_id, "answered", None)
            self.calls.begin_ticks(self)
            self.calls.wiring.rewire(self)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.calls.wiring.lose_slot(self)
            self.calls.post(self.leg_id, "ended", self._cause(info, event))
            self.calls.gone.append(self.leg_id)  # destroyed after libHandleEvents has returned

    def _cause(self, info: pj.CallInfo, event: pj.OnCallStateParam) -> cause.Cause:
        if self.hung_up:  # reported within the hang-up itself, before BYE or CANCEL is answered
            code = 200 if self.connected else self.refusal if self.incoming else 487
            return cause.from_sip(code, "", remote=False, answered=self.connected, rang=self.rang)
        headers: dict[str, str] = {}
        received = False
        with contextlib.suppress(pj.Error):  # an event without a message: a timer, or our own doing
            transaction = event.e.body.tsxState
            if event.e.type == pj.PJSIP_EVENT_TSX_STATE and transaction.type == pj.PJSIP_EVENT_RX_MSG:
                received = True
                headers = _telling(headers_of(transaction.src.rdata.wholeMsg))
        return cause.from_sip(
            info.lastStatusCode,
            info.lastReason,
            headers,
            remote=received,
            answered=self.connected,
            rang=self.rang,
        )

    @_guarded
    def onCallMediaState(self, event: pj.OnCallMediaStateParam) -> None:
        info = self.getInfo()  # kept: iterating getInfo().media walks freed memory
        usable = (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)
        for media in info.media:
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            active = media.status in usable and not self.hung_up
            slot = self.getAudioMedia(media.index) if active else None  # its number changes at re-INVITE
            self.calls.wiring.change_slot(self, slot)
            if active and self.pair is None:
                self.pair = self.calls.pairs.take()
            if active and self._is_early(info.state) and not self.early:
                self.early = True
                self.calls.post(self.leg_id, "early_media", None)
                self.calls.begin_ticks(self)
            elif self.connected:
                self.calls.begin_ticks(self)
            self.calls.wiring.rewire_around(self)
            self.calls.post(self.leg_id, "media", media.status in usable)
            return

    def _is_early(self, state: int) -> bool:
        """On the answering side the stack brings media up before it leaves the early state."""
        return state < pj.PJSIP_INV_STATE_CONNECTING and not self.accepted

    @_guarded
    def onDtmfDigit(self, event: pj.OnDtmfDigitParam) -> None:
        self.calls.post(self.leg_id, "dtmf", event.digit)


class Account(pj.Account):  # type: ignore[misc]
    """Where calls come in."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self._calls = calls

    @_guarded
    def onIncomingCall(self, event: pj.OnIncomingCallParam) -> None:
        self._calls.accept(event.callId, headers_of(event.rdata.wholeMsg))


class Calls:
    """What the asyncio side can ask of the pj thread; every method runs there."""

    def __init__(self, post: Post, max_calls: int) -> None:
        self.post = post
        self._max_calls = max_calls
        self.account: Account | None = None
        self.gone: list[int] = []
        self.pairs = PairPool(lambda leg_id, theirs, ours: post(leg_id, "tick", (theirs, ours)))
        self._by_id: dict[int, PjCall] = {}
        self._buried: list[tuple[float, Player]] = []
        self._ids = itertools.count(1)
        self.wiring = Wiring(self._by_id, lambda leg_id, *at: post(leg_id, "playing", at))

    @property
    def count(self) -> int:
        return len(self._by_id)

    def begin_ticks(self, call: PjCall) -> None:
        """From now on every tick of the conference clock reaches the leg's owner."""
        if call.pair is not None and (call.early or call.connected):
            call.pair.leg_id = call.leg_id

    # ---- operations ----

    def dial(
        self, leg_id: int, uri: str, caller: str | None, headers: Sequence[tuple[str, str]]
    ) -> tuple[str, str]:
        """Sends the INVITE.  Returns Call-ID and our own URI."""
        options = pj.CallOpParam(True)
        for name, value in headers:
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            options.txOption.headers.append(header)
        if caller:
            options.txOption.localUri = caller
        call = self._by_id[leg_id] = PjCall(self, leg_id)
        try:
            call.makeCall(uri, options)
        except pj.Error:
            self.gone.append(leg_id)
            raise
        info = call.getInfo()
        return info.callIdString, info.localUri

    def accept(self, pj_id: int, headers: dict[str, str]) -> None:
        """A call came in: 486 when all lines are taken, else a leg for its owner to answer."""
        leg_id = -next(self._ids)  # dialled legs count upwards
        call = self._by_id[leg_id] = PjCall(self, leg_id, pj_id, incoming=True)
        if self.count > self._max_calls:
            self.hangup(leg_id, 486)
            return
        info = call.getInfo()
        self.post(leg_id, "incoming", (info.callIdString, info.remoteUri, info.localUri, headers))

    def answer(self, leg_id: int, code: int, reason: str) -> None:
        if (call := self._by_id.get(leg_id)) is None or call.hung_up:
            return
        call.accepted = call.accepted or code >= 200
        options = pj.CallOpParam(True)
        options.statusCode, options.reason = code, reason
        call.answer(options)

    def hangup(self, leg_id: int, code: int) -> None:
        if (call := self._by_id.get(leg_id)) is None or call.hung_up:
            return
        call.hung_up = True
        call.refusal = code or call.refusal
        self.wiring.lose_slot(call)  # the stack takes the slot away within the hang-up
        options = pj.CallOpParam()
        options.statusCode = code
        call.hangup(options)

    def hold(self, leg_id: int, on: bool) -> None:
        if (call := self._by_id.get(leg_id)) is None or call.hung_up:
            return
        options = pj.CallOpParam(True)
        if on:
            call.setHold(options)
        else:
            options.opt.flag = pj.PJSUA_CALL_UNHOLD
            call.reinvite(options)

    def send_dtmf(self, leg_id: int, digits: str) -> None:
        if (call := self._by_id.get(leg_id)) is not None and not call.hung_up:
            call.dialDtmf(digits)

    def play(self, leg_id: int, player_id: int, path: str, loop: bool) -> bool:
        """Replaces what the leg is playing.  False when the leg is gone."""
        if (call := self._by_id.get(leg_id)) is None or call.hung_up:
            return False
        player = open_player(player_id, path, loop=loop)
        self._bury_player(call)
        call.player = player
        self.wiring.rewire(call)
        return True

    def pause(self, leg_id: int, player_id: int, on: bool) -> int | None:
        """Stops or restarts a player.  A player whose listeners are gone stands still at its sample."""
        call, player = self._player(leg_id, player_id)
        if call is None or player is None:
            return None
        player.paused = on
        self.wiring.rewire(call)
        return int(player.media.getPos())

    def position(self, leg_id: int, player_id: int) -> int | None:
        """Samples played; 0 again once the file has run out.  None when the player is gone."""
        _, player = self._player(leg_id, player_id)
        return int(player.media.getPos()) if player else None

    def stop_player(self, leg_id: int, player_id: int) -> int | None:
        call, player = self._player(leg_id, player_id)
        if call is None or player is None:
            return None
        self._bury_player(call)
        return int(player.media.getPos())

    def hear_from(self, listener: int, source: int, on: bool) -> None:
        """Lets one leg hear another.  Nothing happens when either is gone."""
        call = self._by_id.get(listener)
        if call is None or source not in self._by_id:
            return
        (call.sources.add if on else call.sources.discard)(source)
        self.wiring.rewire(call)

    def received_packets(self, leg_id: int) -> int:
        """RTP packets received on a leg so far."""
        call = self._by_id.get(leg_id)
        return int(call.getStreamStat(0).rtcp.rxStat.pkt) if call is not None and call.hasMedia() else 0

    # ---- the end of things ----

    def _player(self, leg_id: int, player_id: int) -> tuple[PjCall | None, Player | None]:
        call = self._by_id.get(leg_id)
        player = call.player if call else None
        return (call, player) if player and player.id == player_id else (call, None)

    def _bury_player(self, call: PjCall) -> None:
        if (player := call.player) is None:
            return
        call.player = None
        self.wiring.rewire(call)
        self._buried.append((time.monotonic() + _BURY_AFTER_S, player))

    def sweep(self) -> None:
        """Destroys what is over; called between two rounds of events, never inside a callback."""
        while self.gone:
            self._drop(self.gone.pop())
        now = time.monotonic()
        while self._buried and self._buried[0][0] <= now:
            self._buried.pop(0)

    def _drop(self, leg_id: int) -> None:
        if (call := self._by_id.get(leg_id)) is None:
            return
        self.wiring.lose_slot(call)
        self._bury_player(call)
        if call.pair is not None:
            self.pairs.give_back(call.pair)
            call.pair = None
        del self._by_id[leg_id]
        for other in self._by_id.values():
            other.sources.discard(leg_id)

    def hang_up_all(self) -> None:
        for leg_id in list(self._by_id):
            with contextlib.suppress(pj.Error):
                self.hangup(leg_id, 0)

    def open(self, endpoint: pj.Endpoint) -> None:
        """Called once, when the conference bridge exists."""
        self.wiring.silence = endpoint.audDevManager().getCaptureDevMedia()

    def drop_all(self) -> None:
        for leg_id in list(self._by_id):
            self._drop(leg_id)
        self._buried.clear()

    def close(self) -> None:
        """Destroys the ports.  The clock must stand still."""
        self.wiring.silence = None
        self.pairs.destroy()
