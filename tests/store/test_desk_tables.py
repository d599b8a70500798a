"""The desk's register and call log on both engines."""

from __future__ import annotations

from handoff.card import Card
from handoff.desk.call_log import CallLog
from handoff.staff import Staff
from voicebot.clock import ManualClock
from voicebot.store.database import Store

CARD = Card(
    attempt_id="a1",
    campaign="demo",
    case_id="DEMO-001",
    phone_masked="138****0001",
    name_masked="陈**",
    to_contact=False,
    queue="general",
    reason="客户要求人工服务",
    priority=False,
    level=2,
    disposition="HUMAN",
)


def test_a_member_keeps_what_each_command_said(store: Store, clock: ManualClock) -> None:
    staff = Staff(store, clock)
    staff.set_enabled("li", "agent", False, "zhao")
    staff.put(
        "li", "agent", {"name": "李思远", "certificates": {"business_exam": "2026-02-02"}}, "zhao", "added"
    )
    staff.set_password("li", "agent", "hash", "zhao", must_change=True)
    assert [staff.count_try("li", 1000) for _ in range(3)] == [1, 2, 3]
    li = staff.find("li")
    assert li is not None
    assert (li.enabled, li.profile["name"], li.must_change, li.failures) == (False, "李思远", True, 3)
    assert [one.id for one in staff.all()] == ["li"]
    standing = staff.standing()["li"]
    assert (standing.role, standing.enabled, standing.must_change) == ("agent", False, True)
    staff.lock("li", 1000, 2000, 3)
    assert (staff.count_try("li", 1500), staff.count_try("nobody", 1500)) == (None, None)
    assert [staff.count_try("li", 2000), staff.count_try("li", 2000)] == [1, 2], "the lock has run out"
    staff.was_right("li")
    assert staff.count_try("li", 2000) == 1


def test_a_call_from_its_offer_to_its_form(store: Store, clock: ManualClock) -> None:
    calls = CallLog(store, clock)
    first, second = calls.offered("li", "c1", CARD), calls.offered("wang", "c1", CARD)
    assert first != second
    calls.bridged(first)
    clock.advance(60)
    calls.ended(first, "talked")
    assert [call.id for call in calls.not_wrapped_up()] == [first]
    calls.wrapped_up(first, "li", "COMPLAINT", {"note": "很生气"}, effects_due=True)
    assert calls.not_wrapped_up() == []
    (due,) = calls.with_effects_due("c1")
    assert (due.disposition, due.form["note"], due.ended_ms - due.bridged_ms) == (
        "COMPLAINT",
        "很生气",
        60_000,
    )
    calls.effects_written(first)
    assert calls.with_effects_due("c1") == []
    clock.advance(24 * 3600)
    assert calls.today("li") == []
