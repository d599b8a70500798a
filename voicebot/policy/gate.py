"""The gate: given the facts, which rules forbid this?  Every refusal is found, not only the first.

Packs stack: each pack's rules are asked, and one refusal of one pack is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from voicebot.clock import Clock
from voicebot.policy.checks import PARTY_LOCAL, Facts, Passes, compile_check, compile_scope
from voicebot.policy.pack import Cooldown, GateName, MaxCount, PackBody, Rule, TimeWindow, leaves

AMOUNT_FACTS = frozenset({"amount_due_fen"})


@dataclass(frozen=True)
class Refusal:
    """One rule that forbids it: its id, its reason code, and the words for a person."""

    rule: str
    reason: str
    zh: str
    outcome: str = "deny"
    passes_by: bool = False
    "True when time alone heals it: an hour, a cap, a cooldown."


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class CountedLimit:
    """A counter that a call uses up by one, and how far it may go in a calendar day or rolling days."""

    counter: str
    limit: int
    days: int
    unless: str | None


class CompiledRule:
    """One rule, ready to be asked."""

    __slots__ = ("concerns", "passes", "refusal", "rule")

    def __init__(self, rule: Rule, pack: PackBody) -> None:
        self.rule = rule
        self.concerns: Passes = compile_scope(rule.scope)
        self.passes: Passes = compile_check(rule.check, pack)
        passes_by = all(isinstance(leaf, TimeWindow | MaxCount | Cooldown) for leaf in leaves(rule.check))
        self.refusal = Refusal(rule.id, rule.on_fail.reason, rule.on_fail.zh, rule.on_fail.outcome, passes_by)

    def verdict(self, facts: Facts) -> str:
        """allow, n/a, or the reason code: the words of the pack's own tests."""
        if not self.concerns(facts):
            return "n/a"
        return "allow" if self.passes(facts) else self.refusal.reason


class Gate:
    """All packs of a site, compiled."""

    def __init__(self, packs: Sequence[PackBody], clock: Clock) -> None:
        if not packs:
            raise ValueError("a gate without a pack would allow everything")
        self.packs, self._clock = tuple(packs), clock
        self.label = "+".join(pack.label for pack in packs)
        self._rules: dict[str, list[CompiledRule]] = {}
        self._counted: list[tuple[Passes, CountedLimit]] = []
        self._hours: list[Passes] = []
        for pack in packs:
            for rule in pack.rules:
                compiled = CompiledRule(rule, pack)
                self._rules.setdefault(rule.gate, []).append(compiled)
                if rule.gate == "pre_dial":
                    self._note_limits(rule, compiled, pack)
        if "pre_dial" not in self._rules:
            raise ValueError(f"no pack of {self.label} has a rule for pre_dial: every call would be allowed")

    def _note_limits(self, rule: Rule, compiled: CompiledRule, pack: PackBody) -> None:
        for check in leaves(rule.check):
            if isinstance(check, MaxCount):
                self._counted.append((compiled.concerns, _counted(pack, check)))
            if isinstance(check, TimeWindow):
                self._hours.append(compile_check(check, pack))

    def decide(self, gate: GateName, facts: Facts) -> Decision:
        """Asks every rule of one gate.  No I/O."""
        rules = self._rules.get(gate, ())
        refusals = tuple(one.refusal for one in rules if one.concerns(facts) and not one.passes(facts))
        return Decision(gate, not refusals, refusals, self.label, recorded(facts), self._clock.now())

    def explain(self, gate: GateName, facts: Facts) -> list[tuple[Rule, str]]:
        """Every rule of a gate with its verdict, for a person who asks why."""
        return [(one.rule, one.verdict(facts)) for one in self._rules.get(gate, ())]

    def counted(self, facts: Facts) -> list[CountedLimit]:
        """The counters that a call with these facts takes a slot of; the strictest pack's limit for each."""
        found: dict[str, CountedLimit] = {}
        for concerns, limit in self._counted:
            if concerns(facts):
                old = found.get(limit.counter)
                found[limit.counter] = min(old, limit, key=lambda one: one.limit) if old else limit
        return list(found.values())

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

    def day_of(self, at: datetime) -> int:
        """The calendar day (ordinal) on which a call at `at` counts: the first pack's zone."""
        zone = self.packs[0].pack.timezone
        local = at if zone == PARTY_LOCAL else at.astimezone(ZoneInfo(zone))
        return local.toordinal()


def _counted(pack: PackBody, check: MaxCount) -> CountedLimit:
    limit = pack.value(check.limit)
    assert isinstance(limit, int)
    window = pack.counters[check.counter].window
    days = int(window.removeprefix("rolling_").removesuffix("d")) if window.startswith("rolling_") else 1
    return CountedLimit(check.counter, limit, days, check.unless)


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
