"""Each pre_dial rule, by the facts that the store itself gives: refused rows carry rule and reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.site import AGENCY, INSTITUTION, OWN_NUMBER, LedgerSite, approve, at, build, row
from voicebot.campaign.contact_list import ListRow
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.registers import Agencies, Agreements, CaseMarks, Tool, Tools
from voicebot.store.states import Disposition
from voicebot.store.stop_list import StopList


def reasons(site: LedgerSite, *rows: ListRow, **changes: Any) -> list[str]:
    """Enrols, claims, and says why the first refused row was refused; empty when all were claimed."""
    campaign = site.enrol(*rows, **changes)
    claims = site.ledger.claim(campaign, "w1", len(rows))
    refused = site.ledger.refusals(campaign)
    assert len(claims) + len(refused) == len(rows)
    return list(refused[0].all_reasons) if refused else []


def stopped(site: LedgerSite) -> None:
    StopList(site.store, site.clock).add(phone=row(1).phone, reason="CONTACT_REFUSED", made_by="ops-lin")


def debtor_stopped(site: LedgerSite) -> None:
    stop_list = StopList(site.store, site.clock)
    stop_list.add(debtor=(INSTITUTION, "debtor-1"), reason="DEBTOR_NO_BOT", made_by="ops-lin")


def revoked(site: LedgerSite) -> None:
    approve(site.store, "revoked", "2026-03-02T10:00:00+08:00")


def tool_unapproved(site: LedgerSite) -> None:
    Tools(site.store).register(
        Tool(OWN_NUMBER, INSTITUTION, None, True, date(2026, 1, 1), date(2026, 12, 31), "ops-lin", None)
    )


def tool_expired(site: LedgerSite) -> None:
    Tools(site.store).register(
        Tool(
            OWN_NUMBER,
            INSTITUTION,
            None,
            True,
            date(2025, 1, 1),
            date(2026, 3, 1),
            "ops-lin",
            "compliance-zhao",
        )
    )


def on_hold(site: LedgerSite) -> None:
    CaseMarks(site.store, site.clock).set(INSTITUTION, "case-1", "open_complaint", made_by="ops-lin")


def agency_not_evaluated(site: LedgerSite) -> None:
    Agencies(site.store).register(AGENCY, listed=True, mandates=[INSTITUTION], evaluated=date(2025, 1, 1))


def agency_without_mandate(site: LedgerSite) -> None:
    Agencies(site.store).register(AGENCY, listed=True, mandates=["另一家"], evaluated=date(2026, 1, 1))


@pytest.mark.parametrize(
    ("change", "person", "expected"),
    [
        (None, row(1), []),
        (stopped, row(1), ["STOP_LIST"]),
        (debtor_stopped, row(1), ["STOP_LIST"]),
        (tool_unapproved, row(1), ["TOOL_NOT_FILED"]),
        (tool_expired, row(1), ["TOOL_NOT_FILED"]),
        (on_hold, row(1), ["CASE_HOLD"]),
        (None, row(1, agency=AGENCY), []),
        (agency_not_evaluated, row(1, agency=AGENCY), ["AGENCY"]),
        (agency_without_mandate, row(1, agency=AGENCY), ["AGENCY"]),
        (None, row(1, agency="无名服务"), ["TOOL_NOT_FILED"]),
        (None, row(1, agency="谁也不认识"), ["TOOL_NOT_FILED", "AGENCY"]),
        (None, row(1, phone_source="address_book"), ["NUMBER_SOURCE"]),
        (None, row(1, phone_evidence=""), ["NUMBER_SOURCE"]),
        (None, row(1, party="unknown"), ["PARTY"]),
        (None, row(1, party="guarantor"), ["GUARANTEE"]),
        (None, row(1, party="contact"), ["CONTACT_CONDITION"]),
    ],
)
def test_reasons(
    site: LedgerSite, change: Callable[[LedgerSite], None] | None, person: ListRow, expected: list[str]
) -> None:
    if change is not None:
        change(site)
    assert reasons(site, person) == expected


def test_no_recorder_no_call_and_no_contact_used_up(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    recorder = [True]
    site = build(store, clock, tmp_path, lambda: recorder[0])
    campaign = site.enrol(row(1), row(2))
    claim = site.claim_one(campaign)
    recorder[0] = False
    assert site.ledger.claim(campaign, "w1", 1) == []
    assert site.ledger.permit(claim.attempt_id, "w1").reason == "NO_RECORDER"
    recorder[0] = True
    site.clock.advance(10)
    assert len(site.ledger.claim(campaign, "w1", 2)) == 2


def test_a_revoked_talk_track_is_not_dialled_and_uses_no_contact_up(site: LedgerSite) -> None:
    campaign = site.enrol(row(1), row(2))
    claim = site.claim_one(campaign)
    revoked(site)
    assert site.ledger.claim(campaign, "w1", 1) == []
    assert site.ledger.permit(claim.attempt_id, "w1").reason == "TALKTRACK"
    progress = site.ledger.progress(campaign)
    assert (progress.refused, progress.planned) == (0, 2)


@pytest.mark.parametrize("age", [timedelta(minutes=16), timedelta(minutes=-5)])
def test_an_old_balance_and_one_from_the_future_are_refused(site: LedgerSite, age: timedelta) -> None:
    campaign = site.enrol(row(1), row(2))
    now = site.clock.now()
    lines = [f"case-1,520.40,{(now - age).isoformat()}", f"case-2,520.40,{now.isoformat()}"]
    site.balances.write_text("\n".join(["case_id,amount_due,as_of", *lines]))
    assert [claim.case_id for claim in site.ledger.claim(campaign, "w1", 2)] == [row(2).case_id]
    assert site.ledger.refusals(campaign)[0].reason == "STALE_OR_PAID"


@pytest.mark.parametrize("age", [timedelta(minutes=16), timedelta(minutes=-5)])
def test_when_the_whole_export_is_old_nobody_is_refused_for_it(site: LedgerSite, age: timedelta) -> None:
    campaign = site.enrol(row(1), row(2))
    claim = site.claim_one(campaign)
    site.owe(row(1), row(2), as_of=site.clock.now() - age)
    assert site.ledger.permit(claim.attempt_id, "w1").reason == "BALANCES"
    assert site.ledger.claim(campaign, "w1", 2) == []
    halt = site.ledger.halt(campaign)
    assert halt is not None and halt.reason == "BALANCES"
    assert site.ledger.progress(campaign).refused == 0
    site.owe(row(1), row(2))
    site.clock.advance(10)
    assert len(site.ledger.claim(campaign, "w1", 2)) == 2


def test_paid_between_claim_and_dial(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1)))
    site.owe(row(1), amount="0.00")
    decision = site.ledger.permit(claim.attempt_id, "w1")
    assert [one.reason for one in decision.refusals] == ["STALE_OR_PAID"]


def test_a_stop_list_entry_stops_a_claimed_call(site: LedgerSite) -> None:
    first, second = site.ledger.claim(site.enrol(row(1), row(2)), "w1", 2)
    StopList(site.store, site.clock).add(phone=second.phone, reason="LAWYER", made_by="ops-lin")
    site.dial(first)
    assert site.ledger.permit(second.attempt_id, "w1").reason == "STOP_LIST"


def test_a_stop_request_in_a_call_holds_for_every_number_and_campaign(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    site.ledger.apply_outcome(claim.attempt_id, stop_list="DEBTOR_NO_BOT")
    site.ledger.close(claim.attempt_id, Disposition.STOP_REQUEST, answered=True)
    assert reasons(site, row(1, phone="+8613900000001")) == ["STOP_LIST"]
    (entry,) = StopList(site.store, site.clock).entries()
    assert (entry.kind, entry.reason, entry.made_by) == ("debtor", "DEBTOR_NO_BOT", "call")


def test_a_wrong_number_stops_the_number_and_not_the_debtor(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    site.ledger.apply_outcome(claim.attempt_id, stop_list="WRONG_PARTY")
    site.ledger.close(claim.attempt_id, Disposition.WRONG_PARTY, answered=True)
    assert reasons(site, row(1)) == ["STOP_LIST"]
    assert reasons(site, row(1, phone="+8613900000001")) == []


def test_a_contact_is_called_only_after_the_debtor_was_not_reached(site: LedgerSite) -> None:
    debtor = row(1)
    contact = row(
        1, party="contact", name="李娜", phone="+8613700000001", phone_source="reserved_contact_told"
    )
    CaseMarks(site.store, site.clock).set(INSTITUTION, "case-1", "contact_call_approved", made_by="ops-lin")
    for day in (2, 3, 4):
        site.clock.start = at(10, 15, day=day)
        claim = site.claim_one(site.enrol(debtor))
        site.dial(claim)
        site.ledger.close(claim.attempt_id, Disposition.NO_ANSWER, answered=False)
    campaign = site.enrol(debtor, contact)
    claims = site.ledger.claim(campaign, "w1", 2)
    assert [claim.party for claim in claims] == ["debtor"]  # one at a time: they are one debtor's
    site.dial(claims[0])
    site.ledger.close(claims[0].attempt_id, Disposition.NO_ANSWER, answered=False)
    site.clock.advance(3)
    assert [claim.party for claim in site.ledger.claim(campaign, "w1", 2)] == ["contact"]


def test_an_agreed_extra_call_needs_its_evidence(site: LedgerSite) -> None:
    for _ in range(3):
        claim = site.claim_one(site.enrol(row(1)))
        site.dial(claim)
        site.ledger.close(claim.attempt_id, Disposition.HUNG_UP, answered=True)
    assert reasons(site, row(1)) == ["FREQ_CONNECTED"]
    agreed = {"evidence_id": "rec-90", "made_by": "ops-lin", "calls_per_day": 4}
    Agreements(site.store).add(INSTITUTION, "debtor-1", "extra_call", at(9, 0), at(22, 0), **agreed)
    assert reasons(site, row(1)) == []


def test_a_number_on_the_stop_list_gives_way_to_the_next_one(site: LedgerSite) -> None:
    stopped(site)
    claim = site.claim_one(site.enrol(row(1), row(1, phone="+8613900000001")))
    assert claim.phone == "+8613900000001"
