"""Parameters of a pack as a site or institution sets them: tighter is welcome, past the bound is not.

A value that was set becomes the bound of whoever comes after: an institution may be stricter than its site,
never looser.
"""

from __future__ import annotations

from collections.abc import Mapping

from voicebot.errors import InputError
from voicebot.policy.pack import (
    PARAMETER_KEYS,
    PackBody,
    Param,
    Scalar,
    TimeWindow,
    leaves,
    parameters,
    window_fault,
)
from voicebot.policy.time_of_day import is_time_of_day


def with_overrides(pack: PackBody, overrides: Mapping[str, Scalar]) -> PackBody:
    """A pack with other values.  InputError for an unknown name, a wrong type or a value past its bound."""
    changed: dict[str, Param] = {}
    for name, value in overrides.items():
        old = pack.params.get(name)
        if old is None:
            known = ", ".join(sorted(pack.params))
            raise InputError(
                f"policy pack {pack.pack.id} has no parameter {name!r}", f"Known: {known}.", key=name
            )
        _check(pack, name, old, value)
        bound = old.bound if old.choices is not None else value
        changed[name] = old.model_copy(update={"value": value, "bound": bound})
    result = pack.with_params(changed)
    _check_windows(result, overrides)
    return result


def _check(pack: PackBody, name: str, old: Param, value: Scalar) -> None:
    if old.choices is not None:
        if value not in old.choices:
            raise InputError(f"{name} cannot be {value!r}", f"Allowed: {', '.join(old.choices)}.", key=name)
        return
    if old.bound is None:
        raise InputError(f"{name} is fixed by policy pack {pack.pack.id}", "Leave it out.", key=name)
    if not _same_kind(value, old.value):
        raise InputError(f"{name} cannot be {value!r}", f"Give a value like {old.value!r}.", key=name)
    direction = _looser(pack, name)
    if direction == 0:
        raise InputError(f"{name} cannot be changed: no rule shows which way is stricter", key=name)
    past = value > old.bound if direction > 0 else value < old.bound  # type: ignore[operator]
    if past:
        raise InputError(
            f"{name} = {value} is looser than policy pack {pack.pack.id} allows here",
            f"The bound is {old.bound}.",
            key=name,
        )


def _same_kind(value: Scalar, old: Scalar) -> bool:
    """Texts are compared with the bound as texts, so a time must have the one form that sorts by time."""
    if is_time_of_day(old):
        return is_time_of_day(value)
    return type(value) is type(old)


def _check_windows(pack: PackBody, overrides: Mapping[str, Scalar]) -> None:
    """Both ends inside their bounds can still leave a window that ends before it begins."""
    for rule in pack.rules:
        for check in leaves(rule.check):
            if isinstance(check, TimeWindow) and (fault := window_fault(check, pack)):
                name = next((one for one in (check.end, check.start) if one in overrides), check.end)
                raise InputError(fault, "Leave some calling time.", key=name)


def _looser(pack: PackBody, name: str) -> int:
    """+1 when greater is looser, -1 when smaller is, 0 when the rules disagree or do not use it."""
    ways = {
        PARAMETER_KEYS[check.kind][key]
        for rule in pack.rules
        for check in leaves(rule.check)
        for key, used in parameters(check)
        if used == name
    }
    return ways.pop() if len(ways) == 1 else 0
