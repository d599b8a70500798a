"""What became of a leg's RTP, both ways, and an estimate of how it sounded.

The estimate is ITU-T G.107's E-model with G.113's values for G.711 with loss concealment: an estimate from
loss and delay, not a judgement of the audio.
"""

from __future__ import annotations

from dataclasses import dataclass

_BEST_R = 93.2
_LOSS_ROBUSTNESS = 25.1
"""Bpl of G.711 with packet loss concealment, random loss."""
_FRAME_MS, _BUFFER_MS = 20.0, 40.0
"""One packet, and what the jitter buffer usually holds."""
LOST_FOR_GOOD = 5
"""So many sent packets, and none of them arrived by the peer's own count: it hears nothing."""


@dataclass(frozen=True)
class RtpStats:
    """Counts over the whole leg, re-INVITEs included.

    `received`, `lost`, `discarded`, `jitter_ms` are of what came; `sent`, `sent_lost`, `reports` of what
    went, by the other side's RTCP (`reports` 0: it sent none, so nothing is known).
    """

    codec: str = ""
    srtp: bool = False
    received: int = 0
    lost: int = 0
    discarded: int = 0
    "Came too late for the jitter buffer, or twice."
    jitter_ms: float = 0.0
    jitter_max_ms: float = 0.0
    sent: int = 0
    sent_lost: int = 0
    reports: int = 0
    rtt_ms: float | None = None
    "Shortest round trip by RTCP: a re-INVITE makes single ones look long.  None when never measured."

    @property
    def loss(self) -> float:
        """Share of the expected packets that were not there when they were needed, 0..1."""
        expected = self.received + self.lost
        return min((self.lost + self.discarded) / expected, 1.0) if expected else 0.0

    @property
    def sent_loss(self) -> float | None:
        """Share of what we sent that did not arrive, 0..1; None when the other side never reported."""
        if not self.reports or not self.sent:
            return None
        return min(self.sent_lost / self.sent, 1.0)

    @property
    def mos(self) -> float | None:
        """Estimated mean opinion score of what came, 1..4.4; None when nothing came."""
        return estimated_mos(self.loss, self._delay_ms) if self.received else None

    @property
    def sent_mos(self) -> float | None:
        """The same for what the other side heard of us."""
        loss = self.sent_loss
        return None if loss is None else estimated_mos(loss, self._delay_ms)

    @property
    def _delay_ms(self) -> float:
        return (self.rtt_ms or 0.0) / 2 + _FRAME_MS + max(_BUFFER_MS, 2 * self.jitter_ms)

    def plus(self, later: RtpStats) -> RtpStats:
        """This and a later stream of the same leg: a re-INVITE begins a new one."""
        received = self.received + later.received
        share = later.received / received if received else 0.0
        return RtpStats(
            codec=later.codec or self.codec,
            srtp=later.srtp if later.codec else self.srtp,
            received=received,
            lost=self.lost + later.lost,
            discarded=self.discarded + later.discarded,
            jitter_ms=round(self.jitter_ms * (1 - share) + later.jitter_ms * share, 1),
            jitter_max_ms=max(self.jitter_max_ms, later.jitter_max_ms),
            sent=self.sent + later.sent,
            sent_lost=self.sent_lost + later.sent_lost,
            reports=self.reports + later.reports,
            rtt_ms=min((rtt for rtt in (self.rtt_ms, later.rtt_ms) if rtt is not None), default=None),
        )


def estimated_mos(loss: float, delay_ms: float) -> float:
    """From the loss (0..1) and the mouth-to-ear delay.  1.0 to 4.41."""
    percent = 100 * loss
    r = _BEST_R - _delay_impairment(delay_ms) - 95.0 * percent / (percent + _LOSS_ROBUSTNESS)
    if r <= 0:
        return 1.0
    return round(max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6), 2)


def _delay_impairment(delay_ms: float) -> float:
    """Id in the form that is used for planning: small up to 177 ms, steep beyond."""
    return 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)
