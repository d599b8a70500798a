"""One call to a number that plays back what it hears: how long there and back takes, and how it sounds."""

from __future__ import annotations

import asyncio
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sip.cause import Cause
from sip.leg import Leg
from sip.media import CLOCK_RATE
from sip.rtp_stats import RtpStats
from sip.softphone import Softphone

MARKS = ((400.0, 1500.0), (2800.0, 400.0), (1500.0, 3000.0))
"""Hertz at the beginning and the end of each mark: one that comes late is not taken for the next one."""
_MARK_S, _PAUSE_S = 0.3, 0.7
_LONGEST_S = 2.0
"""A longer way there and back is no conversation."""
_LIKE, _SAID = 0.5, 0.9
Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EchoResult:
    """`round_trips_ms`: of each mark that came back.  `cause`: why it was not answered, else None."""

    answered_ms: float | None
    cause: Cause | None
    rtp: RtpStats
    round_trips_ms: tuple[float, ...] = ()

    @property
    def round_trip_ms(self) -> float | None:
        """The middle one: mouth to ear and back, jitter buffers included.  None when nothing came back."""
        return float(np.median(self.round_trips_ms)) if self.round_trips_ms else None


async def echo_call(
    phone: Softphone, uri: str, caller: str, headers: Sequence[tuple[str, str]], ring_s: float
) -> EchoResult:
    """Places the call over the phone's trunk and hangs up.  Raises SipError when no INVITE can be sent."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    leg = await phone.dial(uri, caller=caller, headers=headers, over_trunk=True)
    ours, theirs = bytearray(), bytearray()

    def keep(heard: bytes, said: bytes) -> None:
        theirs.extend(heard)
        ours.extend(said)

    try:
        waiting: set[asyncio.Future[Any]] = {leg.answered, leg.ended}
        await asyncio.wait(waiting, timeout=ring_s, return_when=asyncio.FIRST_COMPLETED)
        if not leg.answered.done() or leg.answered.cancelled():
            await leg.hangup()
            return EchoResult(None, await _end(leg), leg.rtp)
        answered_ms = round(1000 * (leg.answered.result() - began), 1)
        leg.on_tick = keep
        await _play_marks(leg)
    finally:
        leg.on_tick = None
        await leg.hangup()
        await _end(leg)
    return EchoResult(answered_ms, None, leg.rtp, round_trips_ms(_samples(ours), _samples(theirs)))


async def _end(leg: Leg) -> Cause | None:
    await asyncio.wait({leg.ended}, timeout=3.0)
    return leg.ended.result() if leg.ended.done() else None


async def _play_marks(leg: Leg) -> None:
    with tempfile.TemporaryDirectory(prefix="echo-") as folder:
        await asyncio.sleep(_PAUSE_S)  # the far end's echo may need a moment to begin
        for number in range(len(MARKS)):
            file = Path(folder) / f"mark{number}.wav"
            _write(file, mark(number))
            playback = await leg.play(file)
            waiting: set[asyncio.Future[Any]] = {playback.done, leg.ended}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(_PAUSE_S)
    await asyncio.sleep(_PAUSE_S)  # for the last one to come back


def mark(number: int) -> Samples:
    """A tone that slides: every moment of it is told from every other, and from speech and ringing."""
    first_hz, last_hz = MARKS[number]
    t = np.arange(int(_MARK_S * CLOCK_RATE)) / CLOCK_RATE
    return 8000 * np.sin(2 * np.pi * (first_hz * t + (last_hz - first_hz) * t**2 / (2 * _MARK_S)))


def _write(file: Path, samples: Samples) -> None:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(CLOCK_RATE)
        out.writeframes(samples.round().astype("<i2").tobytes())


def _samples(pcm: bytearray) -> Samples:
    return np.frombuffer(bytes(pcm), dtype="<i2").astype(np.float64)


def round_trips_ms(ours: Samples, theirs: Samples) -> tuple[float, ...]:
    """How long after each mark in `ours` it comes back in `theirs`; what does not come back is left out."""
    found = []
    for number in range(len(MARKS)):
        tone = mark(number)
        said = _likeness(ours, tone)
        if not said.size or said.max() < _SAID:
            continue
        start = int(np.argmax(said))
        back = _likeness(theirs[start : start + len(tone) + int(_LONGEST_S * CLOCK_RATE)], tone)
        if back.size and float(back.max()) > _LIKE:
            found.append(1000 * int(np.argmax(back)) / CLOCK_RATE)
    return tuple(found)


def _likeness(heard: Samples, tone: Samples) -> Samples:
    """Normalised correlation of the tone with every stretch of what was heard, 0..1."""
    if len(heard) < len(tone):
        return np.zeros(0)
    size = 1 << (len(heard) + len(tone)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(tone, size)), size)
    valid = len(heard) - len(tone) + 1
    energy = np.concatenate([[0.0], np.cumsum(heard**2)])
    norms = np.sqrt(energy[len(tone) :] - energy[: -len(tone)]) + 1e4
    likeness: Samples = np.abs(product[:valid]) / (norms[:valid] * np.linalg.norm(tone))
    return likeness
