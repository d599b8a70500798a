"""Whisper's guards: silence, noise, loops, prompts, and what it makes of telephone speech."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.speech.conftest import read_pcm
from tests.speech.synthetic import noise, silence, tone
from voicebot.errors import NotReady
from voicebot.speech.asr.engine import ASK_AGAIN, Hypothesis
from voicebot.speech.asr.whisper import WhisperEngine, collapse_loops, tidy


def recognise(whisper: WhisperEngine, pcm: bytes) -> Hypothesis:
    session = whisper.open("live", ())
    session.feed(pcm)
    return session.decode()


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("zm_yunxi_c006_alaw8k", "打错电话"),
        ("zm_yunxi_c054_alaw8k", "人工"),
        ("zm_yunxi_c023_alaw8k", "分期"),
        ("zf_xiaoxiao_c016_alaw8k", "下周三"),
        ("zf_xiaoxiao_a007_alaw8k", "什么时候还款"),
    ],
)
def test_telephone_speech(whisper: WhisperEngine, sample: str, words: str) -> None:
    heard = recognise(whisper, read_pcm(sample))
    assert words in heard.text
    assert heard.confidence > ASK_AGAIN and heard.engine == "whisper:base"


@pytest.mark.parametrize(
    "pcm", [b"", silence(2.0), noise(2.0, -60.0)], ids=["nothing", "silence", "faint noise"]
)
def test_silence_is_not_decoded(whisper: WhisperEngine, pcm: bytes) -> None:
    began = time.process_time()
    heard = recognise(whisper, pcm)
    assert heard.no_speech and heard.text == "" and time.process_time() - began < 0.05


@pytest.mark.parametrize("pcm", [noise(2.0, -25.0), tone(450, 2.0)], ids=["noise", "tone"])
def test_nothing_is_made_up_with_confidence(whisper: WhisperEngine, pcm: bytes) -> None:
    heard = recognise(whisper, pcm)
    assert heard.no_speech or heard.confidence < ASK_AGAIN


def test_a_long_monologue_is_cut_to_its_end(whisper: WhisperEngine) -> None:
    heard = recognise(whisper, read_pcm("zf_xiaoxiao_a007_alaw8k") * 12 + read_pcm("zm_yunxi_c054_alaw8k"))
    assert "人工" in heard.text and len(heard.text) < 28 * 9


def test_loops_are_collapsed_and_repeated_yeses_stay() -> None:
    assert collapse_loops("您的贷款逾期您的贷款逾期您的贷款逾期") == "您的贷款逾期"
    assert collapse_loops("对对对，是我") == "对对对，是我"
    assert collapse_loops("好好好好好好好好") == "好好"


def test_text_is_handed_on_tidy() -> None:
    assert tidy(" ，下 禮拜三還，") == "下礼拜三还"
    assert tidy("４我是他老婆０尾号3721。\ufffd") == "我是他老婆，尾号3721。"
    assert tidy("，。") == ""


def test_a_broken_model_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"model\.bin"):
        WhisperEngine(tmp_path)
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(NotReady, match="cannot be loaded"):
        WhisperEngine(tmp_path)
