"""The speech service of benchmarks/answer.py, inside its process and on virtual time.

A decode takes as much of the virtual time as it took of the CPU, and is kept on disk by what was decoded.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from voicebot.speech.asr import utterance as asr_utterance
from voicebot.speech.asr.engine import Engine, Hypothesis, Purpose
from voicebot.speech.asr.load_meter import LoadMeter


class Decodes:
    """The engine with a memory of what it decoded, on disk."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self._known = self.load(path)
        self._new: dict[str, Any] = {}

    def decode(self, purpose: Purpose, pcm: bytes, hypotheses: int) -> Hypothesis:
        key = hashlib.sha256(f"{self.engine.name} {purpose} {hypotheses} ".encode() + pcm).hexdigest()
        if key not in self._known:
            session = self.engine.open(purpose, ())
            session.feed(pcm)
            began = time.process_time()
            found = session.decode(hypotheses)
            spent_ms = round((time.process_time() - began) * 1000, 1)
            self._known[key] = self._new[key] = replace(found, decode_ms=spent_ms).as_json()
        kept = self._known[key]
        return Hypothesis(**(kept | {"alternatives": tuple(kept["alternatives"])}))

    def take_new(self) -> dict[str, Any]:
        """What was decoded since the last time."""
        new, self._new = self._new, {}
        return new

    @staticmethod
    def load(path: Path) -> dict[str, Any]:
        return json.loads(path.read_text("utf-8")) if path.is_file() else {}

    @staticmethod
    def save(path: Path, known: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(known, ensure_ascii=False), "utf-8")
        part.replace(path)


class _Session:
    """A session of the engine that remembers how long it decoded."""

    def __init__(self, decodes: Decodes, purpose: Purpose) -> None:
        self._decodes, self._purpose = decodes, purpose
        self._pcm = bytearray()
        self.spent_s = 0.0

    def feed(self, pcm: bytes) -> None:
        self._pcm += pcm

    def partial(self) -> str:
        return ""

    def decode(self, hypotheses: int = 1) -> Hypothesis:
        hypothesis = self._decodes.decode(self._purpose, bytes(self._pcm), hypotheses)
        self.spent_s += hypothesis.decode_ms / 1000
        return hypothesis

    def reset(self) -> None:
        self._pcm.clear()

    def close(self) -> None: ...


class _AtOnce(Executor):
    """Runs what it is given before it returns: virtual time does not wait for threads."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Recognizer:
    """What the service does for one leg, with the time that it takes."""

    def __init__(self, decodes: Decodes, purpose: Purpose) -> None:
        self._session = _Session(decodes, purpose)
        self._utterance = asr_utterance.Utterance(self._session, _AtOnce(), LoadMeter(1))

    def feed(self, pcm: bytes) -> None:
        self._utterance.feed(pcm)

    async def speculate(self, alternatives: int = 1) -> Hypothesis:
        return await self._in_time(self._utterance.speculate(alternatives))

    async def finalize(self, unchanged: bool = False, alternatives: int = 1) -> Hypothesis:
        return await self._in_time(self._utterance.finish(unchanged, alternatives))

    async def _in_time(self, decode: Any) -> Hypothesis:
        hypothesis: Hypothesis = await decode
        spent, self._session.spent_s = self._session.spent_s, 0.0
        await asyncio.sleep(spent)
        return hypothesis

    async def close(self) -> None: ...


class Speech:
    """The speech service, as far as calls know it."""

    def __init__(self, decodes: Decodes) -> None:
        self._decodes = decodes

    async def open(self, purpose: Purpose = "live", phrases: tuple[str, ...] = ()) -> Recognizer:
        return Recognizer(self._decodes, purpose)
