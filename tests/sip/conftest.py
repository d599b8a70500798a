"""Two phones on loopback: ours in this process, the far end in its own."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from sip.softphone import PhoneSettings, Softphone
from tests.sip.far_end import FarEnd

RATE = 8000


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[FarEnd]:
    async with FarEnd(tmp_path / "far") as far:
        yield far


@pytest.fixture
async def phone() -> AsyncIterator[Softphone]:
    async with Softphone(PhoneSettings()) as phone:
        yield phone


def sweep(seconds: float, first_hz: float = 300.0, last_hz: float = 3000.0) -> np.ndarray:
    """A rising tone: every moment of it is told from every other.  int16 samples, none of them silent."""
    t = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * (first_hz * t + (last_hz - first_hz) * t**2 / (2 * seconds))
    return np.round(8000 * np.sin(phase + 0.5)).astype(np.int16)


@pytest.fixture
def write_wav(tmp_path: Path) -> Callable[[str, np.ndarray], Path]:
    def write(name: str, samples: np.ndarray) -> Path:
        path = tmp_path / name
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.astype("<i2").tobytes())
        return path

    return write
