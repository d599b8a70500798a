"""What would happen to one person at a time, and why: every rule with its facts in words, and what heals it.

The facts are those of the run.  For a time to come, the balance counts as fresh as it is now: the run reads
it again before it dials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voicebot.campaign.calling_hours import CallingHours
from voicebot.campaign.campaign_file import Campaign
from voicebot.clock import ManualClock
from voicebot.policy.gate import Decision, Gate, Refusal
from voicebot.policy.words import in_words, scope_in_words

TRIES = 20
"""Openings that are looked at for the next possible call."""
CAMPAIGN_WINDOW = Refusal("campaign", "CAMPAIGN_WINDOW", "不在外呼任务的时段内", heals="hours")
FactsAt = Callable[[datetime], dict[str, Any]]


@dataclass(frozen=True)
class Person:
    """Somebody who may be called, as a list or the store has him.  `facts_at` reads the registers."""

    campaign: Campaign
    source: str
    "Where he was found: the campaign's file or its id in the store."
    case_id: str
    party: str
    phone_masked: str
    facts_at: FactsAt


@dataclass(frozen=True)
class Asked:
    """One rule: its verdict is allow, n/a or the reason of the refusal."""

    rule: str
    pack: str
    title: str
    zh: str
    law: str
    verdict: str
    facts: str


@dataclass(frozen=True)
class CounterUse:
    """A counter that the call would take a slot of."""

    counter: str
    used: int | None
    limit: int
    days: int


@dataclass(frozen=True)
class Explanation:
    """The whole answer about one person."""

    person: Person
    at: datetime
    decision: Decision
    asked: tuple[Asked, ...]
    counters: tuple[CounterUse, ...]
    next_call: datetime | None
    "The first opening at which nothing stands against it; None when there is none in sight."
    waits_for: tuple[Refusal, ...]
    "Refusals that no time heals: a person must do something."


def explain(person: Person, gate: Gate, at: datetime) -> Explanation:
    """Asks every rule about a call to this person at `at` (aware)."""
    own = gate.of(person.campaign.institution)
    hours = CallingHours(person.campaign, own)
    facts = person.facts_at(at)
    decision = _decide(own, hours, facts, at)
    asked = tuple(
        Asked(
            one.rule.id,
            one.pack.label,
            one.rule.title,
            one.rule.on_fail.zh,
            f"{one.rule.doc} {one.rule.clause}".strip(),
            verdict := one.verdict(facts),
            f"only for {scope_in_words(one.rule)}"
            if verdict == "n/a"
            else in_words(one.rule.check, one.pack, facts),
        )
        for one in own.asked("pre_dial")
    )
    used: Mapping[str, int] = facts.get("counters", {})
    counters = tuple(
        CounterUse(one.counter, used.get(one.counter), one.limit, one.days) for one in own.counted(facts)
    )
    return Explanation(
        person,
        at,
        decision,
        asked,
        counters,
        next_call(person, own, hours, at),
        tuple(one for one in decision.refusals if not one.heals),
    )


def next_call(person: Person, gate: Gate, hours: CallingHours, after: datetime) -> datetime | None:
    """The first opening from `after` on at which the call would be allowed, day by day."""
    at, agreed = hours.next_open(after), _next_agreed(person, gate, hours, after)
    for _ in range(TRIES):
        if at is None or (agreed is not None and agreed < at):
            return agreed
        if _decide(gate, hours, person.facts_at(at), at).allowed:
            return at
        at = hours.next_day(at)
    return None


def _next_agreed(person: Person, gate: Gate, hours: CallingHours, after: datetime) -> datetime | None:
    """The first instant of agreed hours around `after` at which the call would be allowed."""
    found = []
    for window in person.facts_at(after).get("agreed_windows", ()):
        start, end = (datetime.fromisoformat(window[edge]) for edge in ("from", "to"))
        at = hours.next_within_windows(max(start.astimezone(after.tzinfo), after))
        if at is not None and at < end and _decide(gate, hours, person.facts_at(at), at).allowed:
            found.append(at)
    return min(found, default=None)


def _decide(gate: Gate, hours: CallingHours, facts: dict[str, Any], at: datetime) -> Decision:
    """The gate's word, and the campaign's own windows, which the run asks beside it."""
    said = gate.decide("pre_dial", facts)
    refusals = said.refusals if hours.within_windows(at) else (*said.refusals, CAMPAIGN_WINDOW)
    return Decision(said.gate, not refusals, refusals, said.pack, said.facts, ManualClock(at).now())
