"""Foreign packs at the claim: rolling windows, the pause after a talk, the zone of the person called."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.campaign.site import INSTITUTION, PACK, LedgerSite, build, row
from voicebot.campaign.ledger import Ledger
from voicebot.clock import ManualClock
from voicebot.policy.gate import Gate
from voicebot.store.database import Store
from voicebot.store.registers import CaseMarks
from voicebot.store.states import Disposition


@pytest.fixture
def site(store: Store, clock: ManualClock, tmp_path: Path) -> LedgerSite:
    """The home pack with the American one on top; consent is on file."""
    made = build(store, clock, tmp_path, lambda: True)
    made.gate = Gate([PACK, PACK.body("us-regf-tcpa")], clock)
    made.ledger = Ledger(store, made.gate, clock, recorder_ready=lambda: True)
    marks = CaseMarks(store, clock)
    consent = {"made_by": "lin", "evidence": "rec-7"}
    marks.set(INSTITUTION, "case-1", "prior_express_consent_id", **consent)
    return made


def try_once(site: LedgerSite, *, answered: bool, number: int = 1) -> list[str]:
    """One call as far as the gate lets it; the reasons when it does not."""
    site.owe(row(number))
    campaign = site.enrol(row(number))
    claims = site.ledger.claim(campaign, "w1", 1)
    if not claims:
        return list(site.ledger.refusals(campaign)[0].all_reasons)
    site.dial(claims[0])
    outcome = Disposition.HUNG_UP if answered else Disposition.NO_ANSWER
    site.ledger.close(claims[0].attempt_id, outcome, answered=answered)
    return []


def days_later(site: LedgerSite, days: int) -> None:
    site.clock.advance(timedelta(days=days).total_seconds())


def test_without_consent_no_bot_calls(site: LedgerSite) -> None:
    assert try_once(site, answered=False, number=2) == ["NO_CONSENT"]


def test_seven_calls_in_seven_days_answered_or_not(site: LedgerSite) -> None:
    for _ in range(4):
        assert try_once(site, answered=False) == []
    days_later(site, 3)
    for _ in range(3):
        assert try_once(site, answered=False) == []
    assert try_once(site, answered=False) == ["SEVEN_IN_SEVEN"]
    days_later(site, 3)  # the seventh day of the first four
    assert try_once(site, answered=False) == ["SEVEN_IN_SEVEN"]
    days_later(site, 1)
    assert try_once(site, answered=False) == []


def test_seven_days_of_silence_after_a_talk(site: LedgerSite) -> None:
    assert try_once(site, answered=True) == []
    assert try_once(site, answered=False) == ["COOLDOWN"]
    days_later(site, 6)
    assert try_once(site, answered=False) == ["COOLDOWN"]
    days_later(site, 1)
    assert try_once(site, answered=False) == []


def test_a_talk_that_nobody_answered_starts_no_pause(site: LedgerSite) -> None:
    assert try_once(site, answered=False) == []
    assert try_once(site, answered=False) == []


def test_the_british_pack_refuses_while_nobody_knows_of_abandoned_calls(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    site = build(store, clock, tmp_path, lambda: True)
    gate = Gate([PACK, PACK.body("uk-conc-ofcom")], clock)
    site.ledger = Ledger(store, gate, clock, recorder_ready=lambda: True)
    assert try_once(site, answered=False) == ["ABANDON_LOCK"]
