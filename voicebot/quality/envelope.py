"""Loudness over time of a stereo recording, small enough to draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile as sf

BLOCK_FRAMES = 8000 * 60
"""One minute at a time: an hour of recording never sits in memory as a whole."""
FULL_SCALE = 32768.0


@dataclass(frozen=True)
class Envelope:
    """Peaks 0..1 of both channels; bin i covers [i, i+1) × `bin_s` seconds of the file."""

    ours: npt.NDArray[np.float32]
    theirs: npt.NDArray[np.float32]
    bin_s: float
    seconds: float


def read_envelope(audio: Path | BinaryIO, bins: int = 1000) -> Envelope:
    """Reads WAV or FLAC; mono counts as ours.  Raises soundfile.LibsndfileError for no audio."""
    with sf.SoundFile(audio) as file:
        width = max(1, -(-len(file) // bins))
        peaks: list[npt.NDArray[np.float32]] = []
        for block in file.blocks(max(1, BLOCK_FRAMES // width) * width, dtype="int16", always_2d=True):
            loud = np.abs(block.astype(np.float32)) / FULL_SCALE
            short = -len(loud) % width
            if short:
                loud = np.pad(loud, ((0, short), (0, 0)))
            peaks.append(loud.reshape(-1, width, loud.shape[1]).max(axis=1))
        seconds = len(file) / file.samplerate
        bin_s = width / file.samplerate
    both = np.concatenate(peaks) if peaks else np.zeros((1, 2), np.float32)
    ours = both[:, 0]
    theirs = both[:, 1] if both.shape[1] > 1 else np.zeros_like(ours)
    return Envelope(ours, theirs, bin_s, seconds)
