"""What Vosk made of one utterance: segments, one after another, as the library and its server write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from voicebot.speech.asr.engine import strip_spaces
from voicebot.speech.spoken.numerals import simplify


class Segments:
    """Texts and the confidence of their words."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._scores: list[float] = []

    def keep(self, result: Mapping[str, Any]) -> None:
        """A finished segment; one without text says nothing."""
        if result.get("text"):
            self._texts.append(str(result["text"]))
            self._scores += [float(word["conf"]) for word in result.get("result", ()) if "conf" in word]

    def text(self, unfinished: str = "") -> str:
        """All of them as Chinese is written, with what is not finished yet behind them."""
        return simplify(strip_spaces(" ".join([*self._texts, unfinished])))

    @property
    def confidence(self) -> float | None:
        """Mean of the words'; None when no segment came with any."""
        return round(math.fsum(self._scores) / len(self._scores), 3) if self._scores else None
