import pytest

from tests.speech.conftest import frames, read_pcm
from tests.speech.synthetic import cadence, mixed, noise, silence, tone
from voicebot.speech.tones import BeepDetector, CadenceDetector, Tone

CADENCES = {
    Tone.BUSY: ([0.35, 0.35], 1.2),
    Tone.CONGESTION: ([0.7, 0.7], 2.3),
    Tone.RINGBACK: ([1.0, 4.0], 6.2),
    Tone.UNOBTAINABLE: ([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.4], 0.7),
    Tone.STEADY: ([30.0, 0.0], 2.7),
}
SPEECH = [
    "zm_yunxi_c006_alaw8k",
    "zf_xiaoxiao_c042_noisy",
    "zf_xiaoxiao_a007_alaw8k",
    "ann_n_vm",
    "ann_n_off",
]


def first_tone(pcm: bytes) -> tuple[Tone, float] | None:
    detector = CadenceDetector()
    for number, frame in enumerate(frames(pcm), 1):
        if found := detector.feed(frame):
            return found, number * 0.02
    return None


@pytest.mark.parametrize("kind", CADENCES)
@pytest.mark.parametrize("hz", [430.0, 450.0, 470.0])
def test_the_cadences_of_the_network(kind: Tone, hz: float) -> None:
    pattern, within_s = CADENCES[kind]
    found = first_tone(silence(0.3) + cadence(pattern, 13.0, hz))
    assert found is not None and found[0] is kind
    assert found[1] <= 0.3 + within_s + 0.1


@pytest.mark.parametrize("kind", CADENCES)
def test_tones_are_heard_through_noise(kind: Tone) -> None:
    found = first_tone(mixed(cadence(CADENCES[kind][0], 13.0), noise(13.0, -33.0)))  # 10 dB below the tone
    assert found is not None and found[0] is kind


def test_one_burst_of_a_second_may_be_ringback() -> None:
    detector = CadenceDetector()
    for frame in frames(tone(450, 1.0) + silence(0.2)):
        assert detector.feed(frame) is None
    assert detector.maybe_ringback


@pytest.mark.parametrize("name", SPEECH)
def test_speech_is_no_tone_and_no_beep(name: str) -> None:
    pcm = read_pcm(name) * 3
    assert first_tone(pcm) is None
    beep = BeepDetector()
    assert not any(beep.feed(frame) for frame in frames(pcm))


@pytest.mark.parametrize("hz", [600.0, 1000.0, 1400.0, 2000.0])
@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.2])
def test_the_voicemail_beep_is_known_when_it_ends(hz: float, seconds: float) -> None:
    beep = BeepDetector()
    pcm = read_pcm("ann_n_vm") + tone(hz, seconds) + silence(0.5)
    heard = [i for i, frame in enumerate(frames(pcm)) if beep.feed(frame)]
    assert len(heard) == 1
    end_s = len(read_pcm("ann_n_vm")) / 16000 + seconds
    assert abs(heard[0] * 0.02 - end_s) <= 0.06


@pytest.mark.parametrize("kind", CADENCES)
@pytest.mark.parametrize("hz", [430.0, 450.0, 470.0])
def test_a_tone_of_the_network_is_no_beep(kind: Tone, hz: float) -> None:
    beep = BeepDetector()
    assert not any(beep.feed(frame) for frame in frames(cadence(CADENCES[kind][0], 8.0, hz)))


@pytest.mark.parametrize("hz", [220.0, 344.0, 380.0])
def test_a_sung_vowel_is_no_beep(hz: float) -> None:
    vowel = mixed(tone(hz, 0.3), tone(2 * hz, 0.3, 0.01))
    beep = BeepDetector()
    assert not any(beep.feed(frame) for frame in frames(silence(0.5) + vowel + silence(0.5)))
