from pathlib import Path

import numpy as np
import pytest

from tests.speech.conftest import frames, read_pcm
from tests.speech.synthetic import cadence, mixed, noise, silence
from voicebot.errors import NotReady
from voicebot.speech.audio import to_float, to_pcm
from voicebot.speech.vad import TwoStageVad, Voicing

SPEECH = ["zm_yunxi_c006_alaw8k", "zm_yunxi_c054_alaw8k", "zf_xiaoxiao_c042_noisy", "zf_xiaoxiao_a007_alaw8k"]


@pytest.fixture
def vad(models: Path) -> TwoStageVad:
    return TwoStageVad(models / "silero" / "silero_vad.onnx")


def hear(vad: TwoStageVad, pcm: bytes) -> list[Voicing]:
    return [vad.feed(frame) for frame in frames(pcm)]


def share_voiced(heard: list[Voicing]) -> float:
    return sum(v.voiced for v in heard) / len(heard)


@pytest.mark.parametrize("name", SPEECH)
def test_speech_after_silence_is_voiced_within_200_ms_and_ends(vad: TwoStageVad, name: str) -> None:
    before, speech, after = silence(1.0), read_pcm(name), silence(1.0)
    heard = hear(vad, before + speech + after)
    start, end = len(before) // 320, (len(before) + len(speech)) // 320
    assert not any(v.voiced for v in heard[:start])
    levels = [v.level_dbfs for v in heard]
    onset = next(i for i in range(start, end) if levels[i] > -40)
    assert next(i for i, v in enumerate(heard) if v.voiced) - onset <= 10
    loud = [v for v in heard[onset:end] if v.level_dbfs > -30]
    assert share_voiced(loud) > 0.85
    assert not any(v.voiced for v in heard[end + 15 :])


def test_noise_and_ringback_are_not_voiced(vad: TwoStageVad) -> None:
    assert share_voiced(hear(vad, noise(4.0, -30.0))) < 0.02
    vad.reset()
    assert share_voiced(hear(vad, cadence([1.0, 4.0], 10.0))) < 0.02


def test_speech_in_noise_is_still_voiced(vad: TwoStageVad) -> None:
    speech = read_pcm("zm_yunxi_c006_alaw8k")
    heard = hear(vad, noise(1.0, -41.0) + mixed(speech, noise(3.0, -41.0, seed=1)))  # about 15 dB SNR
    loud = [v for v in heard[50:] if v.level_dbfs > -26]
    assert share_voiced(loud) > 0.85
    assert share_voiced(heard[:50]) < 0.05


def test_echo_below_the_gate_is_not_voiced(models: Path) -> None:
    prompt = np.frombuffer(read_pcm("zf_xiaoxiao_a007_alaw8k"), np.int16)
    echo = (prompt * 0.02).astype(np.int16).tobytes()  # 34 dB below the prompt
    gated = TwoStageVad(models / "silero" / "silero_vad.onnx", gate_dbfs=-45.0)
    assert share_voiced(hear(gated, silence(0.5) + echo)) == 0.0


def test_silero_sleeps_on_a_silent_line(vad: TwoStageVad) -> None:
    heard = hear(vad, silence(2.0))
    assert all(v.probability == 0.0 for v in heard[60:])


def test_legs_do_not_share_state(models: Path) -> None:
    one, two = (TwoStageVad(models / "silero" / "silero_vad.onnx") for _ in range(2))
    speech = frames(read_pcm("zm_yunxi_c006_alaw8k"))
    alone = [one.feed(frame) for frame in speech]
    one.reset()
    for frame in speech:
        two.feed(frame)
    assert [one.feed(frame) for frame in speech] == alone


def test_a_missing_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="silero"):
        TwoStageVad(tmp_path / "silero_vad.onnx")


def test_a_trunks_gate_keeps_the_echo_of_our_own_prompts_out(models: Path) -> None:
    prompt = to_float(read_pcm("zf_xiaoxiao_a007_alaw8k"))
    echo = to_pcm(prompt * 10 ** (-25 / 20))
    for gate_dbfs, heard in ((-50.0, True), (-35.0, False)):
        vad = TwoStageVad(models / "silero" / "silero_vad.onnx", gate_dbfs)
        assert any(vad.feed(frame).voiced for frame in frames(echo)) is heard
