"""A pack's own cases, as its file gives them: each rule's, those of its overlays, and the whole decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from voicebot.clock import ManualClock
from voicebot.policy.gate import CompiledRule, Gate
from voicebot.policy.pack import PackFile


@dataclass(frozen=True)
class CaseResult:
    """One case: what was expected and what the engine said."""

    name: str
    expected: str
    got: str

    @property
    def passed(self) -> bool:
        return self.expected == self.got


def run_cases(pack: PackFile) -> list[CaseResult]:
    """Runs all of them."""
    results = [
        CaseResult(f"{rule.id} case {number}", case.expect, CompiledRule(rule, body).verdict(case.facts))
        for body in (pack, *pack.overlays)
        for rule in body.rules
        for number, case in enumerate(rule.tests, 1)
    ]
    if pack.scenarios is not None:
        gate = Gate([pack], ManualClock(datetime(2000, 1, 1, tzinfo=UTC)))
        for scenario in pack.scenarios.cases:
            decision = gate.decide("pre_dial", {**pack.scenarios.base, **scenario.over})
            got = ", ".join(refusal.reason for refusal in decision.refusals)
            results.append(CaseResult(scenario.name, ", ".join(scenario.expect), got))
    return results
