"""Two phones on loopback: ours in this process, the far end in its own."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from sip.softphone import PhoneSettings, Softphone
from tests.sip.far_end import FarEnd

RATE = 8000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far_process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FarEnd]:
    async with FarEnd(tmp_path_factory.mktemp("far")) as far:
        yield far


@pytest_asyncio.fixture(loop_scope="module")
async def far(far_process: FarEnd) -> FarEnd:
    """The far end, free of the calls of the test before."""
    await far_process.reset()
    return far_process


@pytest_asyncio.fixture(loop_scope="module")
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
