"""A pjsua2 call and the account it comes in by: callbacks of the stack, nothing else.

Every callback runs inside libHandleEvents, on the pj thread.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pjsua2.pjsua2 as pj
import structlog

from sip import cause
from sip.media import Player, TickPair
from sip.rtp_stats import RtpStats

if TYPE_CHECKING:
    from sip.calls import Calls

log = structlog.get_logger()

_HEADER = re.compile(r"^([A-Za-z][\w.-]*)[ \t]*:[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """Nothing may escape a callback of the stack: the saved traceback would keep its pj objects alive."""

    @functools.wraps(callback)
    def guarded(self: Any, *arguments: Any) -> None:
        try:
            callback(self, *arguments)
        except Exception as fault:
            log.error("sip.callback_failed", callback=callback.__name__, fault=type(fault).__name__)

    return guarded


def headers_of(message: str) -> dict[str, str]:
    """The headers of a SIP message as text; of a repeated one the first, but every Reason (RFC 3326)."""
    head = message.replace("\r\n", "\n").split("\n\n", 1)[0]
    headers: dict[str, str] = {}
    for name, value in _HEADER.findall(head.split("\n", 1)[-1]):
        if name.lower() == "reason" and name in headers:
            headers[name] += f", {value}"
        headers.setdefault(name, value)
    return headers


def _telling(headers: dict[str, str]) -> dict[str, str]:
    """The headers that say why a leg ended.  The others carry numbers and are not kept."""
    kept = ("reason", "warning", "retry-after")
    return {k: v for k, v in headers.items() if k.lower() in kept or k.lower().startswith("x-")}


class PjCall(pj.Call):  # type: ignore[misc]  # the binding has no types
    """One leg on the pj thread."""

    def __init__(
        self, calls: Calls, account: Account, leg_id: int, pj_id: int = -1, *, incoming: bool = False
    ) -> None:
        super().__init__(account, pj_id)
        self.calls, self.leg_id, self.incoming = calls, leg_id, incoming
        self.slot: pj.AudioMedia | None = None
        self.pair: TickPair | None = None
        self.player: Player | None = None
        self.sources: set[int] = set()
        "Ids of the legs whose audio this leg hears."
        self.links: dict[tuple[str, int, str], tuple[pj.AudioMedia, pj.AudioMedia]] = {}
        self.refusal = 603
        self.rtp = RtpStats()
        "Of the streams that are over."
        self.connected = self.early = self.rang = self.hung_up = self.accepted = False

    @property
    def may_speak(self) -> bool:
        """The dialling side keeps its prompts until the answer: 183 is no listener."""
        return self.connected or self.incoming

    @guarded
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
            self.calls.post(self.leg_id, "rtp", self.rtp_now())
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

    @guarded
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

    def rtp_now(self) -> RtpStats:
        """Of all streams so far.  On the pj thread."""
        running = self._stream() if self.hasMedia() else None
        return self.rtp if running is None else self.rtp.plus(running)

    def _stream(self) -> RtpStats | None:
        """Of the stream that runs; None when there is none."""
        try:
            stat, info = self.getStreamStat(0), self.getStreamInfo(0)
        except pj.Error:
            return None
        came, went = stat.rtcp.rxStat, stat.rtcp.txStat
        return RtpStats(
            codec=info.codecName,
            srtp=bool(info.proto & pj.PJMEDIA_TP_PROFILE_SRTP),
            received=came.pkt,
            lost=came.loss,
            discarded=came.discard,
            jitter_ms=round(came.jitterUsec.mean / 1000, 1),
            jitter_max_ms=round(came.jitterUsec.max / 1000, 1),
            sent=went.pkt,
            sent_lost=went.loss,
            reports=went.updateCount,
            rtt_ms=round(stat.rtcp.rttUsec.min / 1000, 1) if stat.rtcp.rttUsec.n else None,
        )

    @guarded
    def onStreamDestroyed(self, event: pj.OnStreamDestroyedParam) -> None:
        if (over := self._stream()) is not None:
            self.rtp = self.rtp.plus(over)

    def _is_early(self, state: int) -> bool:
        """On the answering side the stack brings media up before it leaves the early state."""
        return state < pj.PJSIP_INV_STATE_CONNECTING and not self.accepted

    def onCallRedirected(self, event: pj.OnCallRedirectedParam) -> int:
        """3xx: another number than the one that was allowed is never dialled."""
        return int(pj.PJSIP_REDIRECT_REJECT)

    @guarded
    def onCallTransferRequest(self, event: pj.OnCallTransferRequestParam) -> None:
        """REFER: the far end would have us dial somebody.  The stack's own answer is yes."""
        event.statusCode = 603

    @guarded
    def onCallReplaceRequest(self, event: pj.OnCallReplaceRequestParam) -> None:
        """INVITE with Replaces: somebody would take the callee's place.  The stack's own answer is yes."""
        event.statusCode = 603

    @guarded
    def onDtmfDigit(self, event: pj.OnDtmfDigitParam) -> None:
        self.calls.post(self.leg_id, "dtmf", event.digit)


class Account(pj.Account):  # type: ignore[misc]
    """Where calls come in."""

    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self._calls = calls

    @guarded
    def onIncomingCall(self, event: pj.OnIncomingCallParam) -> None:
        self._calls.accept(event.callId, headers_of(event.rdata.wholeMsg))
