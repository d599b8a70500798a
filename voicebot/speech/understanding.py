"""Dates, times and amounts in what was said, normalised before the dialog policy sees the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from voicebot.speech.spoken.dates import parse_date
from voicebot.speech.spoken.money import parse_money
from voicebot.speech.spoken.times import parse_time

LATEST_PROMISE_DAYS = 90
"""The closed set of promise dates: clauses are rendered for these days and no others."""
PLAN, ALTERNATIVE = "plan_amount", "plan_alt_amount"
"""Case slots: what an instalment of the approved plans is, in fen."""


@dataclass(frozen=True)
class Instalments:
    """The case's approved instalments in fen a month; None: there is no such plan.

    What a debtor can pay is compared with them here, so that the dialog engine learns how it compares and
    never the amounts of the case.
    """

    plan_fen: int | None = None
    alternative_fen: int | None = None

    @classmethod
    def of(cls, slots: Mapping[str, tuple[str, object]]) -> Instalments:
        """From a case's typed slots (name → type, value)."""

        def fen(name: str) -> int | None:
            return int(str(slots[name][1])) if name in slots else None

        return cls(fen(PLAN), fen(ALTERNATIVE))

    def compared(self, fen: int) -> str:
        """`plan` when `fen` a month covers the plan, `alt` when only the smaller one, else `below`."""
        if self.plan_fen is not None and fen >= self.plan_fen:
            return "plan"
        if self.alternative_fen is not None and fen >= self.alternative_fen:
            return "alt"
        return "below"


def values_in(text: str, today: date, instalments: Instalments | None = None) -> dict[str, str]:
    """`date` (ISO, from today to 90 days ahead), `time` (HH:MM), `money` (fen), as far as they were said;
    with `money` also `offer` (plan, alt, below) when the case's `instalments` are given."""
    values: dict[str, str] = {}
    day = parse_date(text, today)
    if day is not None and 0 <= (day - today).days < LATEST_PROMISE_DAYS:
        values["date"] = day.isoformat()
    if (time := parse_time(text)) is not None:
        values["time"] = time
    if (fen := parse_money(text)) is not None:
        values["money"] = str(fen)
        if instalments is not None:
            values["offer"] = instalments.compared(fen)
    return values
