"""How the way there and back is measured: on arrays, no calls."""

from __future__ import annotations

import numpy as np
import pytest

from sip.echo_call import Samples, mark, round_trips_ms


def channels(delay_ms: float | None, gain: float = 1.0, noise: float = 0.0) -> tuple[Samples, Samples]:
    """Three marks, and what comes back after a delay; None: nothing."""
    ours, theirs = np.zeros(8000 * 5), np.zeros(8000 * 5)
    for number, start_s in enumerate((0.7, 1.7, 2.7)):
        at, tone = int(start_s * 8000), mark(number)
        ours[at : at + len(tone)] = tone
        if delay_ms is not None:
            back = at + int(delay_ms * 8)
            theirs[back : back + len(tone)] = gain * tone
    return ours, theirs + noise * np.random.default_rng(1).standard_normal(len(theirs))


@pytest.mark.parametrize("delay_ms", [0, 20, 143, 600, 1400])
@pytest.mark.parametrize(("gain", "noise"), [(1.0, 0.0), (0.3, 300.0)])
def test_the_delay_is_found_in_quiet_and_noise(delay_ms: float, gain: float, noise: float) -> None:
    found = round_trips_ms(*channels(delay_ms, gain, noise))
    assert len(found) == 3 and all(abs(ms - delay_ms) < 1 for ms in found)


def test_noise_is_no_echo() -> None:
    assert round_trips_ms(*channels(None, noise=3000.0)) == ()


def test_nothing_was_said_and_nothing_came() -> None:
    assert round_trips_ms(np.zeros(0), np.zeros(0)) == ()
    assert round_trips_ms(np.zeros(9000), np.zeros(9000)) == ()
