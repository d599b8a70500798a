"""Vosk: streaming recogniser.  Its small models are trained for 16 kHz, so 8 kHz speech is always upsampled;
its endpointer is not used, for our VAD ends the utterance."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import soxr
import vosk

from voicebot.errors import NotReady
from voicebot.speech.asr.engine import Capabilities, Hypothesis, Purpose
from voicebot.speech.asr.segments import Segments
from voicebot.speech.audio import SAMPLE_RATE, to_float, to_pcm, warm_up_noise

_MODEL_RATE = 16000


class VoskEngine:
    """`folder` holds an unpacked model (am/, conf/, graph/).  Phrases are not used: a grammar would drop all
    other words."""

    capabilities = Capabilities(partials=True, biasing=False, streaming=True)

    def __init__(self, folder: Path) -> None:
        if not (folder / "am" / "final.mdl").is_file():
            raise NotReady("no Vosk model there (am/final.mdl is missing).", "Unpack a model.", where=folder)
        vosk.SetLogLevel(-1)
        try:
            self._model = vosk.Model(model_path=str(folder))
        except Exception as error:  # vosk raises a bare Exception
            raise NotReady("the Vosk model cannot be loaded.", "Unpack it again.", where=folder) from error
        self.name = f"vosk:{folder.name}"

    def open(self, purpose: Purpose, phrases: Sequence[str]) -> VoskSession:
        return VoskSession(self)

    def warm_up(self) -> Hypothesis:
        session = self.open("live", ())
        session.feed(to_pcm(warm_up_noise()))
        hypothesis = session.decode()
        session.close()
        return hypothesis

    def recognizer(self) -> vosk.KaldiRecognizer:
        """A new one for each connection: a used one stays adapted to the voice it heard before."""
        recognizer = vosk.KaldiRecognizer(self._model, _MODEL_RATE)
        recognizer.SetWords(True)
        return recognizer


class VoskSession:
    """Decodes while it is fed.  A decode closes Vosk's segment; speech after it is added as a further one."""

    def __init__(self, engine: VoskEngine) -> None:
        self._engine = engine
        self._recognizer = engine.recognizer()
        self._unread = False
        self._busy_ms = 0.0
        self.reset()

    def feed(self, pcm: bytes) -> None:
        began = time.perf_counter()
        wide = self._resampler.resample_chunk(to_float(pcm))
        self._unread = self._unread or wide.size > 0
        if self._recognizer.AcceptWaveform(to_pcm(wide)):
            self._segments.keep(json.loads(self._recognizer.Result()))
        self._busy_ms += (time.perf_counter() - began) * 1000

    def partial(self) -> str:
        return self._segments.text(json.loads(self._recognizer.PartialResult()).get("partial", ""))

    def decode(self, hypotheses: int = 1) -> Hypothesis:
        """One text, however many are asked for: Vosk's n best come without the confidence of their words."""
        began = time.perf_counter()
        if self._unread:
            self._segments.keep(json.loads(self._recognizer.FinalResult()))
            self._unread = False
        self._busy_ms += (time.perf_counter() - began) * 1000
        text, confidence = self._segments.text(), self._segments.confidence or 0.0
        return Hypothesis(text, confidence, not text, self._engine.name, round(self._busy_ms, 1))

    def reset(self) -> None:
        self._recognizer.Reset()
        self._resampler = soxr.ResampleStream(SAMPLE_RATE, _MODEL_RATE, 1, dtype="float32")
        self._segments = Segments()
        self._unread = False
        self._busy_ms = 0.0

    def close(self) -> None:
        """Frees the recogniser's memory; the session is of no use any more."""
        del self._recognizer
