"""The engine around the pack's cases: fail closed, stacked packs, zones, tighter parameters, speed."""

from __future__ import annotations

import timeit
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.policy.gate import Gate
from voicebot.policy.overrides import with_overrides
from voicebot.policy.pack import PackBody, load_pack

FILE = Path(__file__).parents[2] / "configs/policies/cn-gbt45251-2025.yaml"
PACK = load_pack(FILE)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
MAX_DECISION_S = 100e-6
assert PACK.scenarios is not None
GOOD: dict[str, Any] = {**PACK.scenarios.base, "dial_at": NOON}


def gate(*packs: PackBody) -> Gate:
    return Gate(packs or (PACK,), ManualClock(NOON))


def test_each_fact_of_a_good_call_is_needed() -> None:
    """Leaving out any fact that a rule asks for refuses the call; nothing passes by being unknown."""
    assert gate().decide("pre_dial", GOOD).allowed
    for name in GOOD:
        if name in ("channel", "actor"):  # their rules stay in force without them, and their facts are good
            continue
        facts = {key: value for key, value in GOOD.items() if key != name}
        assert not gate().decide("pre_dial", facts).allowed, name


def test_nothing_known_refuses_by_nearly_every_rule() -> None:
    refused = {one.rule for one in gate().decide("pre_dial", {}).refusals}
    rules = {rule.id for rule in PACK.rules if rule.gate == "pre_dial"}
    assert rules - refused == {"CN-CP-01"}  # a hold is a fact that is absent when there is none


@pytest.mark.parametrize("value", ["3", None, True, float("nan"), [2]])
def test_a_counter_that_is_no_number_refuses(value: object) -> None:
    facts = {**GOOD, "counters": {**GOOD["counters"], "connected_debtor_day": value}}
    assert [one.reason for one in gate().decide("pre_dial", facts).refusals] == ["FREQ_CONNECTED"]


def test_hours_go_by_the_packs_zone_not_by_the_callers() -> None:
    late = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)  # 22:30 in Shanghai
    assert gate().decide("pre_dial", {**GOOD, "dial_at": late}).reason == "HOURS"
    assert gate().day_of(datetime(2026, 3, 2, 17, 0, tzinfo=UTC)) == datetime(2026, 3, 3).toordinal()


def test_stacked_packs_the_strictest_wins() -> None:
    india = PACK.body("in-rbi")
    evening = {
        **GOOD,
        "dial_at": datetime(2026, 3, 2, 22, 0, tzinfo=ZoneInfo("Asia/Shanghai")),
    }  # 19:30 in India
    facts = {
        **evening,
        "agreed_windows": [{"from": "2026-03-02T21:00", "to": "2026-03-02T23:00", "evidence_id": "r"}],
    }
    assert gate().decide("pre_dial", facts).allowed
    both = gate(PACK, india)
    assert [one.rule for one in both.decide("pre_dial", facts).refusals] == ["IN-TM-01"]
    assert both.label == "cn-gbt45251-2025@0.1.0+in-rbi@0"


def test_party_local_hours_need_the_partys_zone() -> None:
    american = gate(PACK.body("us-regf-tcpa"))
    facts = {
        "dial_at": datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
        "counters": {"calls_person_debt_7d": 0},
        "days_since_conversation": None,
        "actor": "human",
    }
    assert american.decide("pre_dial", facts).reason == "HOURS"
    assert american.decide("pre_dial", {**facts, "party_timezone": "America/New_York"}).allowed
    assert american.decide("pre_dial", {**facts, "party_timezone": "America/Los_Angeles"}).reason == "HOURS"
    assert american.decide("pre_dial", {**facts, "party_timezone": "Mars/Base"}).reason == "HOURS"


def test_counters_that_a_call_uses_up() -> None:
    limits = {one.counter: (one.limit, one.days) for one in gate().counted(GOOD)}
    assert limits == {"connected_debtor_day": (3, 1), "attempts_point_day": (6, 1)}
    contact = {one.counter: one.limit for one in gate().counted({**GOOD, "party": "contact"})}
    assert contact == {"attempts_point_day": 6, "connected_contact_day": 1}
    (american,) = gate(PACK.body("us-regf-tcpa")).counted({})
    assert (american.limit, american.days) == (7, 7)


def test_a_gate_that_could_refuse_nothing_is_not_built() -> None:
    with pytest.raises(ValueError, match="pre_dial"):
        gate(PACK.body("eu-ai-act-50"))
    with pytest.raises(ValueError, match="without a pack"):
        Gate((), ManualClock(NOON))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("freq.connected_debtor_day", 2),
        ("hours.end", "20:00"),
        ("hours.start", "09:00"),
        ("hours.end_margin_min", 0),
        ("slots.max_age_min", 60),
        ("retention.years", 2),
        ("freq.count_when", "effective"),
    ],
)
def test_a_parameter_may_go_as_far_as_its_bound(name: str, value: str | int) -> None:
    assert with_overrides(PACK, {name: value}).value(name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("freq.connected_debtor_day", 4),
        ("freq.connected_debtor_day", "2"),
        ("freq.connected_debtor_day", True),
        ("hours.end", "22:30"),
        ("hours.start", "07:00"),
        ("hours.end_margin_min", -1),
        ("slots.max_age_min", 61),
        ("retention.years", 1),
        ("freq.count_when", "never"),
        ("unreach.dials_in_row", 1),
        ("no.such", 1),
    ],
)
def test_a_parameter_past_its_bound_is_bad_input(name: str, value: str | int) -> None:
    with pytest.raises(InputError) as fault:
        with_overrides(PACK, {name: value})
    assert fault.value.key == name


def test_a_tighter_parameter_is_what_decides() -> None:
    tight = gate(with_overrides(PACK, {"freq.connected_debtor_day": 1}))
    facts = {**GOOD, "counters": {**GOOD["counters"], "connected_debtor_day": 1}}
    assert tight.decide("pre_dial", facts).reason == "FREQ_CONNECTED"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("limit: freq.connected_debtor_day", "limit: freq.nothing", "unknown parameter"),
        ("counter: connected_debtor_day,", "counter: nothing,", "unknown counter"),
        ("kind: falsy, fields: [stop_listed]", "kind: falsely, fields: [stop_listed]", "falsely"),
        ("strength: hard", "strenght: hard", "Did you mean 'strength'?"),
    ],
)
def test_a_wrong_pack_names_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = FILE.read_text()
    assert old in text
    path = tmp_path / "pack.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as fault:
        load_pack(path)
    assert words in str(fault.value)
    line = text.replace(old, new, 1)[: text.index(old)].count("\n") + 1
    assert fault.value.line == line


def test_what_is_kept_of_the_facts_holds_no_amount() -> None:
    kept = gate().decide("pre_dial", GOOD).facts
    assert kept["amount_due_fen"] == "positive"
    assert kept["dial_at"] == "2026-03-02T12:00:00+08:00"


def test_a_decision_takes_microseconds() -> None:
    one = gate()
    best = min(timeit.repeat(lambda: one.decide("pre_dial", GOOD), number=200, repeat=20)) / 200
    assert best < MAX_DECISION_S
