"""The calls' side of the speech service: feed audio without ever waiting, ask for text with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from voicebot.speech.asr.engine import Hypothesis, Purpose
from voicebot.speech.audio import SAMPLE_RATE

log = structlog.get_logger()

DEADLINE_S = 2.5
"""A turn without text by then is handled as not understood: the line must not stay silent longer."""
_CONNECT_S = 1.0
_MAX_ANSWER_BYTES = 1 << 20
_BATCH_BYTES = 1600
"""Frames are sent five at a time (100 ms): one message costs as much as another."""
_BACKLOG_BYTES = 30 * SAMPLE_RATE * 2
"""Audio kept while the service is away; the oldest goes first."""


class SpeechUnavailable(RuntimeError):
    """The speech service is down, too slow or failed on this utterance: the call asks again or hands over."""


class SpeechService:
    """Address of a running service; `open` gives each leg a recogniser of its own."""

    def __init__(self, socket: Path) -> None:
        self.socket = Path(socket)

    async def open(self, purpose: Purpose = "live", phrases: Sequence[str] = ()) -> Recognizer:
        """Connects.  Raises SpeechUnavailable when nobody answers within a second."""
        recognizer = Recognizer(self.socket, purpose, tuple(phrases))
        try:
            await recognizer.connect()
        except SpeechUnavailable:
            await recognizer.close()
            raise
        return recognizer

    async def stats(self) -> dict[str, Any]:
        """Load of the service: queue, workers, sessions, decodes, rtf, decode_ms, engine."""
        recognizer = await self.open()
        try:
            answer = await recognizer.ask({"stats": 1}, _CONNECT_S)
            return dict(answer["stats"])
        finally:
            await recognizer.close()


class Recognizer:
    """One leg's recogniser, for one utterance after another.  Not for use by two tasks at once, except that
    `speculate` may be cancelled or overtaken by `finalize`."""

    def __init__(self, socket: Path, purpose: Purpose, phrases: tuple[str, ...]) -> None:
        self._socket = socket
        self._config = {
            "sample_rate": SAMPLE_RATE,
            "purpose": purpose,
            "phrase_list": list(phrases),
            "partials": False,
        }
        self._http: aiohttp.ClientSession | None = None
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._unsent = bytearray()
        self._sending = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._closed = False
        self.engine = ""
        "Name of the engine that serves, known once connected."

    async def connect(self) -> None:
        """Connects, unless connected.  Raises SpeechUnavailable."""
        async with self._connecting:
            if self._ws is not None and not self._ws.closed:
                return
            await self._drop()
            if self._http is None:
                self._http = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)))
            try:
                async with asyncio.timeout(_CONNECT_S):
                    ws = await self._http.ws_connect("http://speech/", max_msg_size=_MAX_ANSWER_BYTES)
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                raise SpeechUnavailable("the speech service does not answer") from error
            self._reader = asyncio.create_task(self._read(ws))
            self._ws = ws
            answer = await self.ask({"config": self._config}, _CONNECT_S)
            self.engine = str(answer.get("engine", ""))

    def feed(self, pcm: bytes) -> None:
        """8 kHz int16 audio of the current utterance.  Never blocks; call it on the event loop."""
        if self._closed:
            return
        self._unsent += pcm
        surplus = len(self._unsent) - _BACKLOG_BYTES
        if surplus > 0:
            del self._unsent[:surplus]
        if len(self._unsent) >= _BATCH_BYTES and (self._sender is None or self._sender.done()):
            self._sender = asyncio.create_task(self._send_soon())

    async def speculate(self, alternatives: int = 1) -> Hypothesis:
        """Final-quality text of what was fed so far; the utterance goes on.  Raises SpeechUnavailable."""
        return await self._decoded({"speculate": 1, "alternatives": alternatives})

    async def finalize(self, unchanged: bool = False, alternatives: int = 1) -> Hypothesis:
        """Ends the utterance and gives its text; the next `feed` starts another.

        Answers at once when only silence was fed since the last `speculate` (below −45 dBFS), or when
        `unchanged` says that the caller's VAD heard nothing since, and the speculation had as many
        `alternatives` (1 to 3 readings, the best one included).  Raises SpeechUnavailable after 2.5 s.
        """
        try:
            return await self._decoded({"eof": 1, "unchanged": unchanged, "alternatives": alternatives})
        except SpeechUnavailable:
            self._unsent.clear()  # it belongs to the utterance that is lost
            raise

    async def restart(self) -> None:
        """Throws the current utterance away.  Raises SpeechUnavailable."""
        self._unsent.clear()
        await self.ask({"reset": 1}, DEADLINE_S)

    async def close(self) -> None:
        """Frees the recogniser; never raises, may be called twice."""
        self._closed = True
        if self._sender is not None:
            self._sender.cancel()
        await self._drop()
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def ask(self, request: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        """One request of the protocol and its answer.  Raises SpeechUnavailable."""
        number = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(deadline_s):
                await self._flush(request | {"id": number})
                answer = await future
        except TimeoutError as error:
            raise SpeechUnavailable("no answer from the speech service in time") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            self._ws = None  # the next request connects again
            raise SpeechUnavailable("the speech service went away") from error
        finally:
            self._waiting.pop(number, None)
        if "error" in answer:
            raise SpeechUnavailable("the speech service could not do it")
        return answer

    async def _decoded(self, request: dict[str, Any]) -> Hypothesis:
        await self.connect()
        answer = await self.ask(request, DEADLINE_S)
        return Hypothesis(
            str(answer["text"]),
            float(answer["confidence"]),
            bool(answer["no_speech"]),
            str(answer["engine"]),
            float(answer["decode_ms"]),
            tuple(answer["alternatives"]),
        )

    async def _send_soon(self) -> None:
        """Sends what has gathered; when the service is away the audio is kept for the next request."""
        try:
            await self.connect()
            await self._flush(None)
        except (SpeechUnavailable, ConnectionError, aiohttp.ClientError) as error:
            log.warning("audio not sent", error=type(error).__name__)
            await asyncio.sleep(_CONNECT_S)

    async def _flush(self, request: dict[str, Any] | None) -> None:
        async with self._sending:
            ws = self._ws
            if ws is None or ws.closed:
                raise ConnectionResetError("not connected")
            if self._unsent and (request is None or "config" not in request):
                pcm = bytes(self._unsent)
                self._unsent.clear()
                await ws.send_bytes(pcm)
            if request is not None:
                await ws.send_str(json.dumps(request, ensure_ascii=False))

    async def _read(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        async for message in ws:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            answer = json.loads(message.data)
            future = self._waiting.get(answer.get("id", -1))
            if future is not None and not future.done():
                future.set_result(answer)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the speech service went away"))

    async def _drop(self) -> None:
        ws, self._ws = self._ws, None
        if ws is not None:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(_CONNECT_S):
                    await ws.close()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
