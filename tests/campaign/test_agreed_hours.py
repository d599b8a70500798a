"""Outside of the rules' hours only those are called who agreed to it, and only in the campaign's windows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.site import INSTITUTION, LedgerSite, at, build, row
from voicebot.campaign.explanation import explain
from voicebot.campaign.people_found import in_store
from voicebot.clock import ManualClock
from voicebot.store.agreements import Agreements
from voicebot.store.database import Store
from voicebot.store.states import Disposition

LATE: Mapping[str, Any] = {"windows": {"mon-sun": ["08:00-23:30"]}}


@pytest.fixture
def site(store: Store, clock: ManualClock, tmp_path: Path) -> LedgerSite:
    return build(store, clock, tmp_path, lambda: True)


def agree(site: LedgerSite, debtor: int = 1, hours: str = "22:00-23:00") -> int:
    register = Agreements(site.store, site.clock)
    span = at(0, 0), at(0, 0, day=9)
    terms: dict[str, Any] = {"evidence_id": "rec-81", "made_by": "ops-lin", "hours": hours}
    return register.add(INSTITUTION, f"debtor-{debtor}", "window", *span, **terms)


def claimed(site: LedgerSite, campaign: str) -> list[str]:
    return [one.case_id for one in site.ledger.claim(campaign, "w1", 10)]


def test_only_who_agreed_is_called_in_the_evening(site: LedgerSite) -> None:
    agree(site, 2)
    site.clock.start = at(22, 30)
    campaign = site.enrol(row(1), row(2), row(3), **LATE)
    assert site.ledger.next_ready(campaign) == at(22, 30)
    (claim,) = site.ledger.claim(campaign, "w1", 10)
    assert claim.case_id == "case-2"
    site.dial(claim)
    assert site.ledger.refusals(campaign) == []  # nobody else was asked about, nor lost
    assert site.ledger.progress(campaign).planned == 2


@pytest.mark.parametrize(
    ("hour", "minute", "who"),
    [
        (21, 54, ["case-1", "case-2"]),  # everybody's hours, to the margin before 22:00
        (21, 55, []),
        (22, 0, ["case-2"]),
        (22, 59, ["case-2"]),
        (23, 0, []),
    ],
)
def test_the_edges_of_agreed_hours(site: LedgerSite, hour: int, minute: int, who: list[str]) -> None:
    agree(site, 2)
    site.clock.start = at(hour, minute)
    assert claimed(site, site.enrol(row(1), row(2), **LATE)) == who


def test_the_campaign_s_own_windows_hold_all_the_same(site: LedgerSite) -> None:
    agree(site)
    site.clock.start = at(22, 30)
    campaign = site.enrol(row(1))  # its windows end at 21:30
    assert claimed(site, campaign) == []
    assert site.ledger.next_ready(campaign) == at(8, 0, day=3)


def test_an_agreement_that_was_revoked_opens_nothing(site: LedgerSite) -> None:
    number = agree(site)
    site.clock.start = at(22, 30)
    campaign = site.enrol(row(1), **LATE)
    claim = site.claim_one(campaign)
    Agreements(site.store, site.clock).revoke(number, "ops-lin")
    decision = site.ledger.permit(claim.attempt_id, "w1")
    assert decision.reason == "CAMPAIGN_WINDOW"
    assert site.ledger.next_ready(campaign) == at(8, 0, day=3)  # planned again, and no fault of the attempt
    assert site.ledger.progress(campaign).planned == 1


def test_a_claim_that_outlives_the_hours_is_dialled_only_by_agreement(site: LedgerSite) -> None:
    agree(site, 2, hours="21:30-22:30")
    site.clock.start = at(21, 54)
    campaign = site.enrol(row(1), row(2), **LATE)
    claims = {one.case_id: one.attempt_id for one in site.ledger.claim(campaign, "w1", 2)}
    site.clock.start = at(21, 56)
    decided = site.ledger.permit_many(list(claims.values()), "w1")
    assert [decided[claims[case]].allowed for case in ("case-1", "case-2")] == [False, True]
    assert decided[claims["case-1"]].reason == "CAMPAIGN_WINDOW"


def test_the_next_try_waits_for_the_agreed_hour(site: LedgerSite) -> None:
    """Both are wanted again at 21:58: one agreed to 22:00, the other waits for the morning."""
    agree(site, 2)
    site.clock.start = at(20, 30)
    campaign = site.enrol(row(1), row(2), retry={"attempts": 2, "after": {"NO_ANSWER": "88m"}}, **LATE)
    for claim in site.ledger.claim(campaign, "w1", 2):
        site.dial(claim)
        site.ledger.close(claim.attempt_id, Disposition.NO_ANSWER, answered=False)
    assert site.ledger.next_ready(campaign) == at(22, 0)
    site.clock.start = at(22, 0)
    site.owe(row(1), row(2))  # fresh balances
    assert claimed(site, campaign) == ["case-2"]
    assert site.ledger.next_ready(campaign) == at(8, 0, day=3)


def test_policy_explain_says_the_same(site: LedgerSite) -> None:
    agree(site, 2)
    site.enrol(row(1), row(2), **LATE)
    said = {}
    for case in ("case-1", "case-2"):
        person = next(in_store(site.store, site.gate, case, "", site.clock.now()))
        said[case] = explain(person, site.gate, at(21, 57))
    assert [said[case].decision.allowed for case in said] == [False, False]
    assert said["case-1"].next_call == at(8, 0, day=3)
    assert said["case-2"].next_call == at(22, 0)
    assert explain(person, site.gate, at(22, 30)).decision.allowed
