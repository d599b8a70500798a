"""A voice: text in, samples out.  Names are `engine:voice`, as a talk track's list of voices has them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from voicebot.errors import InputError
from voicebot.speech.audio import Samples

VERSIONS = {
    "kokoro": "kokoro-1.0-int8/2",
    "espeak": "espeak-ng-pyttsx3/1",
    "sherpa": "sherpa-onnx/1",
    "recorded": "recorded/1",
}
"""Raised when an engine, its pronunciation or the loudness changes: older clauses are rendered again."""


class RenderError(RuntimeError):
    """The engine gave no usable audio for a text (the text itself is not named: it may be personal)."""


class Voice(Protocol):
    """One loaded voice.  Renderings of the same text by the same `version` sound the same."""

    name: str

    @property
    def version(self) -> str:
        """Changes when the sound of a text changes: part of the cache's key."""
        ...

    def render(self, text: str) -> tuple[Samples, int]:
        """Mono samples and their rate.  Digits must be spelled already.  Raises RenderError."""
        ...


def voice_version(name: str) -> str:
    """Version of a voice without loading it (or its libraries).  Raises InputError for an unknown engine."""
    engine, _, voice = name.partition(":")
    if engine not in VERSIONS or not voice.replace("_", "").replace("-", "").isalnum():
        raise InputError(
            f"unknown voice {name!r}.",
            "Use kokoro:zf_xiaoxiao (or another of its voices), espeak:cmn, sherpa:NAME or recorded:NAME.",
            key="tts.voice",
        )
    return VERSIONS[engine]


def load_voice(name: str, models: Path) -> Voice:
    """Loads ENGINE:NAME.  Raises InputError or NotReady when it is unknown or missing."""
    voice_version(name)
    engine, _, voice = name.partition(":")
    if engine == "kokoro":
        from voicebot.speech.tts.kokoro import KokoroVoice

        return KokoroVoice(models / "kokoro", voice)
    if engine == "sherpa":
        from voicebot.speech.tts.sherpa import SherpaVoice

        return SherpaVoice(models / "sherpa" / voice)
    if engine == "recorded":
        from voicebot.speech.tts.recorded import RecordedVoice

        return RecordedVoice(models / "recorded" / voice)
    from voicebot.speech.tts.espeak import EspeakVoice

    return EspeakVoice(voice)


def installed_voices(models: Path) -> list[str]:
    """Names of all voices that this machine has, by engine."""
    kokoro = sorted(path.stem for path in (models / "kokoro").glob("*.bin"))
    sherpa = sorted(path.parent.name for path in (models / "sherpa").glob("*/tokens.txt"))
    recorded = sorted(path.parent.name for path in (models / "recorded").glob("*/manifest.json"))
    return [
        *(f"kokoro:{name}" for name in kokoro),
        *(f"sherpa:{name}" for name in sherpa),
        *(f"recorded:{name}" for name in recorded),
        "espeak:cmn",
    ]
