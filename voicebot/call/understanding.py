"""Dates, times and amounts in what was said, normalised before the dialog policy sees the text."""

from __future__ import annotations

from datetime import date

from voicebot.speech.spoken.dates import parse_date
from voicebot.speech.spoken.money import parse_money
from voicebot.speech.spoken.times import parse_time

LATEST_PROMISE_DAYS = 90
"""The closed set of promise dates: clauses are rendered for these days and no others."""


def values_in(text: str, today: date) -> dict[str, str]:
    """`date` (ISO, from today to 90 days ahead), `time` (HH:MM), `money` (fen), as far as they were said."""
    values: dict[str, str] = {}
    day = parse_date(text, today)
    if day is not None and 0 <= (day - today).days < LATEST_PROMISE_DAYS:
        values["date"] = day.isoformat()
    if (time := parse_time(text)) is not None:
        values["time"] = time
    if (fen := parse_money(text)) is not None:
        values["money"] = str(fen)
    return values
