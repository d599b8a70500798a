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
        ("hours.end_margin_min", 2.5),
        ("hours.end", "2259"),  # as a text it stands before "22:00"
        ("hours.end", "22:00:30"),
        ("hours.end", "9:00"),
        ("hours.end", "07:00"),  # earlier than 22:00, and before the window even begins
        ("hours.end", "08:00"),
        ("hours.start", "22:00"),
        ("hours.start", "24:00"),
        ("freq.connected_debtor_day", 2.0),
        ("freq.connected_debtor_day", float("nan")),
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


def test_both_ends_of_the_window_may_move_as_long_as_one_is_left() -> None:
    narrow = with_overrides(PACK, {"hours.start": "10:00", "hours.end": "10:01"})
    assert (narrow.value("hours.start"), narrow.value("hours.end")) == ("10:00", "10:01")
    with pytest.raises(InputError, match="not after"):
        with_overrides(PACK, {"hours.start": "20:00", "hours.end": "10:00"})


def test_an_institution_may_be_stricter_than_its_site_never_looser() -> None:
    site = with_overrides(PACK, {"freq.connected_debtor_day": 2, "hours.end": "21:00"})
    strict = with_overrides(site, {"freq.connected_debtor_day": 1})
    for name, value in (("freq.connected_debtor_day", 3), ("hours.end", "21:30")):
        with pytest.raises(InputError, match="looser"):
            with_overrides(site, {name: value})
    both = Gate([site], ManualClock(NOON), {"甲": [strict]})
    facts = {**GOOD, "counters": {**GOOD["counters"], "connected_debtor_day": 1}}
    assert both.decide("pre_dial", facts).allowed
    assert both.of("乙") is both
    assert both.of("甲").decide("pre_dial", facts).reason == "FREQ_CONNECTED"
    assert [one.limit for one in both.of("甲").counted(facts)] == [1, 6]


def test_a_decision_says_by_which_parameters_it_was_made() -> None:
    tight = with_overrides(PACK, {"freq.connected_debtor_day": 2, "slots.max_age_min": 15})
    decision = gate(tight).decide("pre_dial", {})
    assert decision.pack == "cn-gbt45251-2025@0.1.0(freq.connected_debtor_day=2)"
    assert {one.pack for one in decision.refusals} == {decision.pack}
    assert gate().decide("pre_dial", GOOD).pack == "cn-gbt45251-2025@0.1.0"


@pytest.mark.parametrize(
    ("facts", "heals"),
    [
        ({"dial_at": NOON.replace(hour=23)}, "hours"),
        ({"counters": {}}, "day"),
        ({"stop_listed": "LAWYER"}, ""),
        ({"amount_due_fen": 0}, ""),
    ],
)
def test_a_refusal_says_what_heals_it(facts: dict[str, Any], heals: str) -> None:
    refusals = gate().decide("pre_dial", {**GOOD, **facts}).refusals
    assert {one.heals for one in refusals} == {heals}
    assert {one.passes_by for one in refusals} == {heals != ""}


def test_what_the_rules_go_by_is_known() -> None:
    assert gate().reads("stop_listed") and gate().reads("counters.connected_debtor_day")
    assert gate().reads("agreed_windows") and not gate().reads("days_since_conversation")
    assert gate(PACK, PACK.body("us-regf-tcpa")).reads("days_since_conversation")


def test_texts_are_counted_at_their_own_gate() -> None:
    facts = {"channel": "sms", "counters": {"sms_debtor_day": 3}}
    assert gate().decide("pre_send", facts).reason == "FREQ_SMS"
    assert gate().decide("pre_send", {**facts, "counters": {"sms_debtor_day": 2}}).allowed
    assert not gate().decide("pre_send", {}).allowed
    assert [(one.counter, one.limit) for one in gate().counted(facts, "pre_send")] == [("sms_debtor_day", 3)]


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
        ("timezone: Asia/Shanghai", "timezone: Asia/Shangahi", "no time zone 'Asia/Shangahi'"),
        ("window: calendar_day, spans", "window: calender_day, spans", "pattern"),
        ("limit: slots.max_age_min}", "limit: slots.max_age_min, literal: 3}", "either limit"),
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
