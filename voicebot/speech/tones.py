"""Call-progress tones of the Chinese network (450 Hz) and the beep of a voicemail, streaming.

Ring-back 1.0 s on / 4.0 s off; busy .35/.35; congestion .7/.7; unobtainable three times .1/.1, then .4/.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from voicebot.speech.audio import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, Samples, to_float

_FREQUENCIES_HZ = (430.0, 450.0, 470.0)
"""The network's 450 Hz is allowed ±25 Hz."""
_ON_RATIO, _OFF_RATIO = 0.70, 0.45
"""Share of a frame's energy in the tone: to switch on, and to stay on."""
_FLOOR_POWER = 10 ** (-48 / 10)
_DEBOUNCE_FRAMES = 2
_STEADY_FRAMES = 125
"""2.5 s: a dial tone or a howler, no cadence."""
_KEPT_RUNS = 8
_GAP_BELOW = 10 ** (-6 / 10)
"""The network is silent between its bursts; a melody goes on with another note."""


class Tone(StrEnum):
    RINGBACK = "ringback"
    BUSY = "busy"
    CONGESTION = "congestion"
    UNOBTAINABLE = "unobtainable"
    STEADY = "steady"


@dataclass(frozen=True)
class _Run:
    on: bool
    seconds: float
    power: float
    "Mean over the run."


def _near(value: float, wanted: float, tolerance: float) -> bool:
    return abs(value - wanted) <= tolerance


class CadenceDetector:
    """Feed 20 ms frames; a Tone comes back when a cadence has just been completed.

    Busy is known after 1.1 s, congestion after 2.2 s, ring-back after 6 s; `maybe_ringback` is already set
    after one burst of 1 s.  About 15 µs a frame.
    """

    def __init__(self) -> None:
        t = np.arange(FRAME_SAMPLES) / SAMPLE_RATE
        window = np.hanning(FRAME_SAMPLES + 2)[1:-1]
        phases = 2 * np.pi * np.outer(_FREQUENCIES_HZ, t)
        scale = np.sqrt((window**2).sum() / 2)
        basis = np.concatenate([np.cos(phases) * window, np.sin(phases) * window]) / scale
        self._basis = basis.astype(np.float32)
        self._on = False
        self._length = 0
        self._pending = 0
        self._power = self._pending_power = 0.0
        "Summed over the frames of the run, and of those that may begin the next."
        self._steady_told = False
        self._runs: list[_Run] = []
        self.maybe_ringback = False

    def feed(self, frame: bytes) -> Tone | None:
        """One 20 ms frame → the tone that this frame completes, or None."""
        samples = to_float(frame)
        power = float(np.dot(samples, samples)) / FRAME_SAMPLES
        hit = self._is_tone(samples, power)
        if hit != self._on:
            self._pending += 1
            self._pending_power += power
            return self._flip() if self._pending >= _DEBOUNCE_FRAMES else None
        self._length += 1 + self._pending
        self._power += power + self._pending_power
        self._pending, self._pending_power = 0, 0.0
        if self._on and self._length > _STEADY_FRAMES and not self._steady_told:
            self._steady_told = True
            return Tone.STEADY
        return None

    def _is_tone(self, x: Samples, power: float) -> bool:
        if power <= _FLOOR_POWER:
            return False
        parts = self._basis @ x
        half = len(_FREQUENCIES_HZ)
        tone = float((parts[:half] ** 2 + parts[half:] ** 2).max())
        # 2/3: a pure tone's share under the Hann window, so that the ratio is 1.0 for one
        return tone / (power * FRAME_SAMPLES * 2 / 3) > (_OFF_RATIO if self._on else _ON_RATIO)

    def _flip(self) -> Tone | None:
        mean = self._power / max(1, self._length)
        self._runs = [*self._runs, _Run(self._on, self._length * FRAME_SECONDS, mean)][-_KEPT_RUNS:]
        self._on = not self._on
        self._length, self._power = self._pending, self._pending_power
        self._pending, self._pending_power, self._steady_told = 0, 0.0, False
        return self._match()

    def _match(self) -> Tone | None:
        runs = self._runs
        if not runs[-1].on:
            return None
        self.maybe_ringback = _near(runs[-1].seconds, 1.0, 0.12)
        if len(runs) < 3 or not runs[-3].on or runs[-2].power > _GAP_BELOW * runs[-1].power:
            return None
        first, gap, last = (run.seconds for run in runs[-3:])
        for tone, on_s, off_s, on_tol, off_tol in (
            (Tone.BUSY, 0.35, 0.35, 0.07, 0.07),
            (Tone.CONGESTION, 0.7, 0.7, 0.1, 0.1),
            (Tone.RINGBACK, 1.0, 4.0, 0.15, 0.4),
        ):
            if _near(first, on_s, on_tol) and _near(last, on_s, on_tol) and _near(gap, off_s, off_tol):
                return tone
        if len(runs) >= 5 and all(_near(run.seconds, 0.1, 0.05) for run in runs[-5:]):
            return Tone.UNOBTAINABLE
        return None


class BeepDetector:
    """The beep after which a voicemail records: one stable narrow peak of 0.16 … 1.5 s.

    It is higher than 500 Hz: 450 Hz are the network's own, and sung vowels (some 喂) have their peak below.
    """

    _MIN_FRAMES, _MAX_FRAMES = 8, 75
    _PURITY = 0.93
    _MIN_POWER = 1e-4
    _FFT = 256
    _LOW_BIN, _HIGH_BIN = 16, 72
    "500 … 2,219 Hz"

    def __init__(self) -> None:
        self._window = np.hanning(FRAME_SAMPLES).astype(np.float32)
        self._frames = 0
        self._bin = 0

    def feed(self, frame: bytes) -> bool:
        """One 20 ms frame → True on the frame right after a beep has ended."""
        peak = self._peak(to_float(frame))
        if peak is not None and (self._frames == 0 or abs(peak - self._bin) <= 1):
            if self._frames == 0:
                self._bin = peak
            self._frames += 1
            return False
        ended = self._MIN_FRAMES <= self._frames <= self._MAX_FRAMES
        self._frames = 0 if peak is None else 1
        self._bin = peak or 0
        return ended

    def _peak(self, x: Samples) -> int | None:
        if float(np.dot(x, x)) / FRAME_SAMPLES <= self._MIN_POWER:
            return None
        spectrum = np.abs(np.fft.rfft(x * self._window, self._FFT)) ** 2
        k = int(spectrum[4:110].argmax()) + 4
        if not self._LOW_BIN <= k < self._HIGH_BIN:
            return None
        share = float(spectrum[k - 2 : k + 3].sum() / (spectrum[4:110].sum() + 1e-9))
        return k if share > self._PURITY else None
