"""Telephone audio as all speech parts see it: 8 kHz, mono, signed 16 bit, 20 ms frames."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 8000
FRAME_SECONDS = 0.02
FRAME_SAMPLES = 160
FRAME_BYTES = 320
SILENCE_DBFS = -96.0
"""Level reported for digital silence."""

Samples = npt.NDArray[np.float32]
"""Mono samples, -1 … 1."""


def to_float(pcm: bytes) -> Samples:
    """int16 PCM → float samples."""
    return np.frombuffer(pcm, np.int16).astype(np.float32) / 32768.0


def to_pcm(samples: Samples) -> bytes:
    """Float samples → int16 PCM, clipped at full scale."""
    return (np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16).tobytes()


def level_dbfs(samples: Samples) -> float:
    """RMS level of float samples in dB below full scale."""
    if not samples.size:
        return SILENCE_DBFS
    power = float(np.dot(samples, samples)) / samples.size
    return max(SILENCE_DBFS, 10.0 * math.log10(power)) if power > 0.0 else SILENCE_DBFS


def warm_up_noise() -> Samples:
    """A second of noise, always the same: recognisers decode it to prove that they work."""
    return np.random.default_rng(0).normal(0.0, 0.05, SAMPLE_RATE).astype(np.float32)
