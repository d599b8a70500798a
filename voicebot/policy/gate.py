"""The gate: given the facts, which rules forbid this?  Every refusal is found, not only the first.

Packs stack: each pack's rules are asked, and one refusal of one pack is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from voicebot.clock import Clock
from voicebot.policy.checks import Facts, Passes, compile_check, compile_scope, zone_named
from voicebot.policy.pack import (
    PARTY_LOCAL,
    Cooldown,
    GateName,
    MaxCount,
    PackBody,
    Rule,
    TimeWindow,
    fact_paths,
    leaves,
)

AMOUNT_FACTS = frozenset({"amount_due_fen"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """One rule that forbids it: its id, its reason code, and the words for a person."""

    rule: str
    reason: str
    zh: str
    outcome: str = "deny"
    passes_by: bool = False
    "True when time alone heals it: an hour, a cap, a cooldown."
    pack: str = ""
    "The pack that the rule is of, as id@version."
    heals: Literal["hours", "day", ""] = ""
    "What heals it: a later hour (perhaps of the same day), a new day, or nothing but a person."


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate said, with the facts it went by (no name, number or amount among them)."""

    gate: str
    allowed: bool
    refusals: tuple[Refusal, ...]
    pack: str
    facts: Mapping[str, Any]
    at: datetime

    @property
    def reason(self) -> str:
        """The first refusal's reason code, or an empty text."""
        return self.refusals[0].reason if self.refusals else ""


@dataclass(frozen=True, slots=True)
class CountedLimit:
    """A counter that a call uses up by one, and how far it may go in a calendar day or rolling days."""

    counter: str
    limit: int
    days: int
    unless: str | None
    timezone: str = PARTY_LOCAL
    "Whose midnight begins a day: an IANA name, or party_local."


class CompiledRule:
    """One rule, ready to be asked."""

    __slots__ = ("check", "concerns", "pack", "passes", "refusal", "rule")

    def __init__(self, rule: Rule, pack: PackBody) -> None:
        self.rule, self.pack = rule, pack
        self.concerns: Passes | None = compile_scope(rule.scope) if rule.scope else None
        self.passes: Passes = compile_check(rule.check, pack)
        fails, heals = rule.on_fail, _heals(rule)
        self.refusal = Refusal(rule.id, fails.reason, fails.zh, fails.outcome, heals != "", pack.label, heals)

    def is_about(self, facts: Facts) -> bool:
        """Whether the rule concerns these facts at all."""
        return self.concerns is None or self.concerns(facts)

    def verdict(self, facts: Facts) -> str:
        """allow, n/a, or the reason code: the words of the pack's own tests."""
        if not self.is_about(facts):
            return "n/a"
        return "allow" if self.passes(facts) else self.refusal.reason


