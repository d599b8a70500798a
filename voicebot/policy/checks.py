"""The check kinds of a policy pack, compiled once to plain functions of the facts.

A missing fact makes a check false: the gate fails closed.  Nothing here does I/O or keeps state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from voicebot.policy import pack as p

Facts = Mapping[str, Any]
Passes = Callable[[Facts], bool]
Getter = Callable[[Facts], Any]
PARTY_LOCAL = "party_local"


class _Missing:
    """The one value that stands for a fact nobody gave."""

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


def getter(path: str) -> Getter:
    """Reads a fact; `tool.approved` looks inside the fact `tool`."""
    if "." not in path:
        return lambda facts: facts.get(path, MISSING)
    parts = path.split(".")

    def deep(facts: Facts) -> Any:
        value: Any = facts
        for part in parts:
            if not isinstance(value, Mapping):
                return MISSING
            value = value.get(part, MISSING)
        return value

    return deep


def compile_check(check: p.Check, pack: p.PackBody) -> Passes:
    """A function that says whether the facts pass."""
    if isinstance(check, p.AllOf):
        parts = [compile_check(one, pack) for one in check.checks]
        return lambda facts: all(part(facts) for part in parts)
    if isinstance(check, p.AnyOf):
        parts = [compile_check(one, pack) for one in check.checks]
        return lambda facts: any(part(facts) for part in parts)
    return _COMPILERS[check.kind](check, pack)


def compile_scope(scope: Mapping[str, p.Scalar]) -> Passes:
    """Whether a rule concerns these facts.  A missing fact keeps the rule in force: it fails closed."""
    pairs = [(getter(path), wanted) for path, wanted in scope.items()]

    def concerns(facts: Facts) -> bool:
        for get, wanted in pairs:
            value = get(facts)
            if value is not MISSING and value != wanted:
                return False
        return True

    return concerns


def _time_window(check: p.TimeWindow, pack: p.PackBody) -> Passes:
    start, end = _clock_time(pack.value(check.start)), _clock_time(pack.value(check.end))
    margin = pack.value(check.margin) if check.margin else 0
    assert isinstance(margin, int | float)
    last = (datetime.combine(datetime.min, end) + timedelta(days=1) - timedelta(minutes=margin)).time()
    get_at = getter(check.at)
    agreed_path = check.unless_agreed if check.unless_agreed not in (None, "none") else None
    get_agreed = getter(agreed_path) if agreed_path else None
    zone = None if pack.pack.timezone == PARTY_LOCAL else ZoneInfo(pack.pack.timezone)

    def passes(facts: Facts) -> bool:
        at = _local(get_at(facts), zone, facts)
        if at is None:
            return False
        now = at.time()
        inside = start <= now < last if start < last else (now >= start or now < last)
        if inside or get_agreed is None:
            return inside
        agreed = get_agreed(facts)
        return isinstance(agreed, list | tuple) and any(_covers(one, at, zone, facts) for one in agreed)

    return passes


def _covers(window: Any, at: datetime, zone: ZoneInfo | None, facts: Facts) -> bool:
    """An agreement counts only with evidence, and only for the instants it names."""
    if not isinstance(window, Mapping) or not window.get("evidence_id"):
        return False
    begin, finish = _local(window.get("from"), zone, facts), _local(window.get("to"), zone, facts)
    return begin is not None and finish is not None and begin <= at < finish


def _local(value: Any, zone: ZoneInfo | None, facts: Facts) -> datetime | None:
    """The wall time there, without zone; None when it cannot be known.  A naive value is local already."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is None:
        return value
    if zone is None:
        name = facts.get("party_timezone")
        if not isinstance(name, str):
            return None
        try:
            zone = ZoneInfo(name)
        except (KeyError, ValueError):
            return None
    return value.astimezone(zone).replace(tzinfo=None)


def _clock_time(value: p.Scalar) -> time:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no time of day like 08:00")
    return time.fromisoformat(value)


