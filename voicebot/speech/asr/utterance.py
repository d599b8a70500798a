"""One client's utterance inside the service: what was fed, the decode that runs ahead, and whether it still
holds when the end comes."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import replace

from voicebot.speech.asr.engine import Hypothesis, Session
from voicebot.speech.asr.load_meter import LoadMeter
from voicebot.speech.audio import FRAME_BYTES, SAMPLE_RATE, level_dbfs, to_float

SILENCE_GATE_DBFS = -45.0
"""Audio below this after a speculation is the silence that made the caller speculate, no new speech."""
_SPEECH_FRAMES = 3
"""60 ms in a row above the gate are speech; one click is not."""


class Utterance:
    """All work on the session is done in order on the executor, never on the event loop."""

    def __init__(
        self, session: Session, executor: Executor, meter: LoadMeter, streaming: bool = False
    ) -> None:
        self._session = session
        self._streaming = streaming
        self._pump: asyncio.Task[None] | None = None
        self._executor = executor
        self._meter = meter
        self._order = asyncio.Lock()
        self._unfed = bytearray()
        self._rest = b""
        self._seconds = 0.0
        self._loud_frames = 0
        self._new_speech = True
        self._ahead: asyncio.Task[Hypothesis] | None = None
        self._ahead_hypotheses = 0

    def feed(self, pcm: bytes) -> None:
        """Takes audio; cheap.  The session gets it before the next decode, a streaming one at once."""
        self._unfed += pcm
        if self._streaming and (self._pump is None or self._pump.done()):
            self._pump = asyncio.create_task(self._stream())
        self._seconds += len(pcm) / 2 / SAMPLE_RATE
        if not self._new_speech:
            self._watch(pcm)

    async def partial(self) -> str:
        async with self._order:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor, self._partial, self._take()
            )

    async def speculate(self, hypotheses: int = 1) -> Hypothesis:
        """Final-quality decode of what was fed so far; shared with the end when nothing new is said."""
        if self._ahead is None or self._new_speech or self._ahead_hypotheses < hypotheses:
            self._ahead = asyncio.create_task(self._decode(hypotheses))
            self._ahead_hypotheses = hypotheses
            self._new_speech = False
            self._loud_frames = 0
        return await asyncio.shield(self._ahead)

    async def finish(self, unchanged: bool = False, hypotheses: int = 1) -> Hypothesis:
        """The utterance's text; the next one starts.  With `unchanged` the caller vouches that nothing was
        said since the speculation, whatever the level on the line.  A speculation with fewer hypotheses than
        are asked for now is of no use."""
        holds = (unchanged or not self._new_speech) and self._ahead_hypotheses >= hypotheses
        if self._ahead is not None and holds:
            hypothesis = await asyncio.shield(self._ahead)
        else:
            hypothesis = await self._decode(hypotheses)
        await self.restart()
        return replace(hypothesis, alternatives=hypothesis.alternatives[: hypotheses - 1])

    async def restart(self) -> None:
        """Forgets the current utterance."""
        async with self._order:
            self._unfed.clear()
            await asyncio.get_running_loop().run_in_executor(self._executor, self._session.reset)
        self._ahead = None
        self._new_speech = True
        self._seconds = 0.0

    async def close(self) -> None:
        """Waits for a running decode, then frees the session."""
        async with self._order:
            self._session.close()

    async def _stream(self) -> None:
        while self._unfed:
            async with self._order:
                await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._session.feed, self._take()
                )

    async def _decode(self, hypotheses: int) -> Hypothesis:
        seconds = self._seconds
        with self._meter.job() as job:
            async with self._order:
                loop = asyncio.get_running_loop()
                hypothesis = await loop.run_in_executor(
                    self._executor, self._feed_and_decode, self._take(), hypotheses
                )
            job.done(hypothesis.decode_ms, seconds)
        return hypothesis

    def _take(self) -> bytes:
        pcm = bytes(self._unfed)
        self._unfed.clear()
        return pcm

    def _partial(self, pcm: bytes) -> str:
        if pcm:
            self._session.feed(pcm)
        return self._session.partial()

    def _feed_and_decode(self, pcm: bytes, hypotheses: int) -> Hypothesis:
        if pcm:
            self._session.feed(pcm)
        return self._session.decode(hypotheses)

    def _watch(self, pcm: bytes) -> None:
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % FRAME_BYTES
        self._rest = pcm[whole:]
        for start in range(0, whole, FRAME_BYTES):
            loud = level_dbfs(to_float(pcm[start : start + FRAME_BYTES])) > SILENCE_GATE_DBFS
            self._loud_frames = self._loud_frames + 1 if loud else 0
            if self._loud_frames >= _SPEECH_FRAMES:
                self._new_speech = True
                return