class Gate:
    """All packs of a site, compiled once.  `institutions` are the packs as an institution tightened them."""

    def __init__(
        self,
        packs: Sequence[PackBody],
        clock: Clock,
        institutions: Mapping[str, Sequence[PackBody]] | None = None,
    ) -> None:
        if not packs:
            raise ValueError("a gate without a pack would allow everything")
        self.packs, self._clock = tuple(packs), clock
        self.label = "+".join(pack.label for pack in packs)
        self._rules: dict[str, list[CompiledRule]] = {}
        self._counted: dict[str, list[tuple[CompiledRule, CountedLimit]]] = {}
        self._hours: list[Passes] = []
        for pack in packs:
            for rule in pack.rules:
                compiled = CompiledRule(rule, pack)
                self._rules.setdefault(rule.gate, []).append(compiled)
                self._note_limits(rule, compiled, pack)
        if "pre_dial" not in self._rules:
            raise ValueError(f"no pack of {self.label} has a rule for pre_dial: every call would be allowed")
        asked = (rule for rules in self._rules.values() for rule in rules)
        self._reads = frozenset(path for one in asked for path in fact_paths(one.rule))
        self._of = {name: Gate(own, clock) for name, own in (institutions or {}).items()}

    def of(self, institution: str) -> Gate:
        """The gate with an institution's own parameters; this one when it has none."""
        return self._of.get(institution, self)

    def _note_limits(self, rule: Rule, compiled: CompiledRule, pack: PackBody) -> None:
        for check in leaves(rule.check):
            if isinstance(check, MaxCount):
                self._counted.setdefault(rule.gate, []).append((compiled, _counted(pack, check)))
            if isinstance(check, TimeWindow) and rule.gate == "pre_dial":
                self._hours.append(compile_check(check, pack))

    def refusals(self, gate: GateName, facts: Facts) -> tuple[Refusal, ...]:
        """Asks every rule of one gate; those that forbid it.  No I/O."""
        return tuple(
            [
                one.refusal
                for one in self._rules.get(gate, ())
                if (one.concerns is None or one.concerns(facts)) and not one.passes(facts)
            ]
        )

    def decide(self, gate: GateName, facts: Facts) -> Decision:
        """The same as a decision, with its facts as they may be kept."""
        refusals = self.refusals(gate, facts)
        return Decision(gate, not refusals, refusals, self.label, recorded(facts), self._clock.now())

    def asked(self, gate: GateName) -> Sequence[CompiledRule]:
        """Every rule of a gate, pack by pack."""
        return tuple(self._rules.get(gate, ()))

    def explain(self, gate: GateName, facts: Facts) -> list[tuple[Rule, str]]:
        """Every rule of a gate with its verdict, for a person who asks why."""
        return [(one.rule, one.verdict(facts)) for one in self._rules.get(gate, ())]

    def counted(self, facts: Facts, gate: GateName = "pre_dial") -> list[CountedLimit]:
        """The counters that a call (or a message) with these facts takes a slot of; the strictest pack's
        limit for each."""
        found: dict[str, CountedLimit] = {}
        for compiled, limit in self._counted.get(gate, ()):
            if compiled.is_about(facts):
                old = found.get(limit.counter)
                found[limit.counter] = min(old, limit, key=lambda one: one.limit) if old else limit
        return list(found.values())

    def reads(self, fact: str) -> bool:
        """Whether any rule goes by this fact: what nobody asks for need not be looked up."""
        return fact in self._reads

    def parameter(self, name: str) -> Any:
        """A parameter's value in the first pack that has it; KeyError when none does."""
        for pack in self.packs:
            if name in pack.params:
                return pack.params[name].value
        raise KeyError(name)

    def hours_allow(self, at: datetime) -> bool:
        """Whether every pack's calling hours allow a call at `at` (without agreements)."""
        facts = {"dial_at": at, "party_timezone": str(at.tzinfo) if isinstance(at.tzinfo, ZoneInfo) else None}
        return all(passes(facts) for passes in self._hours)

    def day_of(self, at: datetime, party_timezone: str | None = None) -> int:
        """The calendar day (ordinal) on which a call at `at` counts: the first pack's zone.

        ValueError when that is the zone of the person called and nobody knows it: the host's is none.
        """
        zone = self.packs[0].pack.timezone
        found = zone_named(party_timezone if zone == PARTY_LOCAL else zone)
        if found is None:
            raise ValueError(f"{self.label} counts days in the zone of the person called, which is unknown")
        return at.astimezone(found).toordinal()


def _heals(rule: Rule) -> Literal["hours", "day", ""]:
    checks = leaves(rule.check)
    if all(isinstance(one, TimeWindow) for one in checks):
        return "hours"
    return "day" if all(isinstance(one, TimeWindow | MaxCount | Cooldown) for one in checks) else ""


def _counted(pack: PackBody, check: MaxCount) -> CountedLimit:
    limit = pack.value(check.limit)
    assert isinstance(limit, int)
    days = pack.counters[check.counter].days
    return CountedLimit(check.counter, limit, days, check.unless, pack.pack.timezone)


def recorded(facts: Facts) -> dict[str, Any]:
    """The facts as they may be kept: times as text, and of amounts only whether something is owed."""
    kept: dict[str, Any] = {}
    for name, value in facts.items():
        if name in AMOUNT_FACTS:
            kept[name] = "positive" if isinstance(value, int | float) and value > 0 else "none"
        elif isinstance(value, datetime):
            kept[name] = value.isoformat(timespec="seconds")
        else:
            kept[name] = value
    return kept
