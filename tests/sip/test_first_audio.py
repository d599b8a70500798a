"""The first word after an answer arrives whole: silence goes before it, no longer than the trunk asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sip.softphone import Softphone
from sip.trunk import Trunk
from tests.sip.conftest import RATE, sweep
from tests.sip.far_end import FarEnd
from tests.sip.heard import likeness, loud, samples

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]


async def test_the_first_word_is_not_clipped(
    phone: Softphone, far: FarEnd, write_wav: Callable[[str, np.ndarray], Path]
) -> None:
    word = sweep(0.6)
    leg = await phone.dial(far.uri())
    other = await far.answered()
    await asyncio.wait_for(leg.answered, 5)
    await asyncio.sleep(Trunk(name="t", simulated=True).lead_in_s)
    playback = await leg.play(write_wav("word.wav", word))
    await asyncio.wait_for(playback.done, 5)
    await asyncio.sleep(0.3)
    await leg.hangup()
    await far.event("ended", leg=other)
    heard = samples(far.heard(other))
    arrived = loud(heard)
    assert abs(len(arrived) - len(word)) <= 0.02 * RATE
    first = round(0.1 * RATE)
    assert likeness(arrived[: 2 * first], word[:first]) > 0.9
