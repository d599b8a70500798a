"""Nothing goes before its time or under a hold; what goes is written down, and the chain still holds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from handoff.desk.call_log import CallLog
from tests.campaign.site import INSTITUTION, LedgerSite, build
from tests.records.conftest import calls, seal
from voicebot.call.recording_file import part_file
from voicebot.campaign.retention import NotHere, Retention
from voicebot.campaign.salvage import salvage, unsettled
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.settings import load_site
from voicebot.store.audit_check import check
from voicebot.store.case_marks import CaseMarks
from voicebot.store.chained_evidence import DELETED
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import AuditRow, DeskCallRow
from voicebot.store.records import load_record

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


def unlinks_nothing(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_file_that_stayed_goes_with_the_next_run(
    site: LedgerSite, called: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine stopped, or did not let it go, after the link was written."""
    site.clock.advance(6 * YEAR_S)
    first = next(iter(retention(site).due()))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlinks_nothing)
        with pytest.raises(PermissionError):
            retention(site).delete(first, "zhao")
    again = next(one for one in retention(site).due() if one.attempt_id == first.attempt_id)
    assert again.may_go and again.file == first.file
    retention(site).delete(again, "zhao")
    assert not list(tmp_path.rglob(f"{first.attempt_id}*"))
    assert first.attempt_id not in [one.attempt_id for one in retention(site).due()]
    with site.store.reading() as connection:
        links = connection.execute(select(AuditRow.subject).where(AuditRow.kind == DELETED)).all()
    assert links == [(first.attempt_id,)], "deleted once, told once"


def test_samples_of_a_deleted_call_are_not_salvaged(
    site: LedgerSite, called: list[str], tmp_path: Path
) -> None:
    site.clock.advance(6 * YEAR_S)
    first = next(iter(retention(site).due()))
    folder = tmp_path / "runs" / "recordings"
    folder.mkdir()
    part = part_file(folder, first.attempt_id, "flac")
    retention(site).delete(first, "zhao")
    part.write_bytes(bytes(64000))
    assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == [] and part.is_file()


def test_what_is_not_on_this_machine_stays_whole_and_is_named(
    site: LedgerSite, called: list[str], tmp_path: Path
) -> None:
    site.clock.advance(6 * YEAR_S)
    first = next(iter(retention(site).due()))
    assert first.file is not None
    elsewhere = tmp_path / "another machine"
    first.file.rename(elsewhere)
    with pytest.raises(NotHere, match=first.attempt_id):
        retention(site).delete(first, "zhao")
    assert load_record(site.store, first.attempt_id).attempt_id == first.attempt_id
    retention(site).delete(first, "zhao", lost=True)
    assert first.attempt_id not in [one.attempt_id for one in retention(site).due()]
    elsewhere.rename(first.file)
    assert first.attempt_id in [one.attempt_id for one in retention(site).due()], "it was not lost"


def card(attempt_id: str) -> Any:
    """What the log takes of a card."""
    known = {"case_id": "case-1", "phone_masked": "138****0001", "queue": "q", "reason": "asked"}
    return SimpleNamespace(attempt_id=attempt_id, **known)


def test_what_the_agent_wrote_of_the_debtor_goes_too(site: LedgerSite, called: list[str]) -> None:
    log = CallLog(site.store, site.clock)
    numbers = [log.offered("lin", "spring", card(attempt_id)) for attempt_id in called[:2]]
    for number in numbers:
        log.wrapped_up(number, "lin", "PTP", {"remark": "住在…"}, effects_due=False)
    site.clock.advance(6 * YEAR_S)
    gone = retention(site)
    gone.delete(next(one for one in gone.due() if one.attempt_id == called[0]), "zhao")
    with site.store.reading() as connection:
        rows = connection.execute(select(DeskCallRow.attempt_id, DeskCallRow.form_ct)).all()
    assert {row.attempt_id: row.form_ct is None for row in rows} == {called[0]: True, called[1]: False}


def test_a_products_own_years_never_below_the_packs_bound(site: LedgerSite, called: list[str]) -> None:
    assert retention(site, 信用卡=3)
    with pytest.raises(InputError, match="looser than policy pack"):
        retention(site, 信用卡=1)
