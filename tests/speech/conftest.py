"""The real models (VOICEBOT_MODELS, or var/models that `make test` fills) and recorded samples."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.speech.asr_service import RunningService
from voicebot.speech.asr.whisper import WhisperEngine

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="session")
def models() -> Path:
    return Path(os.environ.get("VOICEBOT_MODELS", Path(__file__).parents[2] / "var" / "models"))


@pytest.fixture(scope="session")
def whisper(models: Path) -> WhisperEngine:
    return WhisperEngine(models / "whisper-base")


@pytest.fixture
def started() -> Iterator[list[RunningService]]:
    """Services that a test starts and that must not outlive it."""
    services: list[RunningService] = []
    yield services
    for service in services:
        service.process.kill()
        service.process.wait()


def read_pcm(name: str) -> bytes:
    """8 kHz int16 PCM of a sample (synthetic voices through A-law)."""
    with wave.open(str(SAMPLES / f"{name}.wav"), "rb") as wav:
        assert (wav.getframerate(), wav.getnchannels()) == (8000, 1)
        return wav.readframes(wav.getnframes())


def frames(pcm: bytes) -> list[bytes]:
    """Whole 20 ms frames."""
    return [pcm[i : i + 320] for i in range(0, len(pcm) - 319, 320)]
