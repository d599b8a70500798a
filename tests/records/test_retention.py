"""Nothing goes before its time or under a hold; what goes is written down, and the chain still holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.site import INSTITUTION, LedgerSite, build
from tests.records.conftest import calls, seal
from voicebot.campaign.retention import Retention
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.settings import load_site
from voicebot.store.audit_check import check
from voicebot.store.case_marks import CaseMarks
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

YEAR_S = 366 * 86400


@pytest.fixture
def site(clock: ManualClock, keys: KeyRing, tmp_path: Path) -> LedgerSite:
    return build(Store.open(f"sqlite:///{tmp_path / 'store.db'}", keys), clock, tmp_path, lambda: True)


@pytest.fixture
def called(site: LedgerSite, tmp_path: Path) -> list[str]:
    made = calls(site, tmp_path / "runs", 3)
    seal(site, tmp_path)
    return made


def retention(site: LedgerSite, **years: int) -> Retention:
    loaded = load_site(Path("configs/site.yaml"))
    recording = loaded.recording.model_copy(update={"retention_years": years})
    return Retention(site.store, loaded.model_copy(update={"recording": recording}), site.clock)


def test_nothing_goes_before_five_years_or_under_a_hold(site: LedgerSite, called: list[str]) -> None:
    site.clock.advance(3 * YEAR_S)
    assert [one.decision.refusals[0].reason for one in retention(site).due()] == ["RETENTION"] * 3
    CaseMarks(site.store, site.clock).set(INSTITUTION, "case-2", "legal_hold", made_by="zhao")
    site.clock.advance(2 * YEAR_S)
    assert [one.attempt_id for one in retention(site).due() if one.may_go] == [called[0], called[2]]
    held = next(one for one in retention(site).due() if one.attempt_id == called[1])
    with pytest.raises(ValueError, match="RETENTION"):
        retention(site).delete(held, "zhao")


def test_what_is_deleted_is_written_down_and_the_chain_holds(
    site: LedgerSite, called: list[str], tmp_path: Path
) -> None:
    site.clock.advance(6 * YEAR_S)
    gone = retention(site)
    first = next(iter(gone.due()))
    gone.delete(first, "zhao")
    gone.delete(first, "zhao")  # a run that broke off is repeated
    assert not list(tmp_path.rglob(f"{first.attempt_id}*.sealed"))
    assert [one.attempt_id for one in gone.due()] == [one for one in called if one != first.attempt_id]
    seal(site, tmp_path)
    assert check(site.store).faults == []
    for other in list(gone.due()):
        assert other.file is not None
        other.file.unlink()
    assert len(check(site.store).faults) == 2, "gone without a word is found"


def test_a_products_own_years_never_below_the_packs_bound(site: LedgerSite, called: list[str]) -> None:
    assert retention(site, 信用卡=3)
    with pytest.raises(InputError, match="looser than policy pack"):
        retention(site, 信用卡=1)
