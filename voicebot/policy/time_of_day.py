"""Times of day in the one form that packs and settings use: 08:00, up to 24:00.

Two forms of the same time would compare wrongly as texts: "2259" stands before "22:00".
"""

from __future__ import annotations

import re
from typing import Any

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def is_time_of_day(value: Any) -> bool:
    """Whether it is written like 08:00 or 24:00."""
    return isinstance(value, str) and _FORM.fullmatch(value) is not None


def minutes_of_day(value: Any) -> int:
    """Minutes since midnight; ValueError for anything that is not written like 08:00."""
    if not is_time_of_day(value):
        raise ValueError(f"{value!r} is no time of day like 08:00")
    hours, minutes = value.split(":")
    return int(hours) * 60 + int(minutes)
