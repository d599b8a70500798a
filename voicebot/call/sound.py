"""Whether sound arrives from the other side, while a call is up and in its record."""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

from sip.errors import SipError
from sip.leg import LegState
from sip.rtp_stats import RtpStats
from voicebot.call.record import Rtp

LOOK_EVERY_S = 1.0
NONE_BY_S = 4.0
"""An answered call from which no RTP has come by then is one-way audio: the trunk's breaker counts it."""
SILENT_AFTER_S = 5.0
"""RTP that flowed and then stays away so long is noted; a hold with no music looks the same."""
DEAF_LOSS = 0.9
ENOUGH_SENT = 250
"""Packets (5 s): of fewer, the other side's reports say little."""


class Receiving(Protocol):
    """A leg, as far as its sound goes."""

    state: LegState

    async def received_packets(self) -> int: ...


class Noting(Protocol):
    """The transcript, as far as events go."""

    def event(self, kind: str, detail: str = "") -> None: ...


async def watch(leg: Receiving, transcript: Noting) -> None:
    """Notes `no_rtp`, `rtp_silent` and `rtp_back` until it is cancelled or the leg has ended."""
    loop = asyncio.get_running_loop()
    began = changed = loop.time()
    count, told = 0, ""
    while _is_up(leg):
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            now = await leg.received_packets()
        except SipError:  # it has just ended
            return
        if not _is_up(leg):  # it ended while it was asked
            return
        if now != count:
            if told:
                transcript.event("rtp_back", f"after {loop.time() - changed:.0f} s")
                told = ""
            count, changed = now, loop.time()
        elif told:
            continue
        elif not count and loop.time() - began >= NONE_BY_S:
            told = "no_rtp"
            transcript.event(told)
        elif count and loop.time() - changed >= SILENT_AFTER_S:
            told = "rtp_silent"
            transcript.event(told)


def _is_up(leg: Receiving) -> bool:
    return leg.state is LegState.CONNECTED


def rtp_of(stats: RtpStats) -> Rtp | None:
    """For the record; None when no stream ever ran."""
    if not stats.codec:
        return None
    sent_loss = stats.sent_loss
    return Rtp(
        codec=stats.codec,
        srtp=stats.srtp,
        received=stats.received,
        loss=round(stats.loss, 4),
        jitter_ms=stats.jitter_ms,
        jitter_max_ms=stats.jitter_max_ms,
        sent=stats.sent,
        sent_loss=None if sent_loss is None else round(sent_loss, 4),
        rtt_ms=stats.rtt_ms,
        mos=stats.mos,
        sent_mos=stats.sent_mos,
        one_way=_one_way(stats),
    )


def _one_way(stats: RtpStats) -> Literal["nothing_heard", "not_heard"] | None:
    if not stats.received and stats.sent >= ENOUGH_SENT:
        return "nothing_heard"
    loss = stats.sent_loss
    if loss is not None and stats.sent >= ENOUGH_SENT and loss >= DEAF_LOSS:
        return "not_heard"
    return None
