"""How likely and how soon: what the pacing learns from calls."""

from __future__ import annotations

import random

import numpy as np
import pytest

from voicebot.campaign.pacing.odds import Odds, wilson


def odds() -> Odds:
    return Odds(bin_s=1, span_s=60, memory=300)


def test_nothing_known_means_that_everything_happens() -> None:
    nothing = odds()
    assert nothing.share == 1.0 and nothing.upper(1.65) == 1.0
    assert nothing.quantile_s(0.5) == 0.0 and nothing.times().sum() == 0.0
    assert 0 <= nothing.within(np.array([0.0]), 10.0)[0] <= 1


def test_share_and_times_are_those_of_the_events() -> None:
    seen = odds()
    for number in range(100):
        seen.add(number % 4 == 0, 10.0 if number % 4 == 0 else 30.0)
    assert seen.share == pytest.approx(0.25, abs=0.03)
    assert 0.25 < seen.upper(1.65) < 0.4
    assert seen.quantile_s(0.5) == pytest.approx(10.5, abs=0.5)
    fresh, late, hopeless = seen.within(np.array([0.0, 5.0, 20.0]), 60.0)
    assert fresh == pytest.approx(0.25, abs=0.03) and late == pytest.approx(0.25, abs=0.03)
    assert hopeless < 0.03  # after 20 s nobody ever answered


def test_what_was_long_ago_is_forgotten() -> None:
    seen = odds()
    for happened in [True] * 500 + [False] * 1000:
        seen.add(happened, 5.0)
    assert seen.share < 0.05
    assert seen.seen == pytest.approx(300, abs=2)


def test_the_first_talks_that_end_do_not_make_all_talks_short() -> None:
    """Ten agents talk for exponential times of 120 s; after 40 s only the short ones have ended."""
    draw = random.Random(7)
    talks = [draw.expovariate(1 / 120) for _ in range(2000)]
    naive, fair = (Odds(bin_s=5, span_s=1800, memory=10_000) for _ in range(2))
    for talk in (one for one in talks if one < 40):
        naive.add(True, talk)
        fair.add(True, talk)
    fair.undecided(np.array([40.0] * sum(one >= 40 for one in talks)))
    truth = 1 - np.exp(-30 / 120)
    assert fair.within(np.array([5.0]), 30.0)[0] == pytest.approx(truth, abs=0.03)
    assert naive.within(np.array([5.0]), 30.0)[0] > 2 * truth


def test_wilson_holds_the_share_and_narrows() -> None:
    assert wilson(0.5, 0, 2) == 1.0 and wilson(0.5, 0, -2) == 0.0
    assert wilson(0.3, 10, -2) < wilson(0.3, 1000, -2) < 0.3 < wilson(0.3, 1000, 2) < wilson(0.3, 10, 2)
