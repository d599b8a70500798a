"""What a person reads who asks why: the facts of each kind of check."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from voicebot.policy.gate import CompiledRule
from voicebot.policy.pack import PackBody, load_pack
from voicebot.policy.words import UNKNOWN, in_words, scope_in_words

PACK = load_pack(Path(__file__).parents[2] / "configs/policies/cn-gbt45251-2025.yaml")
RULES = {rule.id: (rule, pack) for pack in (PACK, *PACK.overlays) for rule in pack.rules}
NIGHT = datetime(2026, 3, 2, 22, 10, tzinfo=ZoneInfo("Asia/Shanghai"))


def said(rule_id: str, **facts: Any) -> str:
    rule, pack = RULES[rule_id]
    return in_words(rule.check, pack, facts)


@pytest.mark.parametrize(
    ("rule", "facts", "words"),
    [
        ("CN-TM-01", {"dial_at": NIGHT}, ["2026-03-02 22:10 (Asia/Shanghai)", "08:00 to 21:55", "nothing"]),
        (
            "CN-TM-01",
            {"dial_at": NIGHT, "agreed_windows": [{"from": "2026-03-02T22:00", "to": "2026-03-02T23:00"}]},
            ["no evidence"],
        ),
        ("CN-TM-01", {}, ["an unknown time"]),
        ("US-TM-01", {"dial_at": NIGHT}, ["unknown zone"]),
        ("US-TM-01", {"dial_at": NIGHT, "party_timezone": "America/New_York"}, ["2026-03-02 09:10"]),
        ("CN-FQ-01", {"counters": {"connected_debtor_day": 3}}, ["connected_debtor_day 3 of 3"]),
        ("CN-FQ-01", {}, [f"connected_debtor_day {UNKNOWN} of 3"]),
        ("CN-FQ-01", {"agreed_extra_call_evidence": "rec-90"}, ["rec-90"]),
        ("CN-CT-01", {"party": "unknown"}, ["party unknown", "debtor, guarantor"]),
        ("CN-CT-05", {"stop_listed": "LAWYER"}, ["stop_listed LAWYER"]),
        ("CN-TL-01", {"tool": {"approved": False}}, ["tool.approved no", f"tool.genuine_cli {UNKNOWN}"]),
        ("CN-CP-01", {"open_complaint": True}, ["open_complaint yes", "legal_hold none"]),
        ("CN-DB-01", {"ledger_age_min": 40, "amount_due_fen": 52040}, ["ledger_age_min 40, at most 15"]),
        ("US-FQ-02", {"days_since_conversation": None}, ["days_since_conversation never", "at least 7"]),
        ("CN-CT-03", {"contact_call_approved": True}, ["contact_call_approved yes", " or "]),
    ],
)
def test_the_facts_stand_in_the_words(rule: str, facts: dict[str, Any], words: list[str]) -> None:
    text = said(rule, **facts)
    assert all(word in text for word in words), text


def test_no_amount_is_shown() -> None:
    text = said("CN-DB-01", ledger_age_min=3, amount_due_fen=52040)
    assert "something" in text and "520" not in text
    assert "nothing" in said("CN-DB-01", ledger_age_min=3, amount_due_fen=0)


def every_rule() -> list[Any]:
    return [pytest.param(rule, pack, id=rule.id) for rule, pack in RULES.values()]


@pytest.mark.parametrize(("rule", "pack"), every_rule())
def test_every_rule_can_be_told_on_all_of_its_own_cases(rule: Any, pack: PackBody) -> None:
    compiled = CompiledRule(rule, pack)
    for case in rule.tests:
        assert in_words(rule.check, pack, case.facts)
        assert (compiled.verdict(case.facts) != "n/a") or scope_in_words(rule)
