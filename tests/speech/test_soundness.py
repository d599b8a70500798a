"""Bad renderings: found, done again, and refused when no try helps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from voicebot.speech.audio import SAMPLE_RATE, Samples, level_dbfs
from voicebot.speech.tts.engine import RenderError
from voicebot.speech.tts.render_process import render_prompt

TEXT = "请问您打算什么时候还款？"
Rendering = Callable[[], Samples]


def speech(seconds: float, peak: float = 0.3) -> Samples:
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (peak * np.sin(2 * np.pi * 220 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


class Voice:
    """Gives the renderings in turn."""

    name, version = "made:voice", "1"

    def __init__(self, *renderings: Samples) -> None:
        self._renderings, self.asked = list(renderings), []  # type: ignore[var-annotated]

    def render(self, text: str) -> tuple[Samples, int]:
        self.asked.append(text)
        return self._renderings.pop(0), SAMPLE_RATE


GOOD = speech(2.5)
BAD = {
    "silent": np.zeros(SAMPLE_RATE, np.float32),
    "too short": speech(0.3),
    "too long": speech(25.0),
    "clipped": np.clip(20 * speech(2.5), -1, 1).astype(np.float32),
    "hole": np.concatenate([speech(1.2), np.zeros(2 * SAMPLE_RATE, np.float32), speech(1.2)]),
    "broken": np.full(SAMPLE_RATE, np.nan, np.float32),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_rendering_is_done_again(kind: str) -> None:
    voice = Voice(BAD[kind], GOOD)
    prompt = render_prompt(voice, TEXT)
    assert len(voice.asked) == 2 and voice.asked[0] == TEXT
    assert level_dbfs(prompt) == pytest.approx(-20, abs=2)


@pytest.mark.parametrize("kind", BAD)
def test_an_engine_that_does_not_get_it_right_is_an_error_that_names_no_text(kind: str) -> None:
    with pytest.raises(RenderError) as error:
        render_prompt(Voice(*[BAD[kind]] * 3), TEXT)
    assert kind in str(error.value) and "还款" not in str(error.value)


def test_a_good_rendering_is_taken_as_it_is() -> None:
    voice = Voice(GOOD)
    render_prompt(voice, TEXT)
    assert voice.asked == [TEXT]
