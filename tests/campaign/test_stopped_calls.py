"""Live calls to somebody who was just put on the stop list: what a watcher of them sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.site import INSTITUTION, LedgerSite, build, row
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.states import Disposition
from voicebot.store.stop_list import StopList, StoppedCall


@pytest.fixture
def site(store: Store, clock: ManualClock, tmp_path: Path) -> LedgerSite:
    return build(store, clock, tmp_path, lambda: True)


def test_a_stopped_number_is_seen_in_every_live_state_and_never_after(site: LedgerSite) -> None:
    stop_list = StopList(site.store, site.clock)
    campaign = site.enrol(row(1), row(2))
    claims = {claim.case_id: claim for claim in site.ledger.claim(campaign, "w1", 2)}
    claim = claims["case-1"]
    site.dial(claim)
    assert stop_list.stopped_live() == []
    stop_list.add(phone=row(1).phone, reason="LAWYER", made_by="lin")
    (call,) = stop_list.stopped_live()
    worker = f"{site.ledger.node}/w1"
    assert call == StoppedCall(claim.attempt_id, worker, "dialling", "LAWYER")
    assert stop_list.stopped_live("w2") == [] and stop_list.stopped_live(worker) == [call]
    site.ledger.close(claim.attempt_id, Disposition.NO_ANSWER, answered=False)
    assert stop_list.stopped_live() == []


def test_a_stopped_debtor_is_seen_on_whatever_number(site: LedgerSite) -> None:
    stop_list = StopList(site.store, site.clock)
    site.claim_one(site.enrol(row(1)))
    stop_list.add(debtor=("另一家", "debtor-1"), reason="VULNERABLE", made_by="lin")
    assert stop_list.stopped_live() == [], "another institution's debtor of the same id"
    stop_list.add(debtor=(INSTITUTION, "debtor-1"), reason="VULNERABLE", made_by="lin")
    assert [call.reason for call in stop_list.stopped_live()] == ["VULNERABLE"]


def test_the_next_permission_knows_of_it(site: LedgerSite) -> None:
    claim = site.claim_one(site.enrol(row(1)))
    StopList(site.store, site.clock).add(phone=row(1).phone, reason="LAWYER", made_by="lin")
    decision = site.ledger.permit(claim.attempt_id, "w1")
    assert not decision.allowed and "STOP_LIST" in [one.reason for one in decision.refusals]
