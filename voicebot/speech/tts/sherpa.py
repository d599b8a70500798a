"""A site's own model through sherpa-onnx (optional: `uv pip install sherpa-onnx`): VITS, Matcha or Kokoro.

The folder sherpa/NAME below the models is an unpacked model as its makers publish it, with its lexicon; its
kind is told by its files.  voice.json there may say {"speaker": 3, "speed": 1.1}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from voicebot.errors import InputError, NotReady
from voicebot.speech.audio import Samples
from voicebot.speech.tts.engine import VERSIONS, RenderError


class SherpaVoice:
    """Raises NotReady when sherpa-onnx or the model is missing, InputError for files it cannot use."""

    version = VERSIONS["sherpa"]

    def __init__(self, folder: Path) -> None:
        try:
            import sherpa_onnx
        except ImportError:
            raise NotReady("sherpa-onnx is not installed.", "Run: uv pip install sherpa-onnx") from None
        self.name = f"sherpa:{folder.name}"
        tokens = folder / "tokens.txt"
        if not tokens.is_file():
            raise NotReady("there is no sherpa-onnx model (tokens.txt).", "Unpack one there.", folder)
        own = _settings(folder / "voice.json")
        config = sherpa_onnx.OfflineTtsConfig(
            model=_model(sherpa_onnx, folder, str(tokens)),
            rule_fsts=",".join(str(path) for path in sorted(folder.glob("*.fst"))),
        )
        if not config.validate():
            raise InputError("sherpa-onnx cannot use this model.", "Unpack it again.", folder)
        self._tts = sherpa_onnx.OfflineTts(config)
        self._speaker, self._speed = int(own.get("speaker", 0)), float(own.get("speed", 1.0))

    def render(self, text: str) -> tuple[Samples, int]:
        audio = self._tts.generate(text, sid=self._speaker, speed=self._speed)
        samples = np.asarray(audio.samples, np.float32)
        if samples.size == 0:
            raise RenderError("sherpa-onnx gave no audio")
        return samples, int(audio.sample_rate)


def _settings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as fault:
        raise InputError(f"this is no JSON object: {fault}.", "Mend it.", path) from None


def _model(sherpa_onnx: Any, folder: Path, tokens: str) -> Any:
    """The model's configuration, by the files that are there."""
    lexicon = ",".join(str(path) for path in sorted(folder.glob("lexicon*.txt")))
    vocoder = next(iter(sorted([*folder.glob("vocos*.onnx"), *folder.glob("hifigan*.onnx")])), None)
    models = [path for path in sorted(folder.glob("*.onnx")) if path != vocoder]
    if not models:
        raise NotReady("the model file (*.onnx) is missing.", "Unpack it again.", folder)
    model, voices = str(models[0]), folder / "voices.bin"
    if voices.is_file():
        kokoro = sherpa_onnx.OfflineTtsKokoroModelConfig(
            model=model, voices=str(voices), tokens=tokens, lexicon=lexicon
        )
        return sherpa_onnx.OfflineTtsModelConfig(kokoro=kokoro, num_threads=1)
    if vocoder is not None:
        matcha = sherpa_onnx.OfflineTtsMatchaModelConfig(
            acoustic_model=model, vocoder=str(vocoder), lexicon=lexicon, tokens=tokens
        )
        return sherpa_onnx.OfflineTtsModelConfig(matcha=matcha, num_threads=1)
    vits = sherpa_onnx.OfflineTtsVitsModelConfig(model=model, lexicon=lexicon, tokens=tokens)
    return sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=1)
