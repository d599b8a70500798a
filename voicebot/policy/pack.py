"""A policy pack: rules as data, with parameters that a site may tighten but not loosen past their bound."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from voicebot.errors import InputError
from voicebot.policy.time_of_day import is_time_of_day, minutes_of_day
from voicebot.yaml_document import YamlDocument

GateName = Literal[
    "pre_dial",
    "pre_send",
    "opening",
    "in_call",
    "transfer",
    "post_call",
    "publish",
    "data_access",
    "periodic",
]
Scalar = str | bool | int | float | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeWindow(_Part):
    kind: Literal["time_window"]
    start: str
    end: str
    margin: str | None = None
    "Minutes before `end` in which nothing is started any more."
    at: str
    unless_agreed: str | None = None
    "Fact: list of {from, to, evidence_id}; `none` when nothing can be agreed."


class MaxCount(_Part):
    kind: Literal["max_count"]
    counter: str
    limit: str
    unless: str | None = None


class Cooldown(_Part):
    kind: Literal["cooldown"]
    since: str
    min: str


class RateMax(_Part):
    kind: Literal["rate_max"]
    rate: str
    limit: str


class InSet(_Part):
    kind: Literal["in_set"]
    field: str
    set: tuple[Scalar, ...]


class Truthy(_Part):
    kind: Literal["truthy"]
    fields: tuple[str, ...] = Field(min_length=1)


class Falsy(_Part):
    kind: Literal["falsy"]
    fields: tuple[str, ...] = Field(min_length=1)
    absent: Literal["fail", "pass"] = "fail"


class _Limited(_Part):
    field: str
    limit: str | None = None
    literal: float | None = None

    @model_validator(mode="after")
    def one_limit(self) -> Self:
        if (self.limit is None) == (self.literal is None):
            raise ValueError("give either limit (a parameter's name) or literal (a number)")
        return self


class MaxAge(_Limited):
    kind: Literal["max_age"]


class MinValue(_Limited):
    kind: Literal["min_value"]


class Tokens(_Part):
    kind: Literal["tokens"]
    field: str
    groups: tuple[tuple[str, ...], ...] = Field(min_length=1)
    within: str | None = None


class NoLint(_Part):
    kind: Literal["no_lint"]
    field: str
    categories: tuple[str, ...] = Field(min_length=1)


class AnyOf(_Part):
    kind: Literal["any_of"]
    checks: tuple[Check, ...] = Field(min_length=1)


class AllOf(_Part):
    kind: Literal["all_of"]
    checks: tuple[Check, ...] = Field(min_length=1)


_Leaf = (
    TimeWindow | MaxCount | Cooldown | RateMax | InSet | Truthy | Falsy | MaxAge | MinValue | Tokens | NoLint
)
Check = Annotated[_Leaf | AnyOf | AllOf, Field(discriminator="kind")]


class OnFail(_Part):
    outcome: Literal[
        "deny", "block_utterance", "stop_call", "transfer_human", "stop_list", "quarantine", "alert"
    ]
    reason: str
    zh: str = ""


class RuleCase(_Part):
    """One of the pack's own tests: `expect` is allow, n/a or the reason of the refusal."""

    facts: dict[str, Any]
    expect: str
    note: str = ""


class Rule(_Part):
    id: str
    title: str = ""
    doc: str
    clause: str = ""
    sure: str
    strength: Literal["hard", "soft"]
    gate: GateName
    scope: dict[str, Scalar] = Field(default_factory=dict)
    check: Check
    on_fail: OnFail
    tests: tuple[RuleCase, ...] = ()


class Param(_Part):
    value: Scalar
    bound: Scalar = None
    "The loosest value that a site or institution may set."
    choices: tuple[str, ...] | None = None
    sure: str = ""
    note: str = ""


class Counter(_Part):
    key: tuple[str, ...]
    events: str
    window: str = Field(pattern=r"^(calendar_day|rolling_[1-9]\d?d)$")
    "calendar_day, or rolling_7d: that many days with today."
    spans: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """How many calendar days the window spans, today among them."""
        return 1 if self.window == "calendar_day" else int(self.window[len("rolling_") : -1])


PARTY_LOCAL = "party_local"
"""A pack's timezone when its rules go by the clock of the person called (fact party_timezone)."""


class PackHead(_Part):
    id: str
    version: str = "0"
    title: str = ""
    jurisdiction: str
    timezone: str
    "IANA name, or party_local: the zone of the person called (fact party_timezone)."
    status: str = ""
    includes: tuple[str, ...] = ()
    docs: dict[str, str] = Field(default_factory=dict)

    @field_validator("timezone")
    @classmethod
    def known_zone(cls, value: str) -> str:
        if value != PARTY_LOCAL:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):
                raise ValueError(
                    f"there is no time zone {value!r}; use a name like Asia/Shanghai, or {PARTY_LOCAL}"
                ) from None
        return value


class StopListRules(_Part):
    key: tuple[str, ...]
    fields: tuple[str, ...]
    reasons: dict[str, str]
    removal: str = ""


class Scenario(_Part):
    name: str
    over: dict[str, Any]
    expect: tuple[str, ...]


class Scenarios(_Part):
    """Whole-decision tests: `expect` lists the reasons that must appear (none: the call may be dialled)."""

    base: dict[str, Any]
    cases: tuple[Scenario, ...]


