"""What a rule looked at, in words: the facts it was asked with, and what it would have let pass.

Amounts are not shown, only whether something is owed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from voicebot.policy import pack as p
from voicebot.policy.checks import MISSING, Facts, getter, local_time, window_minutes, zone_named
from voicebot.policy.gate import AMOUNT_FACTS

UNKNOWN = "unknown"


def in_words(check: p.Check, pack: p.PackBody, facts: Facts) -> str:
    """One line about a check and the facts it depends on."""
    if isinstance(check, p.AllOf):
        return "; ".join(in_words(one, pack, facts) for one in check.checks)
    if isinstance(check, p.AnyOf):
        return " or ".join(f"({in_words(one, pack, facts)})" for one in check.checks)
    if isinstance(check, p.TimeWindow):
        return _window(check, pack, facts)
    if isinstance(check, p.MaxCount):
        return _count(check, pack, facts)
    if isinstance(check, p.Cooldown):
        return f"{_fact(check.since, facts)}, at least {pack.value(check.min)} needed"
    if isinstance(check, p.RateMax):
        return f"{_fact(check.rate, facts)}, at most {pack.value(check.limit)} allowed"
    if isinstance(check, p.MaxAge):
        return f"{_fact(check.field, facts)}, at most {_limit(check, pack)} allowed"
    if isinstance(check, p.MinValue):
        return f"{_fact(check.field, facts)}, at least {_limit(check, pack)} needed"
    if isinstance(check, p.InSet):
        return f"{_fact(check.field, facts)}, one of {', '.join(map(str, check.set))} needed"
    if isinstance(check, p.Truthy):
        return _several(check.fields, facts) + ", all needed" * (len(check.fields) > 1)
    if isinstance(check, p.Falsy):
        absent = "none" if check.absent == "pass" else UNKNOWN
        return _several(check.fields, facts, absent)
    if isinstance(check, p.Tokens):
        wanted = " and ".join("|".join(group) for group in check.groups)
        return f"{check.field} must hold {wanted}"
    return f"{_fact(check.field, facts)}, none of {', '.join(check.categories)} allowed"


def scope_in_words(rule: p.Rule) -> str:
    """Whom a rule concerns, or an empty text when it is everybody."""
    return ", ".join(f"{path} {_value(path, wanted)}" for path, wanted in rule.scope.items())


def _window(check: p.TimeWindow, pack: p.PackBody, facts: Facts) -> str:
    value, name = getter(check.at)(facts), pack.pack.timezone
    zone = None if name == p.PARTY_LOCAL else zone_named(name)
    shown = facts.get("party_timezone", "an unknown zone") if zone is None else name
    at = local_time(value, zone, facts)
    when = f"{at:%Y-%m-%d %H:%M} ({shown})" if at else f"an unknown time ({shown})"
    first, last = window_minutes(check, pack)
    text = f"{when}, allowed {_clock(first)} to {_clock(max(last, first))}"
    if check.margin and pack.value(check.margin):
        text += f" ({pack.value(check.end)} less {pack.value(check.margin)} min)"
    if check.unless_agreed in (None, "none"):
        return text
    return f"{text}; agreed: {_agreed(facts.get(str(check.unless_agreed)))}"


def _agreed(windows: Any) -> str:
    if not isinstance(windows, list | tuple) or not windows:
        return "nothing"
    return ", ".join(
        f"{_moment(one.get('from'))} to {_moment(one.get('to'))} ({one.get('evidence_id') or 'no evidence'})"
        for one in windows
        if isinstance(one, Mapping)
    )


def _count(check: p.MaxCount, pack: p.PackBody, facts: Facts) -> str:
    used = getter(f"counters.{check.counter}")(facts)
    text = f"{check.counter} {UNKNOWN if used is MISSING else used} of {pack.value(check.limit)}"
    evidence = facts.get(check.unless) if check.unless else None
    return f"{text}; more agreed to: {evidence}" if evidence else text


def _limit(check: p.MaxAge | p.MinValue, pack: p.PackBody) -> Any:
    return pack.value(check.limit) if check.limit is not None else f"{check.literal:g}"


def _several(paths: tuple[str, ...], facts: Facts, absent: str = UNKNOWN) -> str:
    return ", ".join(_fact(path, facts, absent) for path in paths)


def _fact(path: str, facts: Facts, absent: str = UNKNOWN) -> str:
    value = getter(path)(facts)
    return f"{path} {absent if value is MISSING else _value(path, value)}"


def _value(path: str, value: Any) -> str:
    if path in AMOUNT_FACTS:
        return "something" if isinstance(value, int | float) and value > 0 else "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "never"
    return _moment(value) if isinstance(value, datetime) else str(value)


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)[: len("2026-03-02T22:00")].replace("T", " ")


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
