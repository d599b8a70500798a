"""What the service and the calls know of a recogniser: open a session, feed it, ask for a hypothesis."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from voicebot.errors import InputError, NotReady

Purpose = Literal["live", "announcement"]
"""A person, or the network and machines (early media and the first seconds)."""

MOST_HYPOTHESES = 3
"""The best text and at most two others: every further reading of a digit string is a further guess."""
ASK_AGAIN = 0.55
"""Confidence under which a text is better asked again than acted upon."""


@dataclass(frozen=True)
class Hypothesis:
    """What was recognised.

    `confidence` runs from 0 to 1 and is comparable within one engine (Whisper: geometric mean of the token
    probabilities; Vosk: mean word confidence).  `no_speech` is True when the engine holds the audio for
    something else than speech; the text is empty then.  `alternatives` are other readings of the same
    audio, best first: only when they were asked for, and only from engines that have them.
    """

    text: str
    confidence: float
    no_speech: bool
    engine: str
    decode_ms: float
    alternatives: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Capabilities:
    partials: bool
    "Text while somebody speaks."
    biasing: bool
    "Phrases and purpose help the decoder."
    streaming: bool
    "Decodes while it is fed, so audio should reach it at once."
    remote: bool = False
    "Waits for another machine instead of computing: many decodes at a time cost nothing here."


class Session(Protocol):
    """One connection's recogniser: many utterances, one after another.  Calls come from one thread at a time
    and may block for as long as a decode takes."""

    def feed(self, pcm: bytes) -> None:
        """8 kHz int16 mono of the current utterance."""
        ...

    def partial(self) -> str:
        """Text so far, or "" for engines without partials."""
        ...

    def decode(self, hypotheses: int = 1) -> Hypothesis:
        """Final-quality text of all that was fed since the last `reset`; feeding may go on after it.

        With `hypotheses` above 1, engines that can add the next best texts as alternatives.
        """
        ...

    def reset(self) -> None:
        """Starts the next utterance."""
        ...

    def close(self) -> None: ...


class Engine(Protocol):
    name: str

    @property
    def capabilities(self) -> Capabilities: ...

    def open(self, purpose: Purpose, phrases: Sequence[str]) -> Session: ...

    def warm_up(self) -> Hypothesis:
        """One real decode: proves that the model works."""
        ...


def since_ms(began: float) -> float:
    """Milliseconds since `began`, a `time.perf_counter()`."""
    return round((time.perf_counter() - began) * 1000, 1)


_HAN = r"[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]"
_BLANK_AT_HAN = re.compile(rf"(?<={_HAN})\s+|\s+(?={_HAN})")


def strip_spaces(text: str) -> str:
    """Chinese has no blanks between words; recognisers put them there.  Others' blanks stay."""
    return _BLANK_AT_HAN.sub("", text).strip()


def vosk_model_in(models: Path) -> Path | None:
    """An installed Chinese Vosk model: a folder named vosk*cn* or vosk*zh* below the model folder."""
    for pattern in ("vosk*cn*", "vosk*zh*"):
        for folder in sorted(models.glob(pattern)):
            if (folder / "am" / "final.mdl").is_file():
                return folder
    return None


ENGINES = ("auto", "whisper", "vosk", "vosk-server")


def load_engine(
    choice: str, models: Path, threads: int = 1, vosk_model: Path | None = None, url: str = ""
) -> Engine:
    """Loads one of ENGINES.  `auto` takes Vosk when a Chinese model of it is installed.

    Raises NotReady when the model is missing or broken, InputError for an unknown choice.
    """
    if choice not in ENGINES:
        raise InputError(
            f"unknown ASR engine {choice!r}.", f"Use one of {', '.join(ENGINES)}.", key="asr.engine"
        )
    if choice == "vosk-server":
        from voicebot.speech.asr.vosk_server import VoskServerEngine

        if not url:
            raise InputError("asr.url is missing.", "Name the server: ws://HOST:PORT.", key="asr.url")
        return VoskServerEngine(url)
    found = vosk_model or vosk_model_in(models)
    if choice == "vosk" or (choice == "auto" and found):
        from voicebot.speech.asr.vosk import VoskEngine

        if found is None:
            raise NotReady(
                "no Chinese Vosk model is installed.",
                "Unpack one there as vosk-model-cn-…, or use asr.engine: whisper.",
                where=models,
            )
        return VoskEngine(found)
    from voicebot.speech.asr.whisper import WhisperEngine

    return WhisperEngine(models / "whisper-base", threads)
