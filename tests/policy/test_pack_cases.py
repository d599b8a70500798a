"""The pack's own tests: every rule's cases, those of the overlays, and the whole decisions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from voicebot.clock import ManualClock
from voicebot.policy.gate import CompiledRule, Gate
from voicebot.policy.pack import PackBody, Rule, RuleCase, Scenario, load_pack

PACK = load_pack(Path(__file__).parents[2] / "configs/policies/cn-gbt45251-2025.yaml")
PACKS = (PACK, *PACK.overlays)
CLOCK = ManualClock(datetime(2026, 3, 2, 10, 15, tzinfo=ZoneInfo("Asia/Shanghai")))
assert PACK.scenarios is not None


def rule_cases() -> Iterator[Any]:
    for pack in PACKS:
        for rule in pack.rules:
            for number, case in enumerate(rule.tests):
                yield pytest.param(pack, rule, case, id=f"{rule.id}-{number}-{case.expect}")


@pytest.mark.parametrize(("pack", "rule", "case"), list(rule_cases()))
def test_rule(pack: PackBody, rule: Rule, case: RuleCase) -> None:
    assert CompiledRule(rule, pack).verdict(case.facts) == case.expect, case.note


@pytest.mark.parametrize("scenario", PACK.scenarios.cases, ids=lambda one: one.name)
def test_whole_decision(scenario: Scenario) -> None:
    assert PACK.scenarios is not None
    decision = Gate([PACK], CLOCK).decide("pre_dial", {**PACK.scenarios.base, **scenario.over})
    assert [refusal.reason for refusal in decision.refusals] == list(scenario.expect)
    assert decision.allowed is (not scenario.expect)


def test_all_137_cases_of_the_pack_are_run() -> None:
    assert PACK.scenarios is not None
    assert len(list(rule_cases())) + len(PACK.scenarios.cases) == 137


def test_every_rule_has_a_case_that_it_refuses() -> None:
    for pack in PACKS:
        for rule in pack.rules:
            assert rule.on_fail.reason in {case.expect for case in rule.tests}, rule.id
