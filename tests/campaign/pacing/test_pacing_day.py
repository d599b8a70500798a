"""Simulated hours of dialling with the production pacing: the cap holds, and looking ahead pays."""

from __future__ import annotations

import pytest

from voicebot.campaign.pacing_settings import Pacing
from voicebot.simulate.pacing_day import DayResult, PacedDay

HOURS = 1.0


def day(mode: str, seed: int, agents: int, hours: float = HOURS) -> DayResult:
    return PacedDay(Pacing.model_validate({"mode": mode}), seed, hours, agents).run()


@pytest.mark.parametrize(("seed", "agents"), [(0, 20), (1, 8), (2, 3)])
@pytest.mark.parametrize("mode", ["progressive", "predictive"])
def test_the_abandoned_stay_within_the_cap(mode: str, seed: int, agents: int) -> None:
    result = day(mode, seed, agents)
    assert result.wanted > 0 and result.abandoned <= 0.03 * result.wanted
    assert result.longest_wait_s <= 20
    assert [alarm for alarm in result.alarms if "trunk" in alarm or "number" in alarm] == []


def test_without_pacing_the_same_hour_abandons_most_of_them() -> None:
    assert day("fixed", 0, 20).abandon_rate > 0.2  # the test above can fail


def test_predictive_keeps_a_large_team_busier_than_progressive() -> None:
    ahead, behind = (day(mode, 5, 12) for mode in ("predictive", "progressive"))
    assert ahead.occupancy > behind.occupancy


def test_a_seed_is_a_day() -> None:
    first, again, other = (day("progressive", seed, 4, hours=0.25) for seed in (3, 3, 4))
    assert first.figures() == again.figures() != other.figures()
