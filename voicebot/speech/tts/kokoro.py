"""Kokoro-82M (int8 ONNX, Apache-2.0): the natural voice.  About 0.5 CPU seconds per second of speech, so it
renders before the call, never in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime

from voicebot.errors import InputError, NotReady
from voicebot.speech.audio import Samples
from voicebot.speech.tts.engine import VERSIONS, RenderError
from voicebot.speech.tts.pronounce import phonemes

_RATE = 24000
_MAX_TOKENS = 508
_STYLE = 256


class KokoroVoice:
    """`folder` holds model.onnx, vocab.json and VOICE.bin (float32, one style of 256 numbers a length)."""

    version = VERSIONS["kokoro"]

    def __init__(self, folder: Path, voice: str, speed: float = 1.0) -> None:
        self.name = f"kokoro:{voice}"
        for file in ("model.onnx", "vocab.json"):
            if not (folder / file).is_file():
                raise NotReady(f"the Kokoro model lacks {file}.", "Run `make models`.", where=folder)
        styles = folder / f"{voice}.bin"
        if not styles.is_file():
            known = ", ".join(sorted(p.stem for p in folder.glob("z*.bin"))) or "none"
            raise InputError(
                f"there is no Kokoro voice {voice!r}.", f"Installed: {known}.", where=folder, key="tts.voice"
            )
        self._styles = np.fromfile(styles, np.float32).reshape(-1, _STYLE)
        self._vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text("utf-8"))["vocab"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._speed = np.array([speed], np.float32)

    def render(self, text: str) -> tuple[Samples, int]:
        tokens = [self._vocabulary[c] for c in phonemes(text) if c in self._vocabulary]
        if not tokens or len(tokens) > _MAX_TOKENS:
            raise RenderError("the text has nothing to say, or is too long for one clause")
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": self._styles[min(len(tokens), len(self._styles) - 1)][None],
            "speed": self._speed,
        }
        samples = self._session.run(None, inputs)[0].ravel().astype(np.float32)
        if not np.isfinite(samples).all() or float(np.abs(samples).max(initial=0.0)) < 0.01:
            raise RenderError("Kokoro gave silence or broken samples")
        return samples, _RATE
