"""What a waiting debtor hears: a soft chime, made by us, so that the line never seems dead.

It is quiet and tonal: neither ringback nor busy tone, and no music that needs a licence.
"""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np

RATE_HZ = 8000
LOOP_S = 4.0
CHIME_HZ = (523.25, 659.25)
"""Two notes of a C major chord, one second apart; then silence until the loop's end."""
NOTE_S = 1.4
DECAY_S = 0.35
PEAK = 0.12
"""-18 dBFS: well above the noise of a line, well below a voice."""
ATTACK_S = 0.02


def hold_tone(path: Path) -> Path:
    """Writes the loop (WAV, 8 kHz, mono, 16 bit, 4 s) to `path`, renamed into place, unless it is there."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.zeros(int(LOOP_S * RATE_HZ))
    for at_s, hz in enumerate(CHIME_HZ):
        note = _note(hz)
        samples[at_s * RATE_HZ : at_s * RATE_HZ + len(note)] += note
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with wave.open(str(new), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((samples * PEAK * 32767).astype("<i2").tobytes())
    new.replace(path)
    return path


def _note(hz: float) -> np.ndarray:
    t = np.arange(int(NOTE_S * RATE_HZ)) / RATE_HZ
    return np.asarray(np.sin(2 * np.pi * hz * t) * np.exp(-t / DECAY_S) * np.minimum(1.0, t / ATTACK_S))
