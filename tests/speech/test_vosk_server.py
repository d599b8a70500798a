"""An external vosk-server: a small one in this process, with vosk-server's own protocol and a real model."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import vosk
from websockets.sync.server import Server, ServerConnection, serve

from tests.speech.conftest import frames, read_pcm
from tests.speech.synthetic import silence
from voicebot.errors import InputError, NotReady
from voicebot.speech.asr import vosk_server
from voicebot.speech.asr.engine import load_engine
from voicebot.speech.asr.vosk_server import VoskServerEngine

HANGUL = re.compile(r"[\uac00-\ud7af]")
SAMPLE = "zm_yunxi_c023_alaw8k"


class SmallServer:
    """vosk-server's `asr_server.py` in short.  `slow_s`: how long it takes for the final answer."""

    def __init__(self, model: vosk.Model) -> None:
        self._model = model
        self.slow_s = 0.0
        self.connections = 0
        self.rates: set[float] = set()
        self._server: Server = serve(self._serve, "127.0.0.1", 0)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def _serve(self, ws: ServerConnection) -> None:
        self.connections += 1
        recognizer, rate = None, 8000.0
        for message in ws:
            if isinstance(message, str) and "config" in message:
                rate = float(json.loads(message)["config"]["sample_rate"])
                self.rates.add(rate)
                continue
            if recognizer is None:
                recognizer = vosk.KaldiRecognizer(self._model, rate)
                recognizer.SetWords(True)
            if isinstance(message, str):
                time.sleep(self.slow_s)
                ws.send(recognizer.FinalResult())
                return
            done = recognizer.AcceptWaveform(message)
            ws.send(recognizer.Result() if done else recognizer.PartialResult())

    def stop(self) -> None:
        self._server.shutdown()


@pytest.fixture(scope="module")
def running(models: Path) -> Iterator[SmallServer]:
    vosk.SetLogLevel(-1)
    server = SmallServer(vosk.Model(model_path=str(models / "vosk-ko")))
    yield server
    server.stop()


@pytest.fixture
def server(running: SmallServer, monkeypatch: pytest.MonkeyPatch) -> SmallServer:
    monkeypatch.setattr(vosk_server, "ANSWER_S", 30.0)  # a busy machine decodes more slowly than a call waits
    running.slow_s, running.connections = 0.0, 0
    return running


def test_an_utterance_is_recognised_and_the_next_one_too(server: SmallServer) -> None:
    engine = VoskServerEngine(server.url)
    session = engine.open("live", ())
    texts = []
    for _ in range(2):
        for frame in frames(read_pcm(SAMPLE)):
            session.feed(frame)
        heard = session.decode()
        assert heard.engine == "vosk-server" and not heard.no_speech and 0 < heard.confidence <= 1
        texts.append(heard.text)
        session.reset()
    session.close()
    assert HANGUL.search(texts[0]) and texts[0] == texts[1]
    assert server.rates == {8000.0} and server.connections == 2


def test_speech_after_a_decode_is_added_and_silence_changes_nothing(server: SmallServer) -> None:
    session = VoskServerEngine(server.url).open("live", ())
    session.feed(read_pcm(SAMPLE))
    ahead = session.decode().text
    assert session.decode().text == ahead
    session.feed(silence(0.3))
    session.feed(read_pcm(SAMPLE))
    both = session.decode().text
    session.close()
    assert both.startswith(ahead) and len(both) > len(ahead)


def test_a_server_that_is_not_there_is_said_at_the_start(server: SmallServer, tmp_path: Path) -> None:
    assert VoskServerEngine(server.url).warm_up().engine == "vosk-server"
    with pytest.raises(NotReady, match=r"vosk-server.*asr\.url"):
        VoskServerEngine("ws://127.0.0.1:1").warm_up()
    with pytest.raises(InputError, match=r"asr\.url"):
        load_engine("vosk-server", tmp_path)


def test_a_server_that_dies_or_is_slow_is_an_error_in_time(
    server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vosk_server, "ANSWER_S", 0.3)
    session = VoskServerEngine(server.url).open("live", ())
    server.slow_s = 2.0
    session.feed(silence(0.2))
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="does not answer"):
        session.decode()
    assert time.monotonic() - began < 1.5
    server.slow_s = 0.0
    monkeypatch.setattr(vosk_server, "ANSWER_S", 30.0)
    session.reset()
    session.feed(read_pcm(SAMPLE))  # the next utterance is another connection
    assert HANGUL.search(session.decode().text)
    session.close()
