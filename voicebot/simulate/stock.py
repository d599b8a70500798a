"""The WAV files that a simulated party plays: rendered speech laid over the noise of its line."""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

import numpy as np

from voicebot.errors import NotReady
from voicebot.speech.audio import SAMPLE_RATE, Samples, to_float, to_pcm
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.tts.render_process import write_wav

NOISE_LOOP_S = 4.0
TAIL_S = 0.1
"""Noise after the speech, until the noise loop takes over."""
BEEP_HZ, BEEP_S, BEEP_DBFS = 1000.0, 0.4, -15.0
BEEP_AFTER_S = 0.5
_SEED = 20260302
"""Noise is the same in every run."""


def read_pcm(path: Path) -> bytes:
    """PCM of a WAV (8 kHz, mono, int16)."""
    with wave.open(str(path), "rb") as wav:
        return wav.readframes(wav.getnframes())


def noise(samples: int, dbfs: float, seed: int = _SEED) -> Samples:
    """White noise of a level, as float samples."""
    generator = np.random.default_rng(seed)
    return (generator.standard_normal(samples) * 10 ** (dbfs / 20)).astype(np.float32)


def beep() -> Samples:
    """A voicemail's beep with the silence before it."""
    t = np.arange(int(BEEP_S * SAMPLE_RATE)) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * BEEP_HZ * t) * 10 ** (BEEP_DBFS / 20) * np.sqrt(2)
    return np.concatenate([np.zeros(int(BEEP_AFTER_S * SAMPLE_RATE)), tone]).astype(np.float32)


class SpeechStock:
    """Rendered texts of `prompts`, made ready to play below `folder`."""

    def __init__(self, prompts: Path, folder: Path) -> None:
        self._cache = PromptCache(prompts)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def clean(self, voice: str, text: str) -> bytes:
        """PCM of a text without noise.  Raises NotReady when it was not rendered."""
        path = self._cache.path(voice, text)
        if not path.is_file():
            raise NotReady(
                "speech of the simulated world was not rendered.",
                "Run `python -m voicebot.simulate.voices` first.",
                path,
            )
        return read_pcm(path)

    def spoken(self, voice: str, text: str, noise_dbfs: float, *, with_beep: bool = False) -> Path:
        """WAV of a text over line noise; with a beep after it for a voicemail."""
        name = hashlib.sha256(f"{voice}\0{text}\0{noise_dbfs}\0{with_beep}".encode()).hexdigest()[:16]
        path = self._folder / f"{name}.wav"
        if not path.is_file():
            speech = to_float(self.clean(voice, text))
            tail = np.zeros(int(TAIL_S * SAMPLE_RATE), np.float32)
            speech = np.concatenate([speech, beep(), tail] if with_beep else [speech, tail])
            write_wav(path, to_pcm(speech + noise(speech.size, noise_dbfs)))
        return path

    def noise(self, dbfs: float) -> Path:
        """WAV of line noise, to be looped."""
        path = self._folder / f"noise{dbfs:g}.wav"
        if not path.is_file():
            write_wav(path, to_pcm(noise(int(NOISE_LOOP_S * SAMPLE_RATE), dbfs)))
        return path
