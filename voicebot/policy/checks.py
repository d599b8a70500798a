"""The check kinds of a policy pack, compiled once to plain functions of the facts.

A missing fact makes a check false: the gate fails closed.  Nothing here does I/O or keeps state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from voicebot.policy import pack as p
from voicebot.policy.pack import PARTY_LOCAL
from voicebot.policy.time_of_day import minutes_of_day

Facts = Mapping[str, Any]
Passes = Callable[[Facts], bool]
Getter = Callable[[Facts], Any]


class _Missing:
    """The one value that stands for a fact nobody gave."""

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


def getter(path: str) -> Getter:
    """Reads a fact; `tool.approved` looks inside the fact `tool`."""
    outer, *inner = path.split(".")
    if not inner:
        return lambda facts: facts.get(outer, MISSING)
    name = ".".join(inner)
    get_inner = getter(name)

    def deep(facts: Facts) -> Any:
        group = facts.get(outer, MISSING)
        # `type` first: the test against the abstract class costs more than all the rest
        if type(group) is dict or isinstance(group, Mapping):
            return get_inner(group)
        return MISSING

    return deep


def compile_check(check: p.Check, pack: p.PackBody) -> Passes:
    """A function that says whether the facts pass."""
    if isinstance(check, p.AllOf):
        return _all([compile_check(one, pack) for one in check.checks])
    if isinstance(check, p.AnyOf):
        return _any([compile_check(one, pack) for one in check.checks])
    return _COMPILERS[check.kind](check, pack)


def _all(parts: list[Passes]) -> Passes:
    def passes(facts: Facts) -> bool:
        for part in parts:  # noqa: SIM110  a loop costs half of all() over a generator, thousands of times a second
            if not part(facts):
                return False
        return True

    return passes


def _any(parts: list[Passes]) -> Passes:
    def passes(facts: Facts) -> bool:
        for part in parts:  # noqa: SIM110
            if part(facts):
                return True
        return False

    return passes


def compile_scope(scope: Mapping[str, p.Scalar]) -> Passes:
    """Whether a rule concerns these facts.  A missing fact keeps the rule in force: it fails closed."""
    pairs = [(getter(path), wanted) for path, wanted in scope.items()]
    if len(pairs) == 1:
        ((get_one, only),) = pairs
        return lambda facts: (value := get_one(facts)) is MISSING or value == only

    def concerns(facts: Facts) -> bool:
        for get, wanted in pairs:
            value = get(facts)
            if value is not MISSING and value != wanted:
                return False
        return True

    return concerns


def _time_window(check: p.TimeWindow, pack: p.PackBody) -> Passes:
    """From `start` (inside) to `margin` minutes before `end` (outside), on the clock of the pack's zone."""
    first, last = window_minutes(check, pack)
    get_at = getter(check.at)
    agreed_path = check.unless_agreed if check.unless_agreed not in (None, "none") else None
    get_agreed = getter(agreed_path) if agreed_path else None
    zone = None if pack.pack.timezone == PARTY_LOCAL else ZoneInfo(pack.pack.timezone)

    def passes(facts: Facts) -> bool:
        at = local_time(get_at(facts), zone, facts)
        if at is None:
            return False
        if first <= at.hour * 60 + at.minute < last:
            return True
        agreed = get_agreed(facts) if get_agreed is not None else None
        return isinstance(agreed, list | tuple) and any(_covers(one, at, zone, facts) for one in agreed)

    return passes


def window_minutes(check: p.TimeWindow, pack: p.PackBody) -> tuple[int, int]:
    """First minute of the day inside, and the first one outside again.  A margin longer than the window
    leaves nothing of it."""
    margin = pack.value(check.margin) if check.margin else 0
    assert isinstance(margin, int)
    return minutes_of_day(pack.value(check.start)), minutes_of_day(pack.value(check.end)) - margin


def _covers(window: Any, at: datetime, zone: ZoneInfo | None, facts: Facts) -> bool:
    """An agreement counts only with evidence, and only for the instants it names."""
    if not isinstance(window, Mapping) or not window.get("evidence_id"):
        return False
    begin, finish = (local_time(window.get(key), zone, facts) for key in ("from", "to"))
    return begin is not None and finish is not None and begin <= at < finish


def local_time(value: Any, zone: ZoneInfo | None, facts: Facts) -> datetime | None:
    """The wall time there, without zone; None when it cannot be known.  A naive value is local already.

    Without `zone` it is that of the person called, fact `party_timezone`.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
    else:
        return None
    if moment.tzinfo is None:
        return moment
    if zone is None and (zone := zone_named(facts.get("party_timezone"))) is None:
        return None
    return moment.astimezone(zone).replace(tzinfo=None)


@functools.lru_cache(maxsize=1024)
def zone_named(name: Any) -> ZoneInfo | None:
    """The zone, or None when there is none of that name: an unknown zone refuses."""
    if not isinstance(name, str):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _max_count(check: p.MaxCount, pack: p.PackBody) -> Passes:
    get = getter(f"counters.{check.counter}")
    limit = _number(pack.value(check.limit))
    unless = getter(check.unless) if check.unless else None

    def passes(facts: Facts) -> bool:
        value = get(facts)
        if (type(value) is int or _is_number(value)) and value < limit:
            return True
        return unless is not None and bool(unless(facts))

    return passes


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
    if check.limit is None:
        assert check.literal is not None
        return check.literal
    return _number(pack.value(check.limit))


def _in_set(check: p.InSet, pack: p.PackBody) -> Passes:
    get, allowed = getter(check.field), frozenset(check.set)

    def passes(facts: Facts) -> bool:
        value = get(facts)
        return isinstance(value, str | int | float) and value in allowed

    return passes


def _truthy(check: p.Truthy, pack: p.PackBody) -> Passes:
    gets = [getter(path) for path in check.fields]

    def passes(facts: Facts) -> bool:
        for get in gets:  # noqa: SIM110
            if not get(facts):
                return False
        return True

    return passes


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
