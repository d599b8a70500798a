"""The prompt cache with the real voices: espeak for the mechanics, Kokoro for the sound."""

from __future__ import annotations

import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.speech.synthetic import silence, tone
from voicebot.errors import InputError, NotReady
from voicebot.speech.asr.whisper import WhisperEngine
from voicebot.speech.audio import SAMPLE_RATE, level_dbfs, to_float
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.tts.engine import RenderError
from voicebot.speech.tts.loudness import to_prompt

ESPEAK = "espeak:cmn"
KOKORO = "kokoro:zm_yunxi"


def pcm_of(path: Path) -> bytes:
    with wave.open(str(path), "rb") as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (8000, 1, 2)
        return wav.readframes(wav.getnframes())


def test_each_clause_is_rendered_once_and_told(tmp_path: Path, models: Path) -> None:
    cache = PromptCache(tmp_path)
    texts = ["您好，", "请问是本人吗？", "您好，"]
    told: list[tuple[int, int]] = []
    assert cache.missing(ESPEAK, texts) == ["您好，", "请问是本人吗？"]
    cache.render(ESPEAK, texts, models, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert cache.missing(ESPEAK, texts) == []
    stamp = cache.path(ESPEAK, "您好，").stat().st_mtime_ns
    cache.render(ESPEAK, [*texts, "再见。"], models, progress=lambda done, total: told.append((done, total)))
    assert told[2:] == [(1, 1)]
    assert cache.path(ESPEAK, "您好，").stat().st_mtime_ns == stamp


def test_voice_and_text_make_the_address(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path)
    paths = {cache.path(v, t) for v in (ESPEAK, KOKORO, "kokoro:zf_xiaoxiao") for t in ("好的。", "好的")}
    assert len(paths) == 6


def test_a_prompt_is_its_clauses_with_pauses(tmp_path: Path, models: Path) -> None:
    cache = PromptCache(tmp_path)
    texts = ["好的，", "我为您登记了", "还款。", "再见。"]
    cache.render(ESPEAK, texts, models)
    out = tmp_path / "prompts" / "line.wav"
    seconds = cache.assemble(ESPEAK, texts, out)
    clauses = sum(len(pcm_of(cache.path(ESPEAK, t))) for t in texts) / 2 / SAMPLE_RATE
    assert seconds == pytest.approx(len(pcm_of(out)) / 2 / SAMPLE_RATE)
    assert seconds == pytest.approx(clauses + 0.12 + 0.0 + 0.26 + 0.02, abs=0.001)


def test_nothing_is_synthesised_when_a_prompt_is_joined(tmp_path: Path) -> None:
    with pytest.raises(NotReady):
        PromptCache(tmp_path).assemble(ESPEAK, ["没有渲染过。"], tmp_path / "line.wav")
    assert not (tmp_path / "line.wav").exists()


def test_an_interrupted_rendering_goes_on_where_it_stopped(tmp_path: Path, models: Path) -> None:
    cache = PromptCache(tmp_path)
    texts = [f"第{n}句话，" for n in "一二三四五六七八"]
    code = (
        "import os, sys; from pathlib import Path; from voicebot.speech.tts.cache import PromptCache\n"
        f"PromptCache(Path({str(tmp_path)!r})).render({ESPEAK!r}, {texts!r}, Path({str(models)!r}),"
        " progress=lambda done, total: done == 3 and os._exit(9))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 9
    left = cache.missing(ESPEAK, texts)
    assert 0 < len(left) <= 5
    told: list[int] = []
    cache.render(ESPEAK, texts, models, progress=lambda done, total: told.append(total))
    assert cache.missing(ESPEAK, texts) == []
    assert told[0] <= len(left)


def test_two_renderings_at_once_do_the_work_once(tmp_path: Path, models: Path) -> None:
    texts = ["第一句话，", "第二句话，", "第三句话。"]
    told: list[int] = []

    def render() -> None:
        PromptCache(tmp_path).render(ESPEAK, texts, models, progress=lambda done, total: told.append(done))

    threads = [threading.Thread(target=render) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [1, 2, 3]


def test_a_rendering_that_is_stopped_leaves_no_worker_behind(tmp_path: Path, models: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    cache = PromptCache(tmp_path)
    texts = [f"第{n}句话，" for n in "一二三四五六七八"]
    with pytest.raises(KeyboardInterrupt):
        cache.render(ESPEAK, texts, models, progress=stop)
    assert len(cache.missing(ESPEAK, texts)) >= 4
    assert threading.active_count() == 1 or not any("_work" in t.name for t in threading.enumerate())


def test_a_clause_with_nothing_to_say_is_an_error_and_the_others_are_kept(
    tmp_path: Path, models: Path
) -> None:
    cache = PromptCache(tmp_path)
    with pytest.raises(RenderError, match="1 of 2"):
        cache.render(KOKORO, ["好的。", "……"], models)
    assert cache.missing(KOKORO, ["好的。", "……"]) == ["……"]


def test_unknown_and_missing_voices_are_said(tmp_path: Path, models: Path) -> None:
    cache = PromptCache(tmp_path / "prompts")
    for voice in ("siri:cmn", "kokoro:../x", "espeak"):
        with pytest.raises(InputError):
            cache.path(voice, "您好")
    with pytest.raises(NotReady, match="zf_nobody"):
        cache.render("kokoro:zf_nobody", ["您好"], models)
    with pytest.raises(NotReady, match=r"model\.onnx"):
        cache.render(KOKORO, ["您好"], tmp_path)


def test_a_prompt_is_trimmed_and_has_one_loudness() -> None:
    for level in (0.02, 0.5):
        prompt = to_prompt(to_float(silence(1.0) + tone(300, 1.0, level) + silence(2.0)), SAMPLE_RATE)
        assert prompt.size / SAMPLE_RATE == pytest.approx(1.08, abs=0.03)
        assert level_dbfs(prompt[800:-800]) == pytest.approx(-20.0, abs=0.5)
    assert to_prompt(to_float(silence(1.0)), SAMPLE_RATE).size == 0


def test_kokoro_is_understood(tmp_path: Path, models: Path, whisper: WhisperEngine) -> None:
    cache = PromptCache(tmp_path)
    texts = ["请问您打算什么时候还款？", "三千二百五十六元八角，"]
    cache.render(KOKORO, texts, models)
    heard = []
    for text in texts:
        pcm = pcm_of(cache.path(KOKORO, text))
        assert np.abs(np.frombuffer(pcm, np.int16)).max() < 32000
        session = whisper.open("live", ["还款", "元角"])
        session.feed(pcm)
        heard.append(session.decode().text)
    assert "什么时候还款" in heard[0]
    assert "三千二百五十六元八角" in heard[1] or "3256元8角" in heard[1]
