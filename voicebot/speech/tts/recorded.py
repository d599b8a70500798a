"""A person's recordings, one WAV file a clause: what was not recorded cannot be spoken.

The folder recorded/NAME below the models holds the files and manifest.json, {"clause": "file.wav", …}.
Punctuation does not count.  Other recordings are another voice: give it another name, so that it is approved.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from voicebot.errors import InputError, NotReady
from voicebot.speech.audio import Samples
from voicebot.speech.tts.clauses import spoken
from voicebot.speech.tts.engine import VERSIONS, RenderError


class RecordedVoice:
    """`folder` is recorded/NAME.  Raises NotReady without a manifest, InputError for a wrong one."""

    version = VERSIONS["recorded"]

    def __init__(self, folder: Path) -> None:
        self.name = f"recorded:{folder.name}"
        manifest = folder / "manifest.json"
        try:
            texts = json.loads(manifest.read_text("utf-8"))
        except FileNotFoundError:
            raise NotReady("there are no recordings of this voice.", "Put them there.", manifest) from None
        except ValueError as fault:
            raise InputError(f"this is no JSON: {fault}.", "Mend it.", manifest) from None
        if not isinstance(texts, dict) or not all(isinstance(file, str) for file in texts.values()):
            raise InputError("a manifest maps texts to files.", 'Write {"您好": "hello.wav"}.', manifest)
        missing = sorted(file for file in texts.values() if not (folder / file).is_file())
        if missing:
            raise InputError(f"{len(missing)} files are missing, the first is {missing[0]}.", "", manifest)
        self._files = {spoken(text): folder / file for text, file in texts.items()}

    def render(self, text: str) -> tuple[Samples, int]:
        path = self._files.get(spoken(text))
        if path is None:
            raise RenderError("this clause was not recorded")
        try:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        except (OSError, RuntimeError) as fault:
            raise RenderError(f"{path.name} cannot be read ({type(fault).__name__})") from None
        return np.asarray(samples.mean(axis=1), np.float32), int(rate)
