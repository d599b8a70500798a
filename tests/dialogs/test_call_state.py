"""One call's counters, values and levels, without Rasa: the rules are looked up in the track itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from dialogs.compile import compile_track, step_data
from dialogs.rasa.call_state import CallState
from dialogs.rules import rules
from dialogs.track import Track

TODAY = date(2025, 11, 24)  # a Monday


class Script:
    """Takes intents where the service takes speech."""

    def __init__(self, track: Track, plan: Mapping[str, Any], **given: str) -> None:
        self.rules = list(rules(track))
        self.state = CallState(plan, {flag: True for flag in given.pop("flags", "").split()}, TODAY, given)
        self.hear("event.start")

    def hear(self, intent: str, **values: str) -> dict[str, Any]:
        stage = self.state.stage
        intent, said = self.state.take(intent, values)
        facts = self.state.facts(intent, said)
        for rule in self.rules:
            if (rule.stage, rule.intent) == (stage, intent) and all(
                facts[name] == (value if isinstance(value, bool) else str(value))
                for name, value in rule.facts
            ):
                return self.state.apply(step_data(rule))
        raise AssertionError(f"no rule for {intent} in {stage}")

    def lines(self, intent: str, **values: str) -> list[str]:
        return [line["id"] for line in self.hear(intent, **values)["lines"]]


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.load(Path("dialogs/talktracks/reminder.yaml"))


@pytest.fixture(scope="module")
def plan(track: Track, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    out = tmp_path_factory.mktemp("project")
    compile_track(track, track.bank, out)
    domain = yaml.safe_load((out / "domain.yml").read_text(encoding="utf-8"))
    found: Mapping[str, Any] = domain["responses"]["utter_plan"][0]["custom"]
    return found


def verified(track: Track, plan: Mapping[str, Any], **given: str) -> Script:
    call = Script(track, plan, **given)
    call.hear("C.yes_self")
    call.hear("event.verified")
    return call


def test_levels_rise_by_the_two_gates_and_fall_with_somebody_else(track, plan):
    call = Script(track, plan)
    assert (call.state.level, call.state.listener) == (0, "unknown")
    call.hear("C.yes_self")
    assert (call.state.level, call.state.listener) == (1, "debtor")
    call.hear("event.verified")
    assert (call.state.level, call.state.listener) == (2, "debtor")
    assert call.lines("C.other_answers") == ["D.relay"]
    assert (call.state.level, call.state.listener) == (0, "contact")


def test_a_greeting_or_a_bare_um_is_no_confirmation(track, plan):
    call = Script(track, plan)
    for intent in ("C.greet", "C.ack", "C.greet", "C.ack"):
        call.hear(intent)
        assert (call.state.stage, call.state.level) == ("opening", 0)


def test_two_silences_in_a_row_end_the_call_two_with_speech_between_do_not(track, plan):
    call = Script(track, plan)
    assert call.lines("event.silence") == ["C.silence1"]
    call.hear("C.greet")
    assert call.lines("event.silence") == ["C.silence1"]
    assert call.hear("event.silence")["command"]["disposition"] == "SILENT"


def test_a_promise_is_asked_for_twice_at_most(track, plan):
    call = verified(track, plan)  # A.post asks first
    assert call.lines("C.no") == ["A.when"]
    assert call.state.asks == 2
    reply = call.hear("A.vague")
    assert [line["id"] for line in reply["lines"]] == ["C.bye"]
    assert reply["command"]["action"] == "hangup"


def test_a_day_alone_is_a_promise_and_is_read_back(track, plan):
    call = verified(track, plan)
    reply = call.hear("event.not_understood", date="2025-12-01")
    assert reply["lines"] == [{"id": "A.ptp", "slots": {"promise_date": "2025-12-01"}}]
    reply = call.hear("C.no", date="2025-11-28")
    assert reply["lines"] == [{"id": "A.ptp", "slots": {"promise_date": "2025-11-28"}}]
    reply = call.hear("C.yes", date="2025-11-28")
    assert reply["command"] == {
        "action": "hangup",
        "disposition": "PTP",
        "slots": {"promise_date": "2025-11-28"},
    }


def test_yes_to_today_promises_today(track, plan):
    call = verified(track, plan)
    assert call.hear("C.yes")["lines"] == [{"id": "A.ptp", "slots": {"promise_date": "2025-11-24"}}]


def test_a_far_day_is_asked_about_once_then_taken(track, plan):
    call = verified(track, plan)
    assert call.lines("A.will_date", date="2026-01-05") == ["A.ptp_far"]
    reply = call.hear("A.will_date", date="2026-01-05")
    assert reply["lines"] == [{"id": "A.ptp", "slots": {"promise_date": "2026-01-05"}}]


@pytest.mark.parametrize("day", ["2025-11-23", "2026-02-22"])
def test_a_day_outside_the_closed_set_is_not_taken(track, plan, day):
    call = verified(track, plan)
    assert call.lines("A.will_date", date=day) == ["A.when"]
    assert "promise_date" not in call.state.slots


@pytest.mark.parametrize(
    "values, day, time",
    [
        ({}, "今天", "16:30"),
        ({"time": "15:00"}, "今天", "15:00"),
        ({"time": "15:07"}, "今天", "15:00"),
        ({"time": "09:00"}, "明天", "09:00"),  # past already: it is half past two
        ({"date": "2025-11-25", "time": "20:00"}, "明天", "20:00"),
        ({"date": "2025-11-25"}, "明天", "16:30"),
    ],
)
def test_when_to_call_back(track, plan, values, day, time):
    call = Script(track, plan, callback_day="今天", callback_time="16:30", call_time="14:30")
    reply = call.hear("C.busy_later", **values)
    assert reply["lines"] == [{"id": "C.busy", "slots": {"callback_day": day, "callback_time": time}}]
    reply = call.hear("C.yes")
    assert reply["command"]["slots"] == {"callback_day": day, "callback_time": time}


def test_nobody_is_called_at_night_and_the_callee_is_told(track, plan):
    call = Script(track, plan, callback_day="今天", callback_time="16:30", call_time="14:30")
    reply = call.hear("C.busy_later", time="23:30")
    assert [line["id"] for line in reply["lines"]] == ["C.hours", "C.busy"]
    assert reply["lines"][1]["slots"] == {"callback_day": "今天", "callback_time": "16:30"}


def test_another_time_is_read_back_before_it_is_agreed(track, plan):
    call = Script(track, plan, callback_time="16:30", call_time="14:30")
    call.hear("C.busy_later")
    assert call.lines("C.no", time="18:00") == ["C.busy"]
    reply = call.hear("C.ack")
    assert reply["command"]["slots"]["callback_time"] == "18:00"


def test_what_was_asked_for_survives_a_failed_handoff(track, plan):
    call = verified(track, plan)
    assert call.hear("C.dispute")["command"]["hold"] == "open_dispute"
    assert call.lines("event.handoff_failed") == ["C.human_none"]
    assert call.hear("C.yes")["command"]["disposition"] == "DISPUTE"
    call = verified(track, plan)
    call.hear("C.ask_human")
    call.hear("event.handoff_failed")
    assert call.hear("C.yes")["command"]["disposition"] == "CALLBACK"


def test_a_crisis_is_never_hung_up(track, plan):
    call = Script(track, plan)
    first = call.hear("C.self_harm")
    assert first["command"]["priority"] is True
    for intent in (
        "event.handoff_failed",
        "event.silence",
        "C.stop_calling",
        "C.goodbye",
        "event.not_understood",
    ):
        command = call.hear(intent)["command"]
        assert (command["action"], command["disposition"]) == ("handoff", "VULNERABLE")


def test_before_the_due_date_nothing_is_asked_for(track, plan):
    call = Script(track, plan, flags="before_due")
    call.hear("C.yes_self")
    assert call.lines("event.verified") == ["A.pre", "A.pre2"]
    assert call.hear("C.yes")["command"]["action"] == "hangup"
    assert call.state.asks == 0


def test_a_run_value_outside_its_closed_set_is_not_spoken(track, plan):
    call = Script(track, plan, agent_eta="马上就好", callback_time="03:00")
    assert call.hear("C.ask_human")["lines"][0]["slots"] == {"agent_eta": "一分钟以内"}


def test_persuading_is_told_with_each_turn_and_time_up_closes_politely(track, plan):
    call = verified(track, plan)
    assert call.hear("C.no")["persuading"] is True
    reply = call.hear("event.time_up")
    assert [line["id"] for line in reply["lines"]] == ["C.bye"]
    assert reply["command"]["disposition"] == "INFORMED" and reply["persuading"] is False


def test_who_did_not_hear_is_told_the_same_again_not_the_stage_s_question(track, plan):
    call = verified(track, plan)
    call.hear("A.ask_amount")
    assert call.lines("C.not_hear") == ["C.repeat", "A.detail", "A.when"]
    assert call.lines("event.silence") == ["C.silence1"]  # carries nothing: not what is said again
    assert call.lines("C.not_hear") == ["C.repeat", "A.detail", "A.when"]
    assert call.state.asks == 2  # said again, not asked again


def test_a_question_put_often_enough_is_left_out(track, plan):
    call = verified(track, plan)
    assert call.lines("event.not_understood") == ["C.sorry", "A.post"]
    assert call.lines("C.is_robot") == ["C.robot"]
    assert call.lines("C.greet") == ["C.go_on"]
    assert call.state.asks == 2


def test_a_contact_is_asked_to_pass_it_on_twice_at_most(track, plan):
    call = Script(track, plan)
    assert call.lines("C.other_answers") == ["D.relay"]
    assert call.lines("C.greet") == ["C.go_on", "D.relay"]
    assert call.lines("C.greet") == ["C.go_on"]
    assert call.lines("C.who_are_you") == ["D.who"]
