"""The endpointing on recorded telephone speech, with the real VAD in front: frame by frame, no waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.speech.conftest import frames, models, read_pcm  # noqa: F401 - a fixture
from tests.speech.synthetic import cadence, noise, silence
from voicebot.call.completeness import Completeness
from voicebot.call.endpointing import Endpoint, Endpointer
from voicebot.speech.audio import level_dbfs, to_float
from voicebot.speech.vad import TwoStageVad

SAMPLES = ["zm_yunxi_c006_alaw8k", "zm_yunxi_c023_alaw8k", "zm_yunxi_c054_alaw8k", "zf_xiaoxiao_c016_alaw8k"]
LEAD_S = 1.0


def heard(models: Path, pcm: bytes, text_is: Completeness | None = None) -> list[tuple[Endpoint, float]]:  # noqa: F811
    """What happens on a line with `pcm` on it, and when."""
    vad, endpointer = TwoStageVad(models / "silero" / "silero_vad.onnx"), Endpointer()
    happened = []
    for frame in frames(noise(LEAD_S, -60.0) + pcm + noise(1.5, -60.0, seed=1)):
        voicing = vad.feed(frame)
        event = endpointer.feed(voicing.voiced, voicing.level_dbfs)
        if event is Endpoint.PAUSE and text_is is not None:
            endpointer.conclude(endpointer.pauses, text_is)
        if event is not None:
            happened.append((event, endpointer.now_s))
    return happened


def speech(pcm: bytes) -> tuple[float, float]:
    """Where the first loud frame begins and the last one ends, on the line."""
    levels = [level_dbfs(to_float(frame)) for frame in frames(pcm)]
    loud = [number for number, level in enumerate(levels) if level > max(levels) - 30]
    return LEAD_S + loud[0] * 0.02, LEAD_S + (loud[-1] + 1) * 0.02


@pytest.mark.parametrize("name", SAMPLES)
def test_one_utterance_is_one_turn_and_ends_when_it_should(models: Path, name: str) -> None:  # noqa: F811
    pcm = read_pcm(name)
    begins_s, ends_s = speech(pcm)
    for text_is, least_s, most_s in ((None, 0.4, 0.65), (Completeness.FINISHED, 0.3, 0.5)):
        happened = heard(models, pcm, text_is)
        kinds = [event for event, _ in happened]
        assert kinds.count(Endpoint.ONSET) == kinds.count(Endpoint.END) == 1
        onset_s = next(at for event, at in happened if event is Endpoint.ONSET)
        end_s = next(at for event, at in happened if event is Endpoint.END)
        assert begins_s < onset_s < begins_s + 0.35
        assert least_s <= end_s - ends_s <= most_s


def test_ring_back_comfort_noise_and_a_busy_tone_are_no_turns(models: Path) -> None:  # noqa: F811
    sounds = [cadence((1.0, 4.0), 10.0), cadence((0.35, 0.35), 5.0), noise(10.0, -50.0), silence(5.0)]
    assert [heard(models, sound) for sound in sounds] == [[], [], [], []]
