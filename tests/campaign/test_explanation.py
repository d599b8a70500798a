"""Why somebody would not be called, and when he may be: for the enrolled and for a list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.campaign.site import INSTITUTION, LedgerSite, at, build, row
from tests.store.stores import SHANGHAI
from voicebot.campaign.explanation import Explanation, explain
from voicebot.campaign.people_found import in_store
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.registers import Agreements, CaseMarks
from voicebot.store.states import Disposition
from voicebot.store.stop_list import StopList


@pytest.fixture
def site(store: Store, clock: ManualClock, tmp_path: Path) -> LedgerSite:
    made = build(store, clock, tmp_path, lambda: True)
    made.enrol(row(1), row(2))
    return made


def ask(site: LedgerSite, when: datetime | None = None, case: str = "case-1", phone: str = "") -> Explanation:
    now = site.clock.now()
    person = next(in_store(site.store, site.gate, case, phone, now))
    return explain(person, site.gate, when or now)


def called(site: LedgerSite, times: int) -> None:
    for _ in range(times):
        claim = site.claim_one(site.enrol(row(1)))
        site.dial(claim)
        site.ledger.close(claim.attempt_id, Disposition.HUNG_UP, answered=True)


def test_somebody_who_may_be_called_now(site: LedgerSite) -> None:
    one = ask(site)
    assert one.decision.allowed and one.next_call == one.at and one.waits_for == ()
    assert {asked.verdict for asked in one.asked} == {"allow", "n/a"}
    assert one.person.phone_masked == "138****0001"
    assert [(use.counter, use.used, use.limit) for use in one.counters] == [
        ("connected_debtor_day", 0, 3),
        ("attempts_point_day", 0, 6),
    ]


def test_he_is_found_by_his_number_too(site: LedgerSite) -> None:
    assert ask(site, phone=row(2).phone, case="").person.case_id == "case-2"
    assert list(in_store(site.store, site.gate, "case-9", "", site.clock.now())) == []
    assert list(in_store(site.store, site.gate, "", "+8613999999999", site.clock.now())) == []


def test_of_campaigns_that_are_over_only_the_newest_is_asked(site: LedgerSite) -> None:
    second = site.enrol(row(1), name="summer")
    first = next(one for one in campaigns(site) if one != second)
    assert set(campaigns(site)) == {first, second}
    site.ledger.set_state(first, "stopped")
    assert campaigns(site) == [second]
    site.ledger.set_state(second, "stopped")
    assert len(campaigns(site)) == 1


def campaigns(site: LedgerSite) -> list[str]:
    found = in_store(site.store, site.gate, "case-1", "", site.clock.now())
    return [person.source for person in found]


def test_the_cap_of_the_day_is_over_at_the_next_opening(site: LedgerSite) -> None:
    called(site, 3)
    one = ask(site)
    assert [refusal.reason for refusal in one.decision.refusals] == ["FREQ_CONNECTED"]
    (rule,) = [asked for asked in one.asked if asked.verdict == "FREQ_CONNECTED"]
    assert rule.facts == "connected_debtor_day 3 of 3"
    assert one.next_call == at(8, 0, day=3) and one.waits_for == ()


def test_an_evening_call_is_possible_the_next_morning(site: LedgerSite) -> None:
    one = ask(site, at(22, 10))
    assert [refusal.reason for refusal in one.decision.refusals] == ["HOURS", "CAMPAIGN_WINDOW"]
    assert one.next_call == at(8, 0, day=3), "the balance is read again by then"


def stopped(site: LedgerSite) -> str:
    StopList(site.store, site.clock).add(phone=row(1).phone, reason="LAWYER", made_by="lin")
    return "STOP_LIST"


def complained(site: LedgerSite) -> str:
    CaseMarks(site.store, site.clock).set(INSTITUTION, "case-1", "open_complaint", made_by="lin")
    return "CASE_HOLD"


def paid(site: LedgerSite) -> str:
    site.owe(row(1), row(2), amount="0.00")
    return "STALE_OR_PAID"


@pytest.mark.parametrize("happened", [stopped, complained, paid])
def test_what_only_a_person_can_settle(site: LedgerSite, happened: Callable[[LedgerSite], str]) -> None:
    reason = happened(site)
    one = ask(site)
    assert one.next_call is None and [refusal.reason for refusal in one.waits_for] == [reason]
    assert reason in [asked.verdict for asked in one.asked]


def test_an_entry_that_ends_lets_him_be_called_after_it(site: LedgerSite) -> None:
    ends = at(12, 0, day=4)
    StopList(site.store, site.clock).add(phone=row(1).phone, reason="MINOR", made_by="lin", expires=ends)
    assert ask(site).next_call == at(8, 0, day=5)


def test_an_agreement_to_more_calls_is_told_with_its_evidence(site: LedgerSite) -> None:
    called(site, 3)
    now = site.clock.now()
    agreements = Agreements(site.store, site.clock)
    more = {"evidence_id": "rec-90", "made_by": "lin", "calls_per_day": 4}
    agreements.add(INSTITUTION, "debtor-1", "extra_call", now, now + timedelta(hours=9), **more)
    one = ask(site)
    assert one.decision.allowed
    assert any("rec-90" in asked.facts for asked in one.asked)
    called(site, 1)
    one = ask(site)
    assert [refusal.reason for refusal in one.decision.refusals] == ["FREQ_CONNECTED"], "four were agreed to"
    assert one.next_call == at(8, 0, day=3)


def test_agreed_hours_are_told_with_their_evidence(site: LedgerSite) -> None:
    agreements = Agreements(site.store, site.clock)
    start, end = at(0, 0), at(0, 0, day=5)
    agreed = {"evidence_id": "rec-81", "made_by": "lin", "hours": "22:00-23:00"}
    agreements.add(INSTITUTION, "debtor-1", "window", start.astimezone(SHANGHAI), end, **agreed)
    one = ask(site, at(22, 30))
    rules = {asked.rule: asked for asked in one.asked}
    assert rules["CN-TM-01"].verdict == "allow" and "rec-81" in rules["CN-TM-01"].facts


def test_asking_writes_nothing(site: LedgerSite) -> None:
    with site.store.reading() as connection:
        before = connection.exec_driver_sql("select count(*) from decision").scalar()
    ask(site)
    with site.store.reading() as connection:
        assert connection.exec_driver_sql("select count(*) from decision").scalar() == before
