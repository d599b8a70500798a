"""A simulated run that broke off is gone on with, in its own folder and its own time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.campaign.site import LedgerSite, build, row
from tests.store.stores import SHANGHAI
from voicebot.campaign.control import Controls
from voicebot.campaign.simulated_run import broken_off, clock_of, simulated_store
from voicebot.campaign.store_owner import sole_owner
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.states import Disposition

OLD, NEW = "20260302-090000", "20260302-100000"


@pytest.fixture
def run(tmp_path: Path, keys: KeyRing, clock: ManualClock) -> Iterator[LedgerSite]:
    """The newer of two runs: two people, one of them on the line for ten minutes."""
    (tmp_path / "runs/spring" / OLD).mkdir(parents=True)
    Store.open(simulated_store(tmp_path / "runs/spring" / OLD), keys).close()
    folder = tmp_path / "runs/spring" / NEW
    folder.mkdir()
    store = Store.open(simulated_store(folder), keys)
    site = build(store, clock, folder, lambda: True)
    campaign = site.enrol(row(1), row(2), simulation={"start": "2026-03-02T10:15"}, retry={"attempts": 1})
    clock.advance(600)
    site.dial(site.claim_one(campaign))
    yield site
    store.close()


def found(tmp_path: Path, run: LedgerSite) -> Path | None:
    begun = broken_off(tmp_path / "runs", "spring", run.store.keys, SHANGHAI)
    return begun[0] if begun else None


def test_it_is_found_and_its_clock_goes_on(run: LedgerSite, tmp_path: Path) -> None:
    assert found(tmp_path, run) == tmp_path / "runs/spring" / NEW
    passed = clock_of(run.store, SHANGHAI).now() - run.clock.now()
    assert timedelta(0) <= passed < timedelta(minutes=1)


def test_one_that_runs_is_left_alone(run: LedgerSite, tmp_path: Path) -> None:
    with sole_owner(run.store):
        assert found(tmp_path, run) is None


def test_one_with_nothing_left_to_call_is_over(run: LedgerSite, tmp_path: Path) -> None:
    """A call-back for tomorrow is nothing that a simulation waits for."""
    campaign = Controls(run.store, run.clock).find("spring").id
    run.ledger.settle_left_over()
    (live,) = [one.attempt_id for one in [run.claim_one(campaign)]]
    run.ledger.permit(live, "w1")
    run.ledger.close(live, Disposition.CALLBACK, answered=True, next_try=run.clock.now() + timedelta(days=1))
    run.ledger.lose_worker("w1")
    assert found(tmp_path, run) is None


def test_a_finished_one_is_over(run: LedgerSite, tmp_path: Path) -> None:
    controls = Controls(run.store, run.clock)
    controls.finish(controls.find("spring").id)
    assert found(tmp_path, run) is None


def test_without_any_run_there_is_none(tmp_path: Path, keys: KeyRing) -> None:
    assert broken_off(tmp_path / "runs", "spring", keys, SHANGHAI) is None
