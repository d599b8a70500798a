"""The speech service: recognisers in a process of their own, behind vosk-server's websocket protocol.

    python -m voicebot.speech.asr.service --socket PATH --models DIR [--engine auto] [--threads N]

One connection is one recogniser.  Text messages: {"config": {"sample_rate": 8000, "phrase_list": […],
"purpose": "live"|"announcement", "partials": bool}}, {"eof": 1}, {"reset": 1}; ours on top:
{"speculate": 1}, {"stats": 1}, "alternatives": 2 or 3 with eof and speculate (so many readings of the audio,
the best one included), and "id" in any of them, which comes back in the answer.  Binary messages are 8 kHz
int16 PCM; as in vosk-server each is answered by {"partial": …} unless the configuration says
"partials": false.  Unlike vosk-server, {"eof": 1} keeps the connection: the next audio starts the next
utterance.

Recognisers' memory grows with the calls, so a service is replaced while calls go on: another one, started
with --replace, takes over the socket's path; the old one, told by SIGUSR1, serves its open connections on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from aiohttp import WSMsgType, web

from voicebot.errors import InputError, NotReady
from voicebot.speech.asr.engine import MOST_HYPOTHESES, Engine, Hypothesis, load_engine
from voicebot.speech.asr.load_meter import LoadMeter
from voicebot.speech.asr.utterance import Utterance
from voicebot.speech.audio import SAMPLE_RATE

log = structlog.get_logger()

_MAX_MESSAGE_BYTES = 1 << 20
_STOP_S = 3.0
"""Open connections get this long at SIGTERM."""
_DRAIN_S = 900.0
"""And this long after SIGUSR1: no call lasts longer."""
REMOTE_AT_A_TIME = 32
"""Decodes that wait for an external server at the same time."""


class SpeechServer:
    """Serves one engine on one Unix socket."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._executor: Executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self.meter = LoadMeter(threads)
        self._open: set[web.WebSocketResponse] = set()
        self._nobody = asyncio.Event()
        self._nobody.set()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._connection)
        app.on_shutdown.append(self._hang_up)
        return app

    async def until_idle(self) -> None:
        """Returns when nobody is connected."""
        await self._nobody.wait()

    async def _hang_up(self, app: web.Application) -> None:
        for ws in list(self._open):
            await ws.close(code=1001, message=b"the speech service stops")
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def _connection(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=_MAX_MESSAGE_BYTES)
        await ws.prepare(request)
        self._open.add(ws)
        self._nobody.clear()
        self.meter.sessions += 1
        connection = _Connection(ws, self._engine, self._executor, self.meter)
        try:
            async for message in ws:
                if message.type is WSMsgType.BINARY:
                    await connection.audio(message.data)
                elif message.type is WSMsgType.TEXT:
                    await connection.request(message.data)
        except ConnectionError:
            log.info("client went away")
        finally:
            self.meter.sessions -= 1
            await connection.close()
            self._open.discard(ws)
            if not self._open:
                self._nobody.set()
        return ws


class _Connection:
    """One client: its configuration and its utterance.  Answers that take a decode come when they are ready,
    so that audio goes on being read meanwhile."""

    def __init__(
        self, ws: web.WebSocketResponse, engine: Engine, executor: Executor, meter: LoadMeter
    ) -> None:
        self._ws = ws
        self._engine = engine
        self._executor = executor
        self._meter = meter
        self._partials = True
        self._utterance: Utterance | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._finishing = asyncio.Lock()

    async def audio(self, pcm: bytes) -> None:
        async with self._finishing:  # audio after an eof belongs to the next utterance
            utterance = await self._ready()
            utterance.feed(pcm)
        if self._partials:
            text = await utterance.partial() if self._engine.capabilities.partials else ""
            await self._send({"partial": text})

    async def request(self, text: str) -> None:
        try:
            message = json.loads(text)
        except json.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            await self._send({"error": "a JSON object or PCM is expected"})
            return
        tag = {"id": message["id"]} if "id" in message else {}
        hypotheses = message.get("alternatives", 1)
        if type(hypotheses) is not int or not 1 <= hypotheses <= MOST_HYPOTHESES:
            await self._send({"error": f"alternatives must be 1 to {MOST_HYPOTHESES}"} | tag)
            return
        if "config" in message:
            await self._configure(message["config"], tag)
        elif "stats" in message:
            await self._send({"stats": self._meter.stats() | {"engine": self._engine.name}} | tag)
        elif "speculate" in message:
            self._later(self._speculate(hypotheses, tag), tag)
        elif "eof" in message:
            await self._finishing.acquire()
            self._later(self._finish(bool(message.get("unchanged")), hypotheses, tag), tag)
        elif "reset" in message:
            async with self._finishing:
                await (await self._ready()).restart()
            await self._send({"text": ""} | tag)
        else:
            await self._send({"error": "unknown request"} | tag)

    async def close(self) -> None:
        for task in list(self._answers):
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        if self._utterance is not None:
            await self._utterance.close()

    async def _configure(self, config: Any, tag: dict[str, Any]) -> None:
        if not isinstance(config, dict) or config.get("sample_rate", SAMPLE_RATE) != SAMPLE_RATE:
            await self._send({"error": f"sample_rate must be {SAMPLE_RATE}"} | tag)
            return
        purpose = config.get("purpose", "live")
        if purpose not in ("live", "announcement"):
            await self._send({"error": "purpose must be live or announcement"} | tag)
            return
        phrases = [str(p) for p in config.get("phrase_list", ())]
        self._partials = bool(config.get("partials", True))
        async with self._finishing:
            if self._utterance is not None:
                await self._utterance.close()
            self._utterance = await self._open_utterance(purpose, phrases)
        if tag:
            await self._send({"configured": 1, "engine": self._engine.name} | tag)

    async def _ready(self) -> Utterance:
        if self._utterance is None:
            self._utterance = await self._open_utterance("live", [])
        return self._utterance

    async def _open_utterance(self, purpose: Any, phrases: list[str]) -> Utterance:
        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(self._executor, self._engine.open, purpose, phrases)
        return Utterance(session, self._executor, self._meter, self._engine.capabilities.streaming)

    async def _speculate(self, hypotheses: int, tag: dict[str, Any]) -> None:
        hypothesis = await (await self._ready()).speculate(hypotheses)
        await self._send(_answer(hypothesis, tag) | {"speculated": 1})

    async def _finish(self, unchanged: bool, hypotheses: int, tag: dict[str, Any]) -> None:
        try:
            hypothesis = await (await self._ready()).finish(unchanged, hypotheses)
        finally:
            self._finishing.release()
        await self._send(_answer(hypothesis, tag))

    def _later(self, answer: Coroutine[Any, Any, None], tag: dict[str, Any]) -> None:
        task = asyncio.create_task(self._guarded(answer, tag))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _guarded(self, answer: Coroutine[Any, Any, None], tag: dict[str, Any]) -> None:
        try:
            await answer
        except RuntimeError as error:  # what CTranslate2 and Vosk raise; the client must not wait in vain
            log.error("decode failed", error=type(error).__name__)
            await self._send({"error": "decode failed"} | tag)

    async def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # the client is gone; the reading loop ends by itself
            await self._ws.send_json(message, dumps=lambda m: json.dumps(m, ensure_ascii=False))