class PackBody(_Part):
    pack: PackHead
    params: dict[str, Param] = Field(default_factory=dict)
    counters: dict[str, Counter] = Field(default_factory=dict)
    rules: tuple[Rule, ...]

    _changed: dict[str, Scalar] = PrivateAttr(default_factory=dict)
    "Parameters that a site or an institution set otherwise than the pack."

    @property
    def label(self) -> str:
        """What decisions and call records carry: id@version, and the parameters that were set otherwise."""
        changed = ",".join(f"{name}={value}" for name, value in sorted(self._changed.items()))
        return f"{self.pack.id}@{self.pack.version}" + (f"({changed})" if changed else "")

    def with_params(self, params: Mapping[str, Param]) -> PackBody:
        """The pack with other parameters of the same names, noting which values differ from its own."""
        changed = {**self._changed}
        for name, param in params.items():
            if param.value != self.params[name].value:
                changed[name] = param.value
        copy = self.model_copy(update={"params": {**self.params, **params}})
        copy._changed = changed
        return copy

    def value(self, name: str) -> Scalar:
        """A parameter's value; KeyError when the pack has none of that name."""
        return self.params[name].value


class PackFile(PackBody):
    schema_version: Literal[1]
    vocab: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    kinds: dict[str, dict[str, Any]] = Field(default_factory=dict)
    stop_list: StopListRules | None = None
    overlays: tuple[PackBody, ...] = ()
    scenarios: Scenarios | None = None

    def body(self, pack_id: str) -> PackBody:
        """The file's own pack or one of its overlays."""
        for one in (self, *self.overlays):
            if one.pack.id == pack_id:
                return one
        known = ", ".join(one.pack.id for one in (self, *self.overlays))
        raise InputError(f"there is no policy pack {pack_id!r}", f"Known: {known}.")


def load_pack(path: Path | str) -> PackFile:
    """Reads and checks a pack file; InputError names file, line and key.

    A file that did not change since it was read is not read again: packs are asked for many times.
    """
    path = Path(path)
    try:
        found = path.stat()
    except OSError:
        return _read_pack(path)  # which says what is wrong
    return _known_pack(path, path.resolve(), found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=16)
def _known_pack(path: Path, _place: Path, _changed: int, _size: int) -> PackFile:
    return _read_pack(path)


def _read_pack(path: Path) -> PackFile:
    document = YamlDocument.read(path)
    pack = document.parse(PackFile)
    for body, place in ((pack, ()), *((one, ("overlays", n)) for n, one in enumerate(pack.overlays))):
        _check_names(document, body, place)
        _check_windows(document, body, place)
    return pack


def _check_windows(document: YamlDocument, pack: PackBody, place: tuple[int | str, ...]) -> None:
    """A window lies within one day: one that ends before it begins would allow the whole night."""
    for number, rule in enumerate(pack.rules):
        for check in leaves(rule.check):
            if isinstance(check, TimeWindow):
                fault = window_fault(check, pack)
                if fault:
                    raise document.error(fault, (*place, "rules", number, "check"), "Write times like 08:00.")


def window_fault(check: TimeWindow, pack: PackBody) -> str:
    """What is wrong with a window's parameters, or an empty text."""
    start, end = pack.value(check.start), pack.value(check.end)
    for name, value in ((check.start, start), (check.end, end)):
        if not is_time_of_day(value):
            return f"{name} cannot be {value!r}: it is no time of day"
    if minutes_of_day(end) <= minutes_of_day(start):
        return f"{check.end} = {end} is not after {check.start} = {start}"
    margin = pack.value(check.margin) if check.margin else 0
    if type(margin) is not int or margin < 0:
        return f"{check.margin} cannot be {margin!r}: it is no whole number of minutes"
    return ""


def _check_names(document: YamlDocument, pack: PackBody, place: tuple[int | str, ...]) -> None:
    """Every parameter and counter that a rule names must exist, or the rule could never pass."""
    for number, rule in enumerate(pack.rules):
        for check in leaves(rule.check):
            for key, name in parameters(check):
                if name not in pack.params:
                    known = ", ".join(pack.params) or "none"
                    loc = (*place, "rules", number, "check", key)
                    raise document.error(
                        f"unknown parameter {name!r} in rule {rule.id}", loc, f"Known: {known}."
                    )
            if isinstance(check, MaxCount) and check.counter not in pack.counters:
                known = ", ".join(pack.counters) or "none"
                loc = (*place, "rules", number, "check", "counter")
                raise document.error(
                    f"unknown counter {check.counter!r} in rule {rule.id}", loc, f"Known: {known}."
                )


def leaves(check: Check) -> list[_Leaf]:
    """The simple checks inside a check."""
    if isinstance(check, AnyOf | AllOf):
        return [leaf for part in check.checks for leaf in leaves(part)]
    return [check]


def fact_paths(rule: Rule) -> set[str]:
    """Every fact that a rule goes by, with its scope."""
    paths = set(rule.scope)
    for check in leaves(rule.check):
        for key in ("at", "unless", "unless_agreed", "since", "rate", "field"):
            paths.update(filter(None, [getattr(check, key, None)]))
        paths.update(getattr(check, "fields", ()))
        if isinstance(check, MaxCount):
            paths.add(f"counters.{check.counter}")
    return paths - {"none"}


PARAMETER_KEYS: Mapping[str, Mapping[str, int]] = {
    "time_window": {"start": -1, "end": +1, "margin": -1},
    "max_count": {"limit": +1},
    "cooldown": {"min": -1},
    "rate_max": {"limit": +1},
    "max_age": {"limit": +1},
    "min_value": {"limit": -1},
    "tokens": {"within": +1},
}
"""Which keys of a check kind name a parameter, and in which direction the parameter grows looser."""


def parameters(check: _Leaf) -> list[tuple[str, str]]:
    """(key of the check, name of the parameter) pairs."""
    named = ((key, getattr(check, key)) for key in PARAMETER_KEYS.get(check.kind, {}))
    return [(key, name) for key, name in named if name is not None]
