"""A line on virtual time: frames of voice or silence, a recogniser that knows what the voice says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from voicebot.speech.asr.engine import Hypothesis
from voicebot.speech.vad import Voicing

VOICE = b"\x01\x00" * 160
SILENCE = bytes(320)
FRAME_S = 0.02


class Vad:
    """Hears voice in VOICE, and in nothing else."""

    def feed(self, frame: bytes) -> Voicing:
        return Voicing(-20.0, frame == VOICE, 1.0)

    def reset(self) -> None: ...


class Recognizer:
    """One text a turn, in their order; `decode_s` is how long it takes to read."""

    def __init__(self, *texts: str, decode_s: float = 0.1, confidence: float = 0.9) -> None:
        self._texts, self._decode_s, self._confidence = list(texts), decode_s, confidence
        self._turn = 0
        self.fed_s = 0.0

    def feed(self, pcm: bytes) -> None:
        self.fed_s += len(pcm) / 16000

    async def speculate(self, alternatives: int = 1) -> Hypothesis:
        await asyncio.sleep(self._decode_s)
        text = self._texts[self._turn] if self._turn < len(self._texts) else ""
        return Hypothesis(text, self._confidence, not text, "written", 1.0)

    async def finalize(self, unchanged: bool = False, alternatives: int = 1) -> Hypothesis:
        found = await self.speculate()
        self._turn += 1
        return found

    async def close(self) -> None: ...


class Speech:
    """The service: the same recogniser for whoever opens it."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer, self.purposes = recognizer, list[str]()

    async def open(self, purpose: str = "live", phrases: tuple[str, ...] = ()) -> Recognizer:
        self.purposes.append(purpose)
        return self.recognizer


def voice(seconds: float) -> list[bytes]:
    return [VOICE] * round(seconds / FRAME_S)


def silence(seconds: float) -> list[bytes]:
    return [SILENCE] * round(seconds / FRAME_S)


async def play(frames: Iterable[bytes], on_tick: Callable[[bytes], None]) -> None:
    """One frame every 20 ms, from now on."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, frame in enumerate(frames):
        if (wait := began + number * FRAME_S - loop.time()) > 0:
            await asyncio.sleep(wait)
        on_tick(frame)
