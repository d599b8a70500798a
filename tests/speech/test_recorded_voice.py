"""A person's recordings as the bot's voice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicebot.errors import InputError, NotReady
from voicebot.speech.audio import SAMPLE_RATE, level_dbfs, to_float
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.tts.engine import RenderError, installed_voices, load_voice

VOICE = "recorded:anna"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two clauses, recorded at 44.1 kHz in stereo, one of them too quietly."""
    folder = tmp_path / "models" / "recorded" / "anna"
    folder.mkdir(parents=True)
    t = np.arange(int(1.5 * 44100)) / 44100
    for name, level in (("hello.wav", 0.5), ("bye.wav", 0.01)):
        tone = level * np.sin(2 * np.pi * 220 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
        soundfile.write(folder / name, np.stack([tone, tone], axis=1), 44100)
    texts = {"您好，请问是本人吗？": "hello.wav", "感谢接听，再见。": "bye.wav"}
    (folder / "manifest.json").write_text(json.dumps(texts), "utf-8")
    return tmp_path / "models"


def test_its_clauses_become_prompts_of_one_loudness_whatever_their_punctuation(
    models: Path, tmp_path: Path
) -> None:
    cache = PromptCache(tmp_path / "prompts")
    texts = ["您好请问是本人吗", "感谢接听，再见！"]
    cache.render(VOICE, texts, models, processes=1)
    for text in texts:
        samples, rate = soundfile.read(cache.path(VOICE, text), dtype="int16")
        assert rate == SAMPLE_RATE and samples.ndim == 1
        assert level_dbfs(to_float(samples.tobytes())) == pytest.approx(-20, abs=2.5)


def test_what_was_not_recorded_is_not_spoken(models: Path, tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="not recorded"):
        load_voice(VOICE, models).render("应还三百元，")
    with pytest.raises(RenderError, match="1 of 1"):
        PromptCache(tmp_path / "prompts").render(VOICE, ["应还三百元，"], models)


def test_it_is_listed_and_faults_of_its_folder_are_said(models: Path) -> None:
    assert VOICE in installed_voices(models)
    with pytest.raises(NotReady, match="no recordings"):
        load_voice("recorded:nobody", models)
    folder = models / "recorded" / "anna"
    (folder / "bye.wav").unlink()
    with pytest.raises(InputError, match=r"1 files are missing, the first is bye\.wav"):
        load_voice(VOICE, models)
    (folder / "manifest.json").write_text("[1]")
    with pytest.raises(InputError, match="maps texts to files"):
        load_voice(VOICE, models)


def test_without_sherpa_onnx_or_its_model_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"uv pip install sherpa-onnx|Unpack one there"):
        load_voice("sherpa:site", tmp_path)
