"""What a debtor offers is compared with the approved plans: the amounts of the case go nowhere."""

from __future__ import annotations

from datetime import date

import pytest

from voicebot.speech.understanding import Instalments, values_in

TODAY = date(2025, 11, 24)
PLANS = Instalments.of({"plan_amount": ("money", 50000), "plan_alt_amount": ("money", "30000")})


@pytest.mark.parametrize(
    "said, offer",
    [
        ("我一个月最多五百", "plan"),
        ("我能拿六百出来", "plan"),
        ("顶多三百五十块", "alt"),
        ("三百行不行", "alt"),
        ("一个月两百九十九块九", "below"),
        ("给我分二十四期", None),
        ("我再想想", None),
    ],
)
def test_an_offer(said: str, offer: str | None):
    assert values_in(said, TODAY, PLANS).get("offer") == offer


def test_without_an_alternative_there_is_plan_or_below():
    one = Instalments.of({"plan_amount": ("money", 50000), "product": ("name", "x")})
    assert [one.compared(fen) for fen in (50000, 49999)] == ["plan", "below"]
    assert Instalments.of({}).compared(10**9) == "below"


def test_no_plans_no_offer():
    assert "offer" not in values_in("五百块", TODAY)