def _answer(hypothesis: Hypothesis, tag: dict[str, Any]) -> dict[str, Any]:
    return hypothesis.as_json() | tag


class Listener:
    """A listening Unix socket.  A stale file of a dead service is replaced; a live one is an error, unless
    `replace`: then its path is taken over, and its open connections stay with it."""

    def __init__(self, path: Path, replace: bool = False) -> None:
        """Raises InputError."""
        if not path.parent.is_dir():
            raise InputError("the folder of the socket does not exist.", "Create it.", where=path)
        if not replace:
            _clear(path)
        self._path, own = path, path.with_name(f"{path.name}.{os.getpid()}")
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.bind(str(own))
        except OSError as error:
            raise InputError(
                f"the socket cannot be opened ({error.strerror or error}).", "", where=path
            ) from error
        own.chmod(0o600)
        self._inode, self._own = own.stat().st_ino, own

    def take_the_path(self) -> None:
        """From here on clients find this service."""
        self._own.replace(self._path)

    def close(self) -> None:
        """The path goes too, unless another service has taken it."""
        self.socket.close()
        self._own.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


def _clear(path: Path) -> None:
    if not path.exists():
        return
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink()
    except OSError:
        raise InputError("something else than a socket is there.", "Remove it.", where=path) from None
    else:
        raise InputError(
            "a speech service already runs there.", "Stop it, or take another socket.", where=path
        )
    finally:
        probe.close()


async def _end_with_parent(stop: asyncio.Event) -> None:
    """Whoever started the service holds the other end of standard input: killed, he closes it all the same.
    A terminal, a file or /dev/null says nothing about anybody's life and is not watched."""
    mode = os.fstat(sys.stdin.fileno()).st_mode if sys.stdin is not None else 0
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    class Parent(asyncio.Protocol):
        def connection_lost(self, fault: Exception | None) -> None:
            stop.set()

    await asyncio.get_running_loop().connect_read_pipe(Parent, sys.stdin)


async def serve(path: Path, engine: Engine, threads: int, replace: bool = False) -> None:
    """Serves until SIGTERM, SIGINT or the end of a piped standard input, or, after SIGUSR1, until nobody is
    connected any more; the socket file is gone then, unless another service has taken it."""
    listener = Listener(path, replace)
    try:
        stop, drain = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGUSR1, drain.set)
        await _end_with_parent(stop)
        await asyncio.to_thread(engine.warm_up)
        server = SpeechServer(
            engine, max(threads, REMOTE_AT_A_TIME) if engine.capabilities.remote else threads
        )
        runner = web.AppRunner(server.application(), shutdown_timeout=_STOP_S, access_log=None)
        await runner.setup()
        site = web.SockSite(runner, listener.socket)
        await site.start()
        listener.take_the_path()
        if not stop.is_set():
            print(json.dumps({"ready": True, "engine": engine.name}), flush=True)
        draining = loop.create_task(_drained(drain, server, stop))
        await stop.wait()
        draining.cancel()
        await runner.cleanup()
    finally:
        listener.close()


async def _drained(drain: asyncio.Event, server: SpeechServer, stop: asyncio.Event) -> None:
    await drain.wait()
    log.info("draining")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            await server.until_idle()
    stop.set()


def main(
    socket_path: Annotated[Path, typer.Option("--socket", help="Unix socket to serve on.")],
    models: Annotated[Path, typer.Option(help="Folder of the models.")],
    engine: Annotated[str, typer.Option(help="auto, whisper, vosk or vosk-server.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Decodes at the same time.")] = 1,
    vosk_model: Annotated[
        Path | None, typer.Option(help="Folder of a Vosk model, if not below --models.")
    ] = None,
    server: Annotated[str, typer.Option(help="With vosk-server: ws://HOST:PORT.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Take over from a running service.")] = False,
) -> None:
    """Recognise speech for the call workers until SIGTERM, or until a pipe on standard input is closed."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        loaded = load_engine(engine, models, threads, vosk_model, server)
        asyncio.run(serve(socket_path, loaded, threads, replace))
    except (InputError, NotReady) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(main)
