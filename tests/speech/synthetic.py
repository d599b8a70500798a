"""Generated telephone sounds: tones, cadences, noise.  8 kHz int16 PCM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voicebot.speech.audio import SAMPLE_RATE, to_pcm


def cadence(pattern: Sequence[float], seconds: float, hz: float = 450.0, level: float = 0.1) -> bytes:
    """A tone switched on and off after `pattern` (seconds on, off, on, …), repeated."""
    count = int(seconds * SAMPLE_RATE)
    tone = level * np.sin(2 * np.pi * hz * np.arange(count) / SAMPLE_RATE)
    gate = np.zeros(count)
    start, step = 0, 0
    while start < count:
        length = int(pattern[step % len(pattern)] * SAMPLE_RATE)
        gate[start : start + length] = 1.0 if step % 2 == 0 else 0.0
        start, step = start + length, step + 1
    return to_pcm((tone * gate).astype(np.float32))


def tone(hz: float, seconds: float, level: float = 0.1) -> bytes:
    return cadence([seconds], seconds, hz, level)


def silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * SAMPLE_RATE))


def noise(seconds: float, dbfs: float, seed: int = 0) -> bytes:
    """White noise at an RMS level."""
    samples = np.random.default_rng(seed).normal(0.0, 10 ** (dbfs / 20), int(seconds * SAMPLE_RATE))
    return to_pcm(samples.astype(np.float32))


def mixed(one: bytes, other: bytes) -> bytes:
    """Both at once, as long as the first."""
    a = np.frombuffer(one, np.int16).astype(np.float32)
    b = np.resize(np.frombuffer(other, np.int16).astype(np.float32), a.size)
    return np.clip(a + b, -32768, 32767).astype(np.int16).tobytes()
