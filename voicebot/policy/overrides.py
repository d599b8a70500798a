"""Parameters of a pack as a site or institution sets them: tighter is welcome, past the bound is not."""

from __future__ import annotations

from collections.abc import Mapping

from voicebot.errors import InputError
from voicebot.policy.pack import PARAMETER_KEYS, PackBody, Param, Scalar, leaves, parameters


def with_overrides(pack: PackBody, overrides: Mapping[str, Scalar]) -> PackBody:
    """A pack with other values.  InputError for an unknown name, a wrong type or a value past its bound."""
    params = dict(pack.params)
    for name, value in overrides.items():
        old = params.get(name)
        if old is None:
            known = ", ".join(sorted(params))
            raise InputError(
                f"policy pack {pack.pack.id} has no parameter {name!r}", f"Known: {known}.", key=name
            )
        _check(pack, name, old, value)
        params[name] = old.model_copy(update={"value": value})
    return pack.model_copy(update={"params": params})


def _check(pack: PackBody, name: str, old: Param, value: Scalar) -> None:
    if old.choices is not None:
        if value not in old.choices:
            raise InputError(f"{name} cannot be {value!r}", f"Allowed: {', '.join(old.choices)}.", key=name)
        return
    if old.bound is None:
        raise InputError(f"{name} is fixed by policy pack {pack.pack.id}", "Leave it out.", key=name)
    if type(value) is not type(old.value) and not (_number(value) and _number(old.value)):
        raise InputError(f"{name} cannot be {value!r}", f"Give a value like {old.value!r}.", key=name)
    direction = _looser(pack, name)
    if direction == 0:
        raise InputError(f"{name} cannot be changed: no rule shows which way is stricter", key=name)
    past = value > old.bound if direction > 0 else value < old.bound  # type: ignore[operator]
    if past:
        raise InputError(
            f"{name} = {value} is looser than policy pack {pack.pack.id} allows",
            f"The bound is {old.bound}.",
            key=name,
        )


def _number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
