"""约定: agreed hours and calls count only with evidence, while they hold, on the named zone's clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.store.stores import SHANGHAI
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.store.bulk import Bulk
from voicebot.store.database import Store
from voicebot.store.registers import Agreements, CaseMarks, without_used_up
from voicebot.store.stop_list import debtor_index

INSTITUTION = "海城消费金融"
DEBTOR = "debtor-000123"
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Shanghai"])
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's own zone, which must not matter."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def add(agreements: Agreements, start: str, end: str, **more: Any) -> int:
    values: dict[str, Any] = {"kind": "window", "evidence_id": "rec-1", "made_by": "lin"} | more
    zone = values.pop("zone", SHANGHAI)
    return agreements.add(INSTITUTION, DEBTOR, values.pop("kind"), at(start, zone), at(end, zone), **values)


def windows(store: Store, agreements: Agreements, moment: datetime) -> list[tuple[str, str]]:
    with store.reading() as connection:
        facts = agreements.facts_in(connection, debtor_index(store, INSTITUTION, DEBTOR), moment)
    return [(one["from"], one["to"]) for one in facts.get("agreed_windows", [])]


def covered(store: Store, agreements: Agreements, moment: datetime) -> bool:
    found = windows(store, agreements, moment)
    return any(datetime.fromisoformat(a) <= moment < datetime.fromisoformat(b) for a, b in found)


@pytest.fixture
def agreements(store: Store, clock: ManualClock) -> Agreements:
    return Agreements(store, clock)


@pytest.mark.usefixtures("host_zone")
def test_daily_hours_hold_on_the_zone_s_clock(store: Store, agreements: Agreements) -> None:
    add(agreements, "2026-03-02T00:00", "2026-03-05T00:00", hours="22:00-00:30")
    inside = (
        "2026-03-02T00:10",  # the end of the first night: the part from the agreement's own beginning on
        "2026-03-02T22:00",
        "2026-03-03T00:29",
        "2026-03-04T23:59",
    )
    outside = (
        "2026-03-01T23:59",
        "2026-03-02T21:59",
        "2026-03-03T00:30",
        "2026-03-03T12:00",
        "2026-03-05T00:00",  # the agreement ended at midnight, in the middle of its hours
    )
    assert all(covered(store, agreements, at(text)) for text in inside)
    assert not any(covered(store, agreements, at(text)) for text in outside)


def test_the_same_instant_in_any_zone_is_the_same_answer(store: Store, agreements: Agreements) -> None:
    add(agreements, "2026-03-02T22:00", "2026-03-02T23:00")
    for zone in (SHANGHAI, NEW_YORK, ZoneInfo("UTC")):
        assert covered(store, agreements, at("2026-03-02T22:30").astimezone(zone))
        assert not covered(store, agreements, at("2026-03-02T23:00").astimezone(zone))


def test_daily_hours_where_clocks_change(store: Store, agreements: Agreements) -> None:
    """On 8 March 2026 New York goes from 02:00 to 03:00: 21:30 is 21:30 before and after."""
    add(agreements, "2026-03-06T00:00", "2026-03-12T00:00", hours="21:00-22:00", zone=NEW_YORK)
    for day in ("06", "07", "08", "09"):
        assert covered(store, agreements, at(f"2026-03-{day}T21:30", NEW_YORK))
        assert not covered(store, agreements, at(f"2026-03-{day}T22:00", NEW_YORK))
    assert covered(store, agreements, datetime.fromisoformat("2026-03-08T02:30+00:00"))  # still 21:30 EST
    assert covered(store, agreements, datetime.fromisoformat("2026-03-09T01:30+00:00"))  # already EDT


@pytest.mark.parametrize(
    ("now", "counts"), [("09:59", False), ("10:00", True), ("11:59", True), ("12:00", False)]
)
def test_an_agreement_holds_from_its_start_until_its_end(
    store: Store, agreements: Agreements, now: str, counts: bool
) -> None:
    add(agreements, "2026-03-02T10:00", "2026-03-02T12:00")
    assert covered(store, agreements, at(f"2026-03-02T{now}")) is counts


def test_a_revoked_agreement_is_none(store: Store, agreements: Agreements) -> None:
    number = add(agreements, "2026-03-02T10:00", "2026-03-02T12:00")
    agreements.revoke(number, "lin")
    assert windows(store, agreements, at("2026-03-02T11:00")) == []
    with pytest.raises(InputError, match="revoked already"):
        agreements.revoke(number, "lin")
    with pytest.raises(InputError, match="no agreement 99"):
        agreements.revoke(99, "lin")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"evidence_id": "  "}, "evidence"),
        ({"hours": "9-10"}, "agreed hours"),
        ({"hours": "22:00-22:00"}, "agreed hours"),
        ({"calls_per_day": 4}, "more calls"),
        ({"kind": "extra_call"}, "more calls"),
        ({"kind": "extra_call", "calls_per_day": 0}, "more calls"),
        ({"kind": "extra_call", "calls_per_day": 4, "hours": "22:00-23:00"}, "agreed hours"),
        ({"source": "hearsay"}, "unknown source"),
        ({"end": "2026-03-02T10:00"}, "ends before"),
    ],
)
def test_what_is_no_agreement(agreements: Agreements, change: dict[str, Any], words: str) -> None:
    values = {"start": "2026-03-02T10:00", "end": "2026-03-02T12:00"} | change
    with pytest.raises(InputError, match=words):
        add(agreements, values.pop("start"), values.pop("end"), **values)
    assert agreements.all(SHANGHAI) == []


def test_the_list_shows_no_debtor_and_the_chain_has_it_all(store: Store, agreements: Agreements) -> None:
    add(agreements, "2026-03-02T10:00", "2026-03-02T12:00", hours="22:00-23:00")
    (one,) = agreements.all(SHANGHAI)
    assert (one.debtor_masked, one.evidence_id, one.hours) == (
        "****123",
        "rec-1",
        "22:00-23:00 Asia/Shanghai",
    )
    with store.reading() as connection:
        (data,) = connection.exec_driver_sql("select data from audit").scalars()
    assert "rec-1" in str(data) and DEBTOR not in str(data)


@pytest.mark.parametrize(("used", "left"), [(0, True), (4, True), (5, False), (9, False)])
def test_an_agreement_to_five_calls_allows_five(
    store: Store, agreements: Agreements, used: int, left: bool
) -> None:
    for calls, evidence in ((4, "rec-4"), (5, "rec-5")):
        add(
            agreements,
            "2026-03-02T08:00",
            "2026-03-03T00:00",
            kind="extra_call",
            calls_per_day=calls,
            evidence_id=evidence,
        )
    with store.reading() as connection:
        bix = debtor_index(store, INSTITUTION, DEBTOR)
        facts = agreements.facts_in(connection, bix, at("2026-03-02T10:00"))
    facts["counters"] = {"connected_debtor_day": used}
    without_used_up(facts)
    assert facts.get("agreed_extra_call_evidence") == ("rec-5" if left else None)


def test_an_agreement_to_more_calls_is_worth_nothing_while_nobody_counts(
    store: Store, agreements: Agreements
) -> None:
    add(agreements, "2026-03-02T08:00", "2026-03-03T00:00", kind="extra_call", calls_per_day=5)
    with store.reading() as connection:
        bix = debtor_index(store, INSTITUTION, DEBTOR)
        facts = agreements.facts_in(connection, bix, at("2026-03-02T10:00"))
    without_used_up(facts)
    assert "agreed_extra_call_evidence" not in facts


def test_the_agreed_hours_ahead(store: Store, agreements: Agreements) -> None:
    add(agreements, "2026-03-02T00:00", "2026-03-05T00:00", hours="22:00-23:00")
    add(agreements, "2026-03-04T06:00", "2026-03-04T07:00")
    bix = debtor_index(store, INSTITUTION, DEBTOR)
    with store.reading() as connection:
        found = agreements.stretches(connection, [bix, b"nobody"], at("2026-03-02T22:30"))
        assert found == {
            bix: [
                (at("2026-03-02T22:00"), at("2026-03-02T23:00")),
                (at("2026-03-03T22:00"), at("2026-03-03T23:00")),
                (at("2026-03-04T06:00"), at("2026-03-04T07:00")),
                (at("2026-03-04T22:00"), at("2026-03-04T23:00")),
            ]
        }
        assert agreements.stretches(connection, [bix], at("2026-03-05T00:00")) == {}


def test_marks_come_and_go(store: Store, clock: ManualClock) -> None:
    marks = CaseMarks(store, clock)
    marks.set(INSTITUTION, "c-1", "open_complaint", made_by="lin")
    marks.set(INSTITUTION, "c-1", "bereavement", made_by="lin", expires=clock.now() + timedelta(days=7))
    marks.set(INSTITUTION, "c-2", "prior_express_consent_id", made_by="lin", evidence="rec-7")
    with pytest.raises(InputError, match="needs evidence"):
        marks.set(INSTITUTION, "c-3", "prior_express_consent_id", made_by="lin")

    def facts() -> dict[str, dict[str, Any]]:
        with store.reading() as connection:
            found = marks.facts(Bulk(connection), INSTITUTION, ["c-1", "c-2", "c-3"])()
            assert found.get("c-1", {}) == marks.facts_in(connection, INSTITUTION, "c-1")
            assert marks.facts(Bulk(connection), "另一家", ["c-1"])() == {}
        return found

    assert facts() == {
        "c-1": {"open_complaint": True, "bereavement": True},
        "c-2": {"prior_express_consent_id": "rec-7"},
    }
    clock.advance(7 * 24 * 3600)
    assert facts()["c-1"] == {"open_complaint": True}
    with pytest.raises(InputError, match="needs a reason"):
        marks.clear(INSTITUTION, "c-1", "open_complaint", made_by="lin", why=" ")
    marks.clear(INSTITUTION, "c-1", "open_complaint", made_by="lin", why="已答复")
    assert "c-1" not in facts() and [one.case_id for one in marks.all()] == ["c-2"]
    with pytest.raises(InputError, match="no mark"):
        marks.clear(INSTITUTION, "c-1", "open_complaint", made_by="lin", why="再次")
