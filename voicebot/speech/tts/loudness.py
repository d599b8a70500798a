"""From an engine's samples to a telephone prompt: silence trimmed, one loudness, 8 kHz."""

from __future__ import annotations

import numpy as np
import soxr

from voicebot.speech.audio import SAMPLE_RATE, Samples

SPEECH_DBFS = -20.0
"""Level of the speech (pauses not counted) in every prompt."""
_PEAK = 0.9
"""Loudest sample: above it a prompt is turned down rather than clipped."""
_KEEP_S = 0.04
"""Silence kept before and after a clause."""
_BLOCK_S = 0.01
_BELOW_PEAK = 10 ** (-38 / 20)
"""Blocks 38 dB below the loudest one are silence."""
_SPEECH_BELOW_PEAK = 10 ** (-25 / 20)


def to_prompt(samples: Samples, rate: int) -> Samples:
    """Samples at any rate → 8 kHz samples, trimmed to 40 ms of silence at the ends, speech at −20 dBFS.

    Empty when there is nothing but silence, or broken samples.
    """
    narrow = soxr.resample(samples, rate, SAMPLE_RATE).astype(np.float32)
    block = int(_BLOCK_S * SAMPLE_RATE)
    count = narrow.size // block
    if count == 0:
        return np.zeros(0, np.float32)
    levels = np.sqrt((narrow[: count * block].reshape(count, block) ** 2).mean(axis=1))
    loudest = float(levels.max())
    if not loudest >= 1e-4:  # also broken samples (NaN), which compare with nothing
        return np.zeros(0, np.float32)
    heard = np.flatnonzero(levels > loudest * _BELOW_PEAK)
    keep = int(_KEEP_S * SAMPLE_RATE)
    start = max(0, int(heard[0]) * block - keep)
    end = min(narrow.size, (int(heard[-1]) + 1) * block + keep)
    speech = levels[levels > loudest * _SPEECH_BELOW_PEAK]
    gain = 10 ** (SPEECH_DBFS / 20) / float(np.sqrt((speech**2).mean()))
    gain = min(gain, _PEAK / float(np.abs(narrow).max()))
    fade = np.linspace(0.0, 1.0, block, dtype=np.float32)
    prompt = narrow[start:end] * np.float32(gain)
    prompt[:block] *= fade
    prompt[-block:] *= fade[::-1]
    return np.asarray(prompt, np.float32)
