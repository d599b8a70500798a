"""What the asyncio side can ask of the pj thread about its legs."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import pjsua2.pjsua2 as pj

from sip.errors import NoSlot
from sip.media import PairPool, Player, open_player
from sip.pj_call import Account, PjCall
from sip.rtp_stats import RtpStats
from sip.trunk_account import RegistrationAccount
from sip.wiring import Wiring

Post = Callable[[int, str, Any], None]

_BURY_AFTER_S = 0.5
"""A player that ran out has an end-of-file job on its way; destroying it earlier is a use after free."""

_PEER_WITHOUT_RFC2833 = 220107
"""PJMEDIA_RTP_EREMNORFC2833: the other side's SDP has no telephone-event."""


class Calls:
    """The legs of a phone; every method runs on the pj thread."""

    def __init__(self, post: Post, max_calls: int, slots: Callable[[], int], takes_calls: bool) -> None:
        self.post, self._slots = post, slots
        self._max_calls, self._takes_calls = max_calls, takes_calls
        self.account: Account | None = None
        "Where calls come in, and go out to phones of our own."
        self.trunk_account: Account | None = None
        self.registration: RegistrationAccount | None = None
        self.gone: list[int] = []
        self._unwanted: list[tuple[int, int]] = []
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
        self,
        leg_id: int,
        uri: str,
        caller: str | None,
        headers: Sequence[tuple[str, str]],
        over_trunk: bool,
    ) -> tuple[str, str]:
        """Sends the INVITE.  Returns Call-ID and our own URI.  Raises NoSlot."""
        account = self.trunk_account if over_trunk else self.account
        assert account is not None
        if self._slots() >= self._max_calls:
            raise NoSlot(f"all {self._max_calls} lines of this phone are taken.")
        options = pj.CallOpParam(True)
        for name, value in headers:
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            options.txOption.headers.append(header)
        if caller:
            options.txOption.localUri = caller
        call = self._by_id[leg_id] = PjCall(self, account, leg_id)
        try:
            call.makeCall(uri, options)
        except pj.Error:
            self.gone.append(leg_id)
            raise
        info = call.getInfo()
        return info.callIdString, info.localUri

    def accept(self, pj_id: int, headers: dict[str, str]) -> None:
        """A call came in: 486 when all lines are taken, else a leg for its owner to answer.

        A phone that only dials refuses it (480): nobody would answer, and it would hold a slot.
        """
        leg_id = -next(self._ids)  # dialled legs count upwards
        assert self.account is not None
        call = self._by_id[leg_id] = PjCall(self, self.account, leg_id, pj_id, incoming=True)
        if not self._takes_calls:
            self._unwanted.append((leg_id, 480))
            return
        if self._slots() >= self._max_calls:  # PJSIP counts the new call after this callback
            self._unwanted.append((leg_id, 486))
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
        if (call := self._by_id.get(leg_id)) is None or call.hung_up:
            return
        keys = pj.CallSendDtmfParam()
        keys.digits, keys.method = digits, pj.PJSUA_DTMF_METHOD_RFC2833
        try:
            call.sendDtmf(keys)
        except pj.Error as fault:
            if fault.status != _PEER_WITHOUT_RFC2833:
                raise
            keys.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
            call.sendDtmf(keys)

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

    def rtp(self, leg_id: int) -> RtpStats | None:
        """What became of a leg's RTP so far."""
        call = self._by_id.get(leg_id)
        return call.rtp_now() if call is not None else None

    # ---- the trunk ----

    def register(self, anew: bool) -> int:
        """Sends a REGISTER.  Returns which making of the account will answer."""
        assert self.registration is not None
        return self.registration.register(anew)

    def unregister(self) -> None:
        assert self.registration is not None
        self.registration.unregister()

    def beat(self) -> None:
        """Does nothing: who gets an answer knows that the pj thread is at work."""

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
        while self._unwanted:  # refused within its own callback, an INVITE without SDP aborts the stack
            leg_id, code = self._unwanted.pop()
            with contextlib.suppress(pj.Error):
                self.hangup(leg_id, code)
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