def _max_count(check: p.MaxCount, pack: p.PackBody) -> Passes:
    get = getter(f"counters.{check.counter}")
    limit = _number(pack.value(check.limit))
    unless = getter(check.unless) if check.unless else None
    return lambda facts: _below(get(facts), limit) or (unless is not None and bool(unless(facts)))


def _below(value: Any, limit: float) -> bool:
    return _is_number(value) and value < limit


def _cooldown(check: p.Cooldown, pack: p.PackBody) -> Passes:
    get, least = getter(check.since), _number(pack.value(check.min))

    def passes(facts: Facts) -> bool:
        value = get(facts)  # null: it never happened
        return value is None or (_is_number(value) and value >= least)

    return passes


def _at_most(path: str, limit: float) -> Passes:
    get = getter(path)

    def passes(facts: Facts) -> bool:
        value = get(facts)
        return _is_number(value) and value <= limit

    return passes


def _rate_max(check: p.RateMax, pack: p.PackBody) -> Passes:
    return _at_most(check.rate, _number(pack.value(check.limit)))


def _max_age(check: p.MaxAge, pack: p.PackBody) -> Passes:
    return _at_most(check.field, _limit(check, pack))


def _min_value(check: p.MinValue, pack: p.PackBody) -> Passes:
    get, least = getter(check.field), _limit(check, pack)

    def passes(facts: Facts) -> bool:
        value = get(facts)
        return _is_number(value) and value >= least

    return passes


def _limit(check: p.MaxAge | p.MinValue, pack: p.PackBody) -> float:
    if check.literal is not None:
        return check.literal
    if check.limit is None:
        raise ValueError(f"{check.kind} of {check.field} needs limit or literal")
    return _number(pack.value(check.limit))


def _in_set(check: p.InSet, pack: p.PackBody) -> Passes:
    get, allowed = getter(check.field), frozenset(check.set)

    def passes(facts: Facts) -> bool:
        value = get(facts)
        return isinstance(value, str | int | float) and value in allowed

    return passes


def _truthy(check: p.Truthy, pack: p.PackBody) -> Passes:
    gets = [getter(path) for path in check.fields]
    return lambda facts: all(get(facts) for get in gets)


def _falsy(check: p.Falsy, pack: p.PackBody) -> Passes:
    gets, absent = [getter(path) for path in check.fields], check.absent == "pass"

    def passes(facts: Facts) -> bool:
        for get in gets:
            value = get(facts)
            if value is MISSING:
                if not absent:
                    return False
            elif value:
                return False
        return True

    return passes


def _tokens(check: p.Tokens, pack: p.PackBody) -> Passes:
    get, groups = getter(check.field), check.groups
    within = int(_number(pack.value(check.within))) if check.within else None

    def passes(facts: Facts) -> bool:
        text = get(facts)
        if not isinstance(text, str):
            return False
        start = text[:within]
        return all(any(token in start for token in group) for group in groups)

    return passes


def _no_lint(check: p.NoLint, pack: p.PackBody) -> Passes:
    get, forbidden = getter(check.field), frozenset(check.categories)

    def passes(facts: Facts) -> bool:
        hits = get(facts)
        return isinstance(hits, list | tuple | set | frozenset) and forbidden.isdisjoint(hits)

    return passes


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: p.Scalar) -> float:
    if not _is_number(value):
        raise ValueError(f"{value!r} is no number")
    assert isinstance(value, int | float)
    return value


_COMPILERS: Mapping[str, Callable[[Any, p.PackBody], Passes]] = {
    "time_window": _time_window,
    "max_count": _max_count,
    "cooldown": _cooldown,
    "rate_max": _rate_max,
    "in_set": _in_set,
    "truthy": _truthy,
    "falsy": _falsy,
    "max_age": _max_age,
    "min_value": _min_value,
    "tokens": _tokens,
    "no_lint": _no_lint,
}
