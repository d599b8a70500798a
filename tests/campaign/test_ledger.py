"""The life of attempts: claimed once, permitted once, closed once, on both engines."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from tests.campaign.site import AGENCY, OWN_NUMBER, LedgerSite, at, row
from tests.store.stores import SHANGHAI
from voicebot.campaign.decisions import decisions_of
from voicebot.campaign.ledger import Claim, Ledger, LostWorker
from voicebot.store.audit_check import check
from voicebot.store.models import AttemptRow, ContactRow, DayUseRow
from voicebot.store.states import AttemptState, Disposition, IllegalMove


def used(site: LedgerSite, counter: str) -> int:
    with site.store.reading() as connection:
        rows = connection.execute(select(DayUseRow.used).where(DayUseRow.counter == counter)).scalars()
        return sum(rows)


def test_a_claim_carries_what_the_call_needs(site: LedgerSite) -> None:
    campaign = site.enrol(row(1, overdue_days=3, loan_last4="4711", flags=("first_contact",)))
    claim = site.claim_one(campaign)
    assert (claim.case_id, claim.phone, claim.phone_masked) == ("case-1", "+8613800000001", "138****0001")
    assert (claim.caller, claim.trunk, claim.party) == (OWN_NUMBER, "simulated", "debtor")
    assert claim.slots["debtor_name"] == ("name", "张伟")
    assert claim.slots["amount_due"] == ("money", 52040)
    assert claim.slots["overdue_days"] == ("count", 3)
    assert claim.slots["official_no"] == ("number", "4000095500")
    assert claim.flags == {"first_contact": True, "by_agency": False}
    assert site.store.keys.tail_matches("case-1", "123x", claim.tail_mac)


def test_nothing_personal_lies_open_in_the_store(site: LedgerSite, store_url: str) -> None:
    site.enrol(row(1))
    site.claim_one(site.enrol(row(2)))
    with site.store.reading() as connection:
        for table in AttemptRow.metadata.sorted_tables:
            for found in connection.execute(select(table)):
                text = repr(tuple(found))
                assert "1380000000" not in text and "张伟" not in text and "123X" not in text, table.name


def test_one_call_from_claim_to_close(site: LedgerSite) -> None:
    campaign = site.enrol(row(1))
    claim = site.claim_one(campaign)
    assert used(site, "connected_debtor_day") == 1
    site.dial(claim)
    site.ledger.mark(claim.attempt_id, AttemptState.RINGING)
    site.ledger.mark(claim.attempt_id, AttemptState.ANSWERED)
    assert site.ledger.close(claim.attempt_id, Disposition.PTP, answered=True, sip_code=200)
    progress = site.ledger.progress(campaign)
    assert (progress.dispositions, progress.answered, progress.open, progress.done) == ({"PTP": 1}, 1, 0, 1)
    assert used(site, "connected_debtor_day") == 1
    assert check(site.store).faults == []


def test_a_second_report_changes_nothing(site: LedgerSite) -> None:
    campaign = site.enrol(row(1))
    claim = site.claim_one(campaign)
    site.dial(claim)
    assert site.ledger.close(claim.attempt_id, Disposition.BUSY, answered=False)
    assert not site.ledger.close(claim.attempt_id, Disposition.PTP, answered=True)
    assert site.ledger.progress(campaign).dispositions == {"BUSY": 1}


def test_a_slot_comes_back_only_when_nobody_answered(site: LedgerSite) -> None:
    campaign = site.enrol(row(1), row(2), row(3))
    outcomes = [(Disposition.NO_ANSWER, False), (Disposition.VOICEMAIL, True), (Disposition.UNKNOWN, False)]
    for disposition, answered in outcomes:
        claim = site.claim_one(campaign)
        site.dial(claim)
        site.ledger.close(claim.attempt_id, disposition, answered=answered)
    assert used(site, "connected_debtor_day") == 2  # the voicemail and the unknown one
    assert used(site, "attempts_point_day") == 3  # every dial counts against its number


def test_a_call_that_was_answered_keeps_its_slot_whatever_is_reported(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    site.ledger.mark(claim.attempt_id, AttemptState.ANSWERED)
    site.ledger.close(claim.attempt_id, Disposition.HUNG_UP, answered=False)
    assert used(site, "connected_debtor_day") == 1


def test_three_connected_calls_a_day_over_all_campaigns_then_the_next_day(site: LedgerSite) -> None:
    for _ in range(3):
        campaign = site.enrol(row(1))
        claim = site.claim_one(campaign)
        site.dial(claim)
        site.ledger.close(claim.attempt_id, Disposition.HUNG_UP, answered=True)
    fourth = site.enrol(row(1, phone="+8613900000001"))
    assert site.ledger.claim(fourth, "w1", 1) == []
    (refused,) = site.ledger.refusals(fourth)
    assert (refused.rule, refused.reason) == ("CN-FQ-01", "FREQ_CONNECTED")
    assert site.ledger.next_ready(fourth) == at(8, 0, day=3)  # not lost: tomorrow counts anew
    site.clock.start = at(8, 1, day=3)
    site.owe(row(1))
    assert len(site.ledger.claim(fourth, "w1", 1)) == 1


def test_six_dials_a_day_to_one_number(site: LedgerSite) -> None:
    for number in range(6):
        claim = site.claim_one(site.enrol(row(1, debtor_id=f"debtor-{number}", case_id=f"case-{number}")))
        site.dial(claim)
        site.ledger.close(claim.attempt_id, Disposition.NO_ANSWER, answered=False)
    seventh = site.enrol(row(1, debtor_id="debtor-9"))
    assert site.ledger.claim(seventh, "w1", 1) == []
    assert [one.reason for one in site.ledger.refusals(seventh)] == ["FREQ_ATTEMPTS"]


def test_nobody_is_on_two_calls_at_once(site: LedgerSite) -> None:
    first = site.claim_one(site.enrol(row(1)))
    same_debtor = site.enrol(row(1, phone="+8613900000001"))
    same_number = site.enrol(row(2, phone="+8613800000001"))
    site.owe(row(1), row(2))
    assert site.ledger.claim(same_debtor, "w1", 1) == []
    assert site.ledger.claim(same_number, "w1", 1) == []
    assert site.ledger.progress(same_debtor).refused == 0  # waits, is not refused
    site.dial(first)
    site.ledger.close(first.attempt_id, Disposition.NO_ANSWER, answered=False)
    site.clock.advance(3)
    assert len(site.ledger.claim(same_debtor, "w1", 1)) == 1
    assert len(site.ledger.claim(same_number, "w1", 1)) == 1


@pytest.mark.parametrize("column", ["debtor_id", "bix", "contact_id"])
def test_the_indexes_forbid_a_second_live_attempt(site: LedgerSite, column: str) -> None:
    campaign = site.enrol(row(1), row(2))
    one, two = site.ledger.claim(campaign, "w1", 2)
    with site.store.reading() as connection:
        value = connection.execute(
            select(getattr(AttemptRow, column)).where(AttemptRow.id == one.attempt_id)
        ).scalar_one()
    with pytest.raises(IntegrityError), site.store.begin() as connection:
        connection.execute(update(AttemptRow).where(AttemptRow.id == two.attempt_id).values({column: value}))


def test_two_claimers_on_one_list_share_it(site: LedgerSite) -> None:
    rows = [row(number) for number in range(40)]
    campaign = site.enrol(*rows)
    found: dict[str, list[Claim]] = {"w1": [], "w2": []}
    start = threading.Barrier(2)

    def work(worker: str) -> None:
        ledger = Ledger(site.store, site.gate, site.clock, recorder_ready=lambda: True)
        start.wait()
        while claims := ledger.claim(campaign, worker, 3):
            found[worker] += claims

    threads = [threading.Thread(target=work, args=(worker,)) for worker in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    phones = [claim.phone for claims in found.values() for claim in claims]
    assert len(phones) == len(set(phones)) == 40
    assert used(site, "connected_debtor_day") == 40


def test_two_claimers_race_for_the_same_people(site: LedgerSite) -> None:
    """Two campaigns with the same twenty debtors: never two live calls to one of them, caps kept."""
    rows = [row(number) for number in range(20)]
    campaigns = [site.enrol(*rows), site.enrol(*rows)]
    claims: list[Claim] = []
    start = threading.Barrier(2)

    def work(campaign: str, worker: str) -> None:
        ledger = Ledger(site.store, site.gate, site.clock, recorder_ready=lambda: True)
        start.wait()
        claims.extend(ledger.claim(campaign, worker, 20))

    threads = [
        threading.Thread(target=work, args=(campaign, f"w{n}")) for n, campaign in enumerate(campaigns)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({claim.case_id for claim in claims}) == len(claims)
    assert used(site, "connected_debtor_day") == len(claims) <= 20


def test_what_a_lost_worker_dialled_is_unknown_and_what_it_only_claimed_is_planned_again(
    site: LedgerSite,
) -> None:
    campaign = site.enrol(row(1), row(2), row(3), row(4), row(5))
    dialling, ringing, answered, claimed = site.ledger.claim(campaign, "w1", 4)
    for claim in (dialling, ringing, answered):
        site.dial(claim)
    site.ledger.mark(ringing.attempt_id, AttemptState.RINGING)
    site.ledger.mark(answered.attempt_id, AttemptState.ANSWERED)
    unknown = sorted(one.attempt_id for one in (dialling, ringing, answered))
    assert sorted(site.ledger.lose_worker("w1")) == unknown
    assert used(site, "connected_debtor_day") == 3  # unknown keeps its slot, the claimed one gave it back
    assert site.ledger.lose_worker("w1") == []
    with pytest.raises(LostWorker):
        site.ledger.permit(claimed.attempt_id, "w1")
    with pytest.raises(LostWorker):
        site.ledger.claim(campaign, "w1", 1)
    assert not site.ledger.close(dialling.attempt_id, Disposition.PTP, answered=True)  # a late report
    site.clock.advance(3600)
    site.owe(*(row(number) for number in range(1, 6)))
    again = site.ledger.claim(campaign, "w2", 5)
    assert sorted(claim.case_id for claim in again) == ["case-4", "case-5"]
    assert claimed.attempt_id not in {claim.attempt_id for claim in again}
    progress = site.ledger.progress(campaign)
    assert progress.dispositions == {"UNKNOWN": 3, "NOT_DIALLED": 1}
    assert (progress.live, progress.planned) == (2, 0)
    with site.store.reading() as connection:
        assert sorted(connection.execute(select(ContactRow.state)).scalars()) == [
            "open",
            "open",
            "unresolved",
            "unresolved",
            "unresolved",
        ]


def test_a_contact_whose_claims_lose_their_workers_is_given_up(site: LedgerSite) -> None:
    campaign = site.enrol(row(1))
    for number in range(3):
        site.claim_one(campaign, f"w{number}")
        assert site.ledger.lose_worker(f"w{number}") == []
        site.clock.advance(10)
    assert site.ledger.claim(campaign, "w9", 1) == []
    assert site.ledger.progress(campaign).dispositions == {"NOT_DIALLED": 3}


def test_what_a_dead_supervisor_left_is_settled_at_the_next_start(site: LedgerSite) -> None:
    campaign = site.enrol(row(1), row(2), row(3))
    left = site.claim_one(campaign)
    site.dial(left)
    assert site.ledger.lose_worker("w1") == [left.attempt_id]
    second = Ledger(site.store, site.gate, site.clock, recorder_ready=lambda: True)
    own, claimed = second.claim(campaign, "w1", 2)  # the same name, another worker
    assert second.permit(own.attempt_id, "w1").allowed
    third = Ledger(site.store, site.gate, site.clock, recorder_ready=lambda: True)
    assert third.settle_left_over() == [own.attempt_id]
    assert third.settle_left_over() == []
    with pytest.raises(LostWorker):
        second.permit(claimed.attempt_id, "w1")
    site.clock.advance(10)
    assert [claim.case_id for claim in third.claim(campaign, "w1", 5)] == [claimed.case_id]


def test_only_the_owner_may_dial(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1)), "w1")
    with pytest.raises(LostWorker):
        site.ledger.permit(claim.attempt_id, "w2")
    site.dial(claim, "w1")
    with pytest.raises(IllegalMove):
        site.ledger.permit(claim.attempt_id, "w1")


def test_the_window_closes_between_claim_and_dial(site: LedgerSite) -> None:
    site.clock.start = at(21, 29)
    campaign = site.enrol(row(1), row(2))
    first, second = site.ledger.claim(campaign, "w1", 2)
    site.dial(first)
    site.clock.advance(61)
    assert site.ledger.permit(second.attempt_id, "w1").reason == "CAMPAIGN_WINDOW"
    assert used(site, "connected_debtor_day") == 1
    assert site.ledger.claim(campaign, "w1", 1) == []
    assert site.ledger.next_ready(campaign) == at(8, 0, day=3)


def test_after_a_pause_nothing_is_claimed_or_dialled(site: LedgerSite) -> None:
    campaign = site.enrol(row(1), row(2))
    claim = site.claim_one(campaign)
    site.ledger.set_state(campaign, "paused")
    assert site.ledger.claim(campaign, "w1", 1) == []
    assert site.ledger.permit(claim.attempt_id, "w1").reason == "CAMPAIGN_PAUSED"
    site.ledger.set_state(campaign, "running")
    site.clock.advance(10)
    assert len(site.ledger.claim(campaign, "w1", 5)) == 2


def test_one_budget_over_all_outcomes_and_the_same_caller(site: LedgerSite) -> None:
    retry = {"attempts": 3, "after": {"BUSY": "10m", "NO_ANSWER": "1h", "CARRIER_FAILED": "5m"}}
    campaign = site.enrol(row(1), retry=retry)
    callers = set()
    for disposition in (Disposition.BUSY, Disposition.CARRIER_FAILED, Disposition.NO_ANSWER):
        site.owe(row(1))
        claim = site.claim_one(campaign)
        callers.add(claim.caller)
        site.dial(claim)
        site.ledger.close(claim.attempt_id, disposition, answered=False)
        site.clock.advance(3601)
    assert site.ledger.claim(campaign, "w1", 1) == []
    assert (site.ledger.next_ready(campaign), callers) == (None, {OWN_NUMBER})


def test_an_outcome_without_a_rule_is_not_tried_again(site: LedgerSite) -> None:
    campaign = site.enrol(row(1), retry={"attempts": 3, "after": {"BUSY": "10m"}})
    claim = site.claim_one(campaign)
    site.dial(claim)
    site.ledger.close(claim.attempt_id, Disposition.DECLINED_TO_PAY, answered=True)
    assert site.ledger.next_ready(campaign) is None


def test_an_agreed_call_back_is_planned_for_its_time(site: LedgerSite) -> None:
    campaign = site.enrol(row(1), row(2))
    during, after = site.ledger.claim(campaign, "w1", 2)
    for claim in (during, after):
        site.dial(claim)
    site.ledger.apply_outcome(during.attempt_id, callback_at="15:30")
    site.ledger.close(during.attempt_id, Disposition.CALLBACK, answered=True)
    site.ledger.close(after.attempt_id, Disposition.CALLBACK, answered=True)
    site.ledger.apply_outcome(after.attempt_id, callback_at="09:00")  # already past: tomorrow
    assert site.ledger.next_ready(campaign) == at(15, 30)
    progress = site.ledger.progress(campaign)
    assert (progress.planned, progress.later, progress.open) == (2, 2, 0)
    site.clock.start = at(15, 30)
    site.owe(row(1), row(2))
    assert [claim.case_id for claim in site.ledger.claim(campaign, "w1", 5)] == ["case-1"]


def test_what_cannot_be_dialled_is_given_up_after_three_times(site: LedgerSite) -> None:
    campaign = site.enrol(row(1))
    for _ in range(3):
        claim = site.claim_one(campaign)
        assert site.ledger.not_dialled(claim.attempt_id, "no line")
        site.clock.advance(10)
    assert site.ledger.claim(campaign, "w1", 1) == []
    progress = site.ledger.progress(campaign)
    assert (progress.dispositions, progress.open) == ({"NOT_DIALLED": 3}, 0)
    assert used(site, "attempts_point_day") == used(site, "connected_debtor_day") == 0


def test_a_run_stopped_by_a_person_gives_no_contact_up(site: LedgerSite) -> None:
    campaign = site.enrol(row(1))
    for why in ("stopped", "stopped", "stopped", "no line", "no line"):
        assert site.ledger.not_dialled(site.claim_one(campaign).attempt_id, why)
        site.clock.advance(10)
    assert site.ledger.not_dialled(site.claim_one(campaign).attempt_id, "no line")
    site.clock.advance(10)
    assert site.ledger.claim(campaign, "w1", 1) == []


def test_a_permitted_call_that_never_left_gives_every_slot_back(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    assert site.ledger.not_dialled(claim.attempt_id, "no slot")
    assert used(site, "attempts_point_day") == used(site, "connected_debtor_day") == 0


def test_every_decision_is_kept_with_facts_and_pack(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    with site.store.reading() as connection:
        decisions = decisions_of(connection, claim.attempt_id, SHANGHAI)
    assert [(one.moment, one.allowed, one.pack) for one in decisions] == [
        ("claim", True, "cn-gbt45251-2025@0.1.0"),
        ("permit", True, "cn-gbt45251-2025@0.1.0"),
    ]
    assert decisions[1].facts["counters"]["connected_debtor_day"] == 0  # not its own slot
    assert decisions[0].facts["amount_due_fen"] == "positive"


def test_the_order_of_the_list_is_kept_or_the_one_asked_for(site: LedgerSite) -> None:
    rows = [row(1, amount_due=100), row(2, amount_due=300), row(3, amount_due=200)]
    listed = site.enrol(*rows)
    assert [one.case_id for one in site.ledger.claim(listed, "w1", 3)] == ["case-1", "case-2", "case-3"]
    other = [row(4, amount_due=100), row(5, amount_due=300), row(6, amount_due=200)]
    by_amount = site.enrol(*other, order="amount")
    assert [one.case_id for one in site.ledger.claim(by_amount, "w2", 3)] == ["case-5", "case-6", "case-4"]


def test_rows_of_an_agency_use_its_own_number(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1, agency=AGENCY)))
    assert (claim.caller, claim.flags["by_agency"]) == ("+862160000002", True)


def test_a_simulated_run_does_not_wait_for_hours(site: LedgerSite) -> None:
    campaign = site.enrol(row(1), retry={"attempts": 2, "after": {"BUSY": "2h"}})
    claim = site.claim_one(campaign)
    site.dial(claim)
    site.ledger.close(claim.attempt_id, Disposition.BUSY, answered=False)
    assert site.ledger.next_ready(campaign) == site.clock.now() + timedelta(hours=2)
    assert site.ledger.progress(campaign).open == 0
