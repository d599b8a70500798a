"""A policy pack: rules as data, with parameters that a site may tighten but not loosen past their bound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicebot.errors import InputError
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


class MaxAge(_Part):
    kind: Literal["max_age"]
    field: str
    limit: str | None = None
    literal: float | None = None


class MinValue(_Part):
    kind: Literal["min_value"]
    field: str
    limit: str | None = None
    literal: float | None = None


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
    window: str
    spans: tuple[str, ...] = ()


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

    @property
    def label(self) -> str:
        """What decisions and call records carry: id@version."""
        return f"{self.pack.id}@{self.pack.version}"

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
    """Reads and checks a pack file; InputError names file, line and key."""
    document = YamlDocument.read(path)
    pack = document.parse(PackFile)
    for body, place in ((pack, ()), *((one, ("overlays", n)) for n, one in enumerate(pack.overlays))):
        _check_names(document, body, place)
    return pack


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
