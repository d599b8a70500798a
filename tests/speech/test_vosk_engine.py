"""The Vosk engine with a real model: the Korean one of the registry, since the Chinese ones are a site's own.
It cannot understand Mandarin; what is tested is how audio goes in and text comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.speech.asr_service import RunningService, start
from tests.speech.conftest import frames, read_pcm
from tests.speech.synthetic import silence
from voicebot.errors import NotReady
from voicebot.speech.asr.client import SpeechService
from voicebot.speech.asr.engine import load_engine, strip_spaces, vosk_model_in
from voicebot.speech.asr.vosk import VoskEngine, VoskSession

HANGUL = re.compile(r"[\uac00-\ud7af]")


@pytest.fixture(scope="module")
def engine(models: Path) -> VoskEngine:
    return VoskEngine(models / "vosk-ko")


@pytest.fixture
def session(engine: VoskEngine) -> Iterator[VoskSession]:
    session = engine.open("live", ())
    yield session
    session.close()


def hear(session: VoskSession, name: str) -> None:
    for frame in frames(read_pcm(name)):
        session.feed(frame)


def test_text_comes_while_audio_is_fed_and_final_at_the_end(session: VoskSession) -> None:
    hear(session, "zm_yunxi_c006_alaw8k")
    assert HANGUL.search(session.partial())
    final = session.decode()
    assert HANGUL.search(final.text) and 0 < final.confidence <= 1 and not final.no_speech
    assert final.engine == "vosk:vosk-ko" and final.decode_ms > 0


def test_speech_after_a_decode_is_added_to_the_utterance(session: VoskSession) -> None:
    hear(session, "zm_yunxi_c006_alaw8k")
    first = session.decode().text
    for frame in frames(silence(0.3)):
        session.feed(frame)
    assert session.decode().text == first
    hear(session, "zm_yunxi_c023_alaw8k")
    assert session.decode().text.startswith(first)
    assert len(session.decode().text) > len(first)


def test_the_next_utterance_starts_from_nothing(session: VoskSession) -> None:
    hear(session, "zm_yunxi_c023_alaw8k")
    session.reset()
    assert session.decode().no_speech
    hear(session, "zm_yunxi_c023_alaw8k")
    session.decode()
    session.reset()
    assert session.partial() == ""


async def test_the_service_streams_to_it(models: Path, tmp_path: Path, started: list[RunningService]) -> None:
    running = start(tmp_path / "s.sock", models, "--engine", "vosk", "--vosk-model", str(models / "vosk-ko"))
    started.append(running)
    assert running.engine == "vosk:vosk-ko"
    recognizer = await SpeechService(running.socket).open()
    for frame in frames(read_pcm("zm_yunxi_c023_alaw8k")):
        recognizer.feed(frame)
    ahead = await recognizer.ask(
        {"speculate": 1}, 60.0
    )  # it catches up here: the audio came faster than real time
    recognizer.feed(silence(0.3))
    final = await recognizer.finalize()
    await recognizer.close()
    assert HANGUL.search(final.text) and final.text == ahead["text"]
    assert running.stop() == 0


def test_auto_takes_vosk_only_when_a_chinese_model_is_there(tmp_path: Path) -> None:
    (tmp_path / "vosk-ko" / "am").mkdir(parents=True)
    (tmp_path / "vosk-ko" / "am" / "final.mdl").touch()
    (tmp_path / "vosk-model-cn-0.22").mkdir()
    assert vosk_model_in(tmp_path) is None
    (tmp_path / "vosk-model-cn-0.22" / "am").mkdir()
    (tmp_path / "vosk-model-cn-0.22" / "am" / "final.mdl").touch()
    assert vosk_model_in(tmp_path) == tmp_path / "vosk-model-cn-0.22"
    with pytest.raises(NotReady, match="cannot be loaded"):
        load_engine("auto", tmp_path)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no Vosk model"):
        load_engine("vosk", tmp_path, vosk_model=tmp_path)


def test_blanks_between_chinese_words_go() -> None:
    assert strip_spaces("我 下 周 三 还 钱") == "我下周三还钱"
    assert strip_spaces(" 用 App 还 ") == "用App还"
