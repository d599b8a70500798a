"""A leg as its owner sees it: a state, events, ticks of audio, and what can be done with it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from sip.cause import Cause, CauseKind
from sip.errors import SipError
from sip.media import wav_samples
from sip.playback import Playback
from sip.rtp_stats import RtpStats

__all__ = ["Leg", "LegEvent", "LegState", "Playback"]

DTMF_DIGITS = frozenset("0123456789*#ABCD")


class LegState(StrEnum):
    """calling → ringing → early_media → connected → ended; every state may be skipped, none comes again."""

    CALLING = "calling"
    RINGING = "ringing"
    EARLY_MEDIA = "early_media"
    CONNECTED = "connected"
    ENDED = "ended"


TRANSITIONS: dict[LegState, frozenset[LegState]] = {
    LegState.CALLING: frozenset({LegState.RINGING, LegState.EARLY_MEDIA, LegState.CONNECTED, LegState.ENDED}),
    LegState.RINGING: frozenset({LegState.EARLY_MEDIA, LegState.CONNECTED, LegState.ENDED}),
    LegState.EARLY_MEDIA: frozenset({LegState.CONNECTED, LegState.ENDED}),
    LegState.CONNECTED: frozenset({LegState.ENDED}),
    LegState.ENDED: frozenset(),
}

_STATE_OF = {
    "ringing": LegState.RINGING,
    "early_media": LegState.EARLY_MEDIA,
    "answered": LegState.CONNECTED,
    "ended": LegState.ENDED,
}


@dataclass(frozen=True)
class LegEvent:
    """`kind`: ringing, early_media, answered, media (`flowing` says whether audio flows), dtmf, ended."""

    kind: str
    digit: str = ""
    cause: Cause | None = None
    flowing: bool = True


class Line(Protocol):
    """What a leg needs of its softphone."""

    async def ask(self, operation: str, *arguments: Any) -> Any: ...

    def forget(self, leg: Leg) -> None: ...


class Leg:
    """One SIP dialog.  Everything here runs on the event loop; pj objects stay on their own thread.

    State changes and ticks arrive in the order in which they happened, so inside `on_tick` the state says
    whether audio is early media or connected.  Operations on a leg that has ended do nothing: an end may
    always cross with them.
    """

    def __init__(
        self,
        line: Line,
        number: int,
        state: LegState,
        *,
        sip_call_id: str = "",
        remote_uri: str = "",
        local_uri: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.id, self.state = number, state
        self.sip_call_id, self.remote_uri, self.local_uri = sip_call_id, remote_uri, local_uri
        self.headers: dict[str, str] = headers or {}
        "Of the INVITE, on incoming legs."
        self.events: asyncio.Queue[LegEvent] = asyncio.Queue()
        self.answered: asyncio.Future[float] = loop.create_future()
        "Holds loop.time() of the answer; cancelled when the leg ends unanswered."
        self.ended: asyncio.Future[Cause] = loop.create_future()
        self.on_tick: Callable[[bytes, bytes], None] | None = None
        "Called every 20 ms with (theirs, ours), 320 bytes each, from early media or the answer to the end."
        self.rtp = RtpStats()
        "Complete once the leg has ended."
        self._line = line
        self._playback: Playback | None = None
        self._numbers = itertools.count(1)

    async def ask(self, operation: str, *arguments: Any) -> Any:
        """An operation of the pj thread on this leg; None when the leg has ended.  Raises SipError."""
        if self.state is LegState.ENDED:
            return None
        return await self._line.ask(operation, self.id, *arguments)

    async def answer(self, code: int = 200, reason: str = "") -> None:
        """Answers an incoming leg: 180, 183 (with media), 200, or a refusal such as 486 or 603."""
        await self.ask("answer", code, reason)

    async def hangup(self, code: int = 0) -> None:
        """CANCEL, BYE or a refusal (603 or `code`), whatever fits; never raises.

        The leg has ended when this returns.  Its call slot stays taken until the other side has agreed,
        or for 32 s: `Softphone.slots_in_use` counts it.
        """
        try:
            await self.ask("hangup", code)
        except SipError:  # the stack has already lost the dialog, or the phone is stopping
            self.give_up()

    async def hold(self) -> None:
        """re-INVITE to sendonly."""
        await self.ask("hold", True)

    async def unhold(self) -> None:
        """re-INVITE back to sendrecv."""
        await self.ask("hold", False)

    async def play(self, wav: Path, *, loop: bool = False) -> Playback:
        """Plays a WAV file (8 kHz, mono, 16 bits) instead of what is playing.

        Starts when audio flows and, on a dialled leg, the other side has answered.  Raises SipError for a
        file that can't be played.  On a leg that has ended the playback is done at once.
        """
        samples = wav_samples(wav)
        playback = Playback(self, next(self._numbers), samples, loop=loop)
        previous, self._playback = self._playback, playback
        try:
            started = await self.ask("play", playback.number, str(wav), loop)
        except SipError:
            playback.finish(False)
            raise
        finally:
            if previous is not None:
                previous.finish(False)
        if not started:
            playback.finish(False)
        return playback

    async def send_dtmf(self, digits: str) -> None:
        """Keys, by RFC 2833, or by INFO to a far end without it.  SipError for any but 0-9, *, #, A-D."""
        if not digits or not set(digits) <= DTMF_DIGITS:
            raise SipError("a key is one of 0-9, *, #, A-D.")
        await self.ask("send_dtmf", digits)

    async def received_packets(self) -> int:
        """RTP packets received so far."""
        return int(await self.ask("received_packets") or 0)

    async def rtp_now(self) -> RtpStats:
        """What became of the RTP so far."""
        if (stats := await self.ask("rtp")) is not None:
            self.rtp = stats
        return self.rtp

    # ---- told by the softphone, in the order of happening ----

    def happened(self, kind: str, data: Any) -> None:
        """Takes in one happening of the pj thread."""
        if self.state is LegState.ENDED:
            return
        if kind == "tick":
            if self.on_tick is not None:
                self.on_tick(*data)
        elif kind == "playing":
            number, sample = data
            if self._playback is not None and self._playback.number == number:
                self._playback.running(sample)
        elif kind == "rtp":
            self.rtp = data
        elif kind == "dtmf":
            self.events.put_nowait(LegEvent("dtmf", digit=data))
        elif kind == "media":
            self.events.put_nowait(LegEvent("media", flowing=data))
        else:
            self._move(kind, data)

    def _move(self, kind: str, cause: Cause | None) -> None:
        state = _STATE_OF[kind]
        if state not in TRANSITIONS[self.state]:
            return  # a second 180, or a 180 after the 183
        self.state = state
        if state is LegState.CONNECTED and not self.answered.done():
            self.answered.set_result(asyncio.get_running_loop().time())
        if state is LegState.ENDED and cause is not None:
            self._close(cause)
        self.events.put_nowait(LegEvent(kind, cause=cause))

    def _close(self, cause: Cause) -> None:
        if self._playback is not None:
            self._playback.finish(False)
        if not self.answered.done():
            self.answered.cancel()
        if not self.ended.done():
            self.ended.set_result(cause)
        self._line.forget(self)

    def give_up(self) -> None:
        """The phone can't say how the leg ends: for its owner it has."""
        kind = CauseKind.NORMAL if self.state is LegState.CONNECTED else CauseKind.CANCELLED
        self.happened("ended", Cause(0, "", kind, remote=False))
