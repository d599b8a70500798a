"""An external vosk-server (its websocket protocol) as a recogniser: a site's own machine, or a GPU build.

Each utterance, and each stretch of speech after a decode within one, is a connection of its own: vosk-server
closes after {"eof": 1}.  Every binary message is answered once, by a partial or by a finished segment.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from voicebot.errors import NotReady
from voicebot.speech.asr.engine import Capabilities, Hypothesis, Purpose, since_ms
from voicebot.speech.asr.segments import Segments
from voicebot.speech.audio import SAMPLE_RATE, to_pcm, warm_up_noise

CONNECT_S, CLOSE_S = 1.0, 0.2
ANSWER_S = 2.0
"""Less than a call's own patience: a slow server is a fault that the call can still answer in time."""
_FAULTS = (OSError, TimeoutError, WebSocketException, ValueError)


class VoskServerEngine:
    """`url`: ws://HOST:PORT or wss://….  The server is told that the audio has 8 kHz."""

    capabilities = Capabilities(partials=True, biasing=False, streaming=True, remote=True)

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = "vosk-server"

    def open(self, purpose: Purpose, phrases: Sequence[str]) -> VoskServerSession:
        return VoskServerSession(self)

    def warm_up(self) -> Hypothesis:
        """Raises NotReady when the server does not answer a second of noise."""
        session = self.open("live", ())
        try:
            session.feed(to_pcm(warm_up_noise()))
            return session.decode()
        except RuntimeError as fault:
            raise NotReady(str(fault), "Start it, or mend asr.url.", key="asr.url") from None
        finally:
            session.close()


class VoskServerSession:
    """RuntimeError from `feed` and `decode`: the server went away or did not answer in time."""

    def __init__(self, engine: VoskServerEngine) -> None:
        self._engine = engine
        self._ws: ClientConnection | None = None
        self._line = ExitStack()
        self.reset()

    def feed(self, pcm: bytes) -> None:
        try:
            if self._ws is None:
                self._ws = self._line.enter_context(
                    connect(self._engine.url, open_timeout=CONNECT_S, close_timeout=CLOSE_S, max_size=1 << 20)
                )
                self._ws.send(json.dumps({"config": {"sample_rate": SAMPLE_RATE}}))
            self._ws.send(pcm)
            self._due += 1
            while self._due and self._take(0.0):
                pass
        except _FAULTS as fault:
            raise self._lost(fault) from None

    def partial(self) -> str:
        return self._segments.text(self._partial)

    def decode(self, hypotheses: int = 1) -> Hypothesis:
        """One text, however many are asked for."""
        began = time.perf_counter()
        if self._ws is not None:
            try:
                self._ws.send('{"eof" : 1}')
                self._due += 1
                while self._due:
                    if not self._take(max(0.0, began + ANSWER_S - time.perf_counter())):
                        raise TimeoutError
            except _FAULTS as fault:
                raise self._lost(fault) from None
            self._hang_up()
        text, confidence = self._segments.text(), self._segments.confidence
        if confidence is None:  # this server gives no words: nothing can be told of them
            confidence = 1.0 if text else 0.0
        return Hypothesis(text, confidence, not text, self._engine.name, since_ms(began))

    def reset(self) -> None:
        self._hang_up()
        self._segments = Segments()

    def close(self) -> None:
        self._hang_up()

    def _take(self, within_s: float) -> bool:
        """One answer; False when there is none yet."""
        assert self._ws is not None
        try:
            message: dict[str, Any] = json.loads(self._ws.recv(timeout=within_s))
        except TimeoutError:
            return False
        self._due -= 1
        self._partial = str(message.get("partial", ""))
        self._segments.keep(message)
        return True

    def _hang_up(self) -> None:
        self._ws, self._due, self._partial = None, 0, ""
        self._line.close()

    def _lost(self, fault: Exception) -> RuntimeError:
        self._hang_up()
        return RuntimeError(f"the vosk-server does not answer ({type(fault).__name__})")
