"""Packages about calls that broke off, waited for room on the disk, or were deleted in order."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from sqlalchemy import delete

from tests.campaign.site import LedgerSite, build, row
from tests.records.conftest import calls, dialled, died, record_of, seal
from tests.records.test_retention import YEAR_S, retention
from voicebot.call.record import CallRecord
from voicebot.call.recorder import Recorder
from voicebot.campaign.ledger import Claim
from voicebot.campaign.salvage import salvage, unsettled
from voicebot.clock import ManualClock
from voicebot.quality.call_page import read_call
from voicebot.quality.calls import list_calls
from voicebot.quality.evidence import export
from voicebot.quality.evidence_check import check_package
from voicebot.store.audit_check import check
from voicebot.store.checkpoints import site_keys
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import RecordRow
from voicebot.store.recordings import recording_of
from voicebot.store.records import load_record, save_record


@pytest.fixture
def site(clock: ManualClock, keys: KeyRing, tmp_path: Path) -> LedgerSite:
    return build(Store.open(f"sqlite:///{tmp_path / 'store.db'}", keys), clock, tmp_path, lambda: True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "spring" / "one" / "recordings"


def exported(site: LedgerSite, tmp_path: Path, attempt_id: str) -> tuple[set[str], str, tuple[str, ...]]:
    """Names of the files of the call, the cover, and what is wrong with the package."""
    file = tmp_path / f"{len(list(tmp_path.glob('*.zip')))}.zip"
    export(site.store, site.clock, attempt_id, file, "zhao", "complaint", None)
    with zipfile.ZipFile(file) as package:
        names = {name for name in package.namelist() if attempt_id in name}
        page = package.read("cover.html").decode()
    faults = check_package(file, site_keys(site.store.keys)).faults
    return {name.rpartition("/")[2] for name in names}, page, faults


def test_a_call_that_was_killed_gives_its_sound(site: LedgerSite, tmp_path: Path, folder: Path) -> None:
    attempt_id, _part = died(site, folder)
    salvage(unsettled(tmp_path / "runs"), site.store, site.clock)
    names, page, faults = exported(site, tmp_path, attempt_id)
    assert names == {"decisions.json", "recording.flac"} and faults == ()
    assert attempt_id in page and "只有录音" in page


def test_sound_that_is_away_is_never_left_out_in_silence(
    site: LedgerSite, tmp_path: Path, folder: Path
) -> None:
    attempt_id, _part = died(site, folder)
    (one,) = salvage(unsettled(tmp_path / "runs"), site.store, site.clock)
    one.file.unlink()
    names, _page, faults = exported(site, tmp_path, attempt_id)
    assert "recording-missing.txt" in names
    assert faults == (f"calls/{attempt_id}: its recording is missing",)


def waits(site: LedgerSite, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, CallRecord]:
    """A call at whose end the disk was full."""
    claim: Claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    recorder = Recorder(folder, claim.attempt_id, site.store.keys)
    for tick in range(60):
        recorder.on_tick(bytes([tick, 1]) * 160, bytes([tick, 2]) * 160, tick * 0.02)

    def full(*_: object) -> object:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("voicebot.call.recorder.finish", full)
        recording = recorder.seal()
    assert recording is not None and not recording.sealed
    record = record_of(site, claim, recording)
    save_record(site.store, record)
    return claim.attempt_id, record


def test_a_call_that_waited_for_room_is_proved_before_and_after(
    site: LedgerSite, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt_id, record = waits(site, folder, monkeypatch)
    names, _page, faults = exported(site, tmp_path, attempt_id)
    assert "recording.pcm" in names and faults == ()
    salvage(unsettled(tmp_path / "runs"), site.store, site.clock)
    names, _page, faults = exported(site, tmp_path, attempt_id)
    assert "recording.flac" in names and faults == ()
    assert check(site.store).faults == []
    (loaded,) = list_calls(site.store)
    assert loaded == load_record(site.store, attempt_id) != record
    page = read_call(loaded, keys=site.store.keys)
    assert page.sound is not None and page.sound.note == ""


def test_a_call_that_was_deleted_in_order(site: LedgerSite, tmp_path: Path) -> None:
    attempt_id, *_others = calls(site, tmp_path / "runs", 2)
    seal(site, tmp_path)
    site.clock.advance(6 * YEAR_S)
    gone = retention(site)
    gone.delete(next(one for one in gone.due() if one.attempt_id == attempt_id), "zhao")
    names, page, faults = exported(site, tmp_path, attempt_id)
    assert names == {"decisions.json"} and faults == ()
    assert "已删除" in page


def test_a_record_that_went_without_a_link_is_told(site: LedgerSite, tmp_path: Path) -> None:
    attempt_id, *_others = calls(site, tmp_path / "runs", 1)
    with site.store.begin() as connection:
        connection.execute(delete(RecordRow))
    _names, _page, faults = exported(site, tmp_path, attempt_id)
    assert faults == (f"calls/{attempt_id}/record.json: missing",)


def test_a_call_without_anything_has_no_recording(site: LedgerSite, tmp_path: Path) -> None:
    attempt_id = dialled(site)
    assert recording_of(site.store, attempt_id) is None
    names, _page, faults = exported(site, tmp_path, attempt_id)
    assert names == {"decisions.json"} and faults == ()
