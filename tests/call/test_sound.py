"""One-way audio, silences and what the record says of the RTP."""

from __future__ import annotations

import asyncio

import pytest

from sip.leg import LegState
from sip.rtp_stats import RtpStats, estimated_mos
from voicebot.call import sound


class Packets:
    """A leg whose packet counter follows a script, one number a look."""

    def __init__(self, counts: list[int]) -> None:
        self.state, self._counts = LegState.CONNECTED, counts

    async def received_packets(self) -> int:
        count = self._counts.pop(0)
        if not self._counts:
            self.state = LegState.ENDED
        return count


class Notes:
    def __init__(self) -> None:
        self.kinds: list[str] = []

    def event(self, kind: str, detail: str = "") -> None:
        self.kinds.append(kind)


@pytest.mark.parametrize(
    ("counts", "kinds"),
    [
        ([0] * 12, ["no_rtp"]),
        ([0, 0, 50, 100, 150, 200, 250, 300], []),
        ([50, *[50] * 9, 100, 150], ["rtp_silent", "rtp_back"]),
        ([50, *[50] * 9], ["rtp_silent"]),
        ([*[0] * 9, 50, 100, 150], ["no_rtp", "rtp_back"]),
        ([50, 50, 50, 100, 100, 150], []),
    ],
)
async def test_silences_are_told_once(
    monkeypatch: pytest.MonkeyPatch, counts: list[int], kinds: list[str]
) -> None:
    """Looks 10 ms apart instead of a second; limits of 4 and 5 looks."""
    for name, value in (("LOOK_EVERY_S", 0.01), ("NONE_BY_S", 0.04), ("SILENT_AFTER_S", 0.05)):
        monkeypatch.setattr(sound, name, value)
    notes = Notes()
    await asyncio.wait_for(sound.watch(Packets(counts), notes), 5)
    assert notes.kinds == kinds


def test_a_leg_without_a_stream_has_no_rtp() -> None:
    assert sound.rtp_of(RtpStats()) is None


def test_what_the_record_says() -> None:
    rtp = sound.rtp_of(RtpStats("PCMA", False, 990, 10, 0, 3.0, 9.0, 1000, 20, 4, 30.0))
    assert rtp is not None and rtp.one_way is None
    assert (rtp.loss, rtp.sent_loss) == (0.01, 0.02)
    assert rtp.mos is not None and rtp.sent_mos is not None and 4.0 < rtp.sent_mos < rtp.mos < 4.4


@pytest.mark.parametrize(
    ("stats", "one_way"),
    [
        (RtpStats("PCMA", sent=500), "nothing_heard"),
        (RtpStats("PCMA", sent=100), None),  # too short to say
        (RtpStats("PCMA", received=500, sent=500, sent_lost=500, reports=3), "not_heard"),
        (RtpStats("PCMA", received=500, sent=500, sent_lost=0, reports=0), None),  # it does not report
        (RtpStats("PCMA", received=500, sent=500, sent_lost=100, reports=3), None),
    ],
)
def test_one_way_audio(stats: RtpStats, one_way: str | None) -> None:
    rtp = sound.rtp_of(stats)
    assert rtp is not None and rtp.one_way == one_way


@pytest.mark.parametrize(
    ("loss", "delay_ms", "low", "high"),
    [
        (0, 0, 4.40, 4.42),
        (0, 150, 4.3, 4.36),
        (0.01, 50, 4.2, 4.4),
        (0.05, 50, 3.4, 4.0),
        (0.2, 50, 1.9, 2.7),
        (1, 50, 1, 1.4),
        (0, 400, 3.0, 3.9),
    ],
)
def test_the_estimate_follows_g_107(loss: float, delay_ms: float, low: float, high: float) -> None:
    """R 93.2 is MOS 4.41; 1 % loss costs about 3.6 R, 20 % about 42; 400 ms of delay about 34."""
    assert low <= estimated_mos(loss, delay_ms) <= high


def test_two_streams_of_a_leg_add_up() -> None:
    first = RtpStats("PCMA", False, 100, 10, 0, 2.0, 5.0, 200, 0, 1, 40.0)
    both = first.plus(RtpStats("PCMA", True, 300, 0, 0, 4.0, 6.0, 100, 5, 2, 20.0))
    assert (both.received, both.lost, both.sent, both.sent_lost, both.reports) == (400, 10, 300, 5, 3)
    assert (both.jitter_ms, both.jitter_max_ms, both.rtt_ms, both.srtp) == (3.5, 6.0, 20.0, True)
    assert first.plus(RtpStats()) == first
