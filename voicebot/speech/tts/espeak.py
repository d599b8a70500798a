"""pyttsx3 over espeak-ng: the voice that is always there.

pyttsx3 loses utterances when one engine is used again, and fails silently on bad paths, so every utterance
gets a process of its own and the file it wrote is checked.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile

from voicebot.errors import InputError
from voicebot.speech.audio import Samples
from voicebot.speech.tts.child import environment
from voicebot.speech.tts.engine import VERSIONS, RenderError

_VOICES = {"cmn": "sit/cmn-latn-pinyin"}
"""Despite its name it takes hanzi; Debian's `sit/cmn` reads tone numbers aloud in English."""
_WORDS_A_MINUTE = 190
_TIMEOUT_S = 30.0
_TRIES = 3


class EspeakVoice:
    """Mandarin by espeak-ng: understandable, hardly pleasant.  0.06 CPU seconds an utterance."""

    version = VERSIONS["espeak"]

    def __init__(self, voice: str = "cmn") -> None:
        if voice not in _VOICES:
            raise InputError(
                f"there is no espeak voice {voice!r}.", f"Use {', '.join(_VOICES)}.", key="tts.voice"
            )
        self.name = f"espeak:{voice}"
        self._voice = _VOICES[voice]

    def render(self, text: str) -> tuple[Samples, int]:
        for _ in range(_TRIES):
            with tempfile.TemporaryDirectory(prefix="espeak-") as folder:
                wav = Path(folder) / "utterance.wav"
                if self._speak(text, wav):
                    samples, rate = soundfile.read(io.BytesIO(wav.read_bytes()), dtype="float32")
                    return samples, int(rate)
        raise RenderError("espeak-ng wrote no usable audio; is Debian's espeak-ng installed?")

    def _speak(self, text: str, wav: Path) -> bool:
        command = [
            sys.executable,
            "-m",
            "voicebot.speech.tts.espeak_once",
            self._voice,
            str(_WORDS_A_MINUTE),
            str(wav),
        ]
        try:
            done = subprocess.run(
                command,
                input=text.encode(),
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
                env=environment(),
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0
