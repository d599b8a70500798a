"""kill -9 in every state of a recorded call: what was on the disk is sealed and marked at the next start."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile as sf

from tests.campaign.site import LedgerSite, build, row
from tests.records.conftest import dialled, died, record_of, recorded, seal
from tests.records.killed_recorder import MOMENTS, TICKS
from voicebot.call.recorder import Recorder
from voicebot.call.recording_file import finish, part_file
from voicebot.campaign.salvage import salvage, unsettled
from voicebot.clock import ManualClock
from voicebot.store.audit_check import check
from voicebot.store.bindings import recording_binding
from voicebot.store.checkpoints import Checkpoints
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.recordings import recording_of
from voicebot.store.records import save_record
from voicebot.store.sealed_file import open_sealed, seal_file

SECOND = 50
"""Ticks of one write."""


@pytest.fixture
def site(clock: ManualClock, keys: KeyRing, tmp_path: Path) -> LedgerSite:
    return build(Store.open(f"sqlite:///{tmp_path / 'store.db'}", keys), clock, tmp_path, lambda: True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_recording_survives_kill_9(site: LedgerSite, tmp_path: Path, moment: str) -> None:
    attempt_id, folder = dialled(site), tmp_path / "runs" / "spring" / "one" / "recordings"
    command = [sys.executable, "-m", "tests.records.killed_recorder", folder, attempt_id]
    died = subprocess.run([*command, tmp_path / "keys.json", moment], check=False)
    assert died.returncode == -9
    found = salvage(unsettled(tmp_path / "runs"), site.store, site.clock)
    if moment == "opened":
        assert found == [] and [file for file in folder.iterdir() if not file.name.startswith(".")] == []
        return
    ticks = SECOND if moment == "talking" else TICKS // SECOND * SECOND if moment == "hung up" else TICKS
    (one,) = found
    assert one.seconds == ticks * 0.02
    kept = recording_of(site.store, attempt_id)
    assert kept is not None and (kept.state, kept.file) == ("salvaged", one.file)
    with open_sealed(one.file, site.store.keys, recording_binding(attempt_id)) as audio:
        samples, _rate = sf.read(audio, dtype="int16")
    assert samples[0].tolist() == [0x0200, 0x0100] and len(samples) == ticks * 160
    assert [file.name for file in folder.iterdir() if not file.name.startswith(".")] == [one.file.name]
    seal(site, tmp_path)
    verdict = check(site.store)
    assert verdict.faults == [] and verdict.recordings == 1
    assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == [], "once is enough"


def test_a_call_in_progress_and_another_stores_are_left_alone(site: LedgerSite, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "spring" / "one" / "recordings"
    live = Recorder(folder, dialled(site), site.store.keys)
    live.on_tick(bytes(320), bytes(320), 0.0)
    for tick in range(60):
        live.on_tick(bytes(320), bytes(320), tick * 0.02)
    part_file(folder, "of-another-store", "flac").write_bytes(bytes(64000))
    assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == []
    assert live.seal() is not None
    assert part_file(folder, "of-another-store", "flac").is_file()


def test_a_sealed_one_that_was_reported_stays_as_it_is(site: LedgerSite, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "spring" / "one" / "recordings"
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    save_record(site.store, record_of(site, claim, recorded(site, folder, claim.attempt_id)))
    assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == []
    kept = recording_of(site.store, claim.attempt_id)
    assert kept is not None and kept.state == "sealed"


def test_the_same_record_twice_is_kept_once(site: LedgerSite, tmp_path: Path) -> None:
    """An outcome that was written just before its process died is written again by the next one."""
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    record = record_of(site, claim, recorded(site, tmp_path / "runs", claim.attempt_id))
    save_record(site.store, record)
    save_record(site.store, record)
    seal(site, tmp_path)
    assert check(site.store).records == 1
    save_record(site.store, record.model_copy(update={"hold": "open_dispute"}))
    seal(site, tmp_path)
    assert check(site.store).faults == []


def test_what_another_store_does_not_know_waits_for_its_own(
    site: LedgerSite, clock: ManualClock, keys: KeyRing, tmp_path: Path
) -> None:
    """A real run dies, then a simulation with a store of its own starts, then a real run."""
    attempt_id, _part = died(site, tmp_path / "runs" / "spring" / "one" / "recordings")
    simulated = Store.open(f"sqlite:///{tmp_path / 'simulated.db'}", keys)
    for _start in range(2):
        assert salvage(unsettled(tmp_path / "runs"), simulated, clock) == []
    simulated.close()
    assert [one.attempt_id for one in salvage(unsettled(tmp_path / "runs"), site.store, clock)] == [
        attempt_id
    ]


@pytest.mark.parametrize(
    ("lies", "full"), [("samples", "finish"), ("sealed", "content_digest"), ("both", "content_digest")]
)
def test_a_disk_that_is_still_full_at_the_next_start(
    site: LedgerSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lies: str, full: str
) -> None:
    """No room for the sealed copy, or an error while it is read: the start after that salvages it."""
    attempt_id, part = died(site, tmp_path / "runs" / "spring" / "one" / "recordings")
    samples = part.read_bytes()
    if lies != "samples":
        finish(part, site.store.keys)
    if lies == "both":
        part.write_bytes(samples)
    with monkeypatch.context() as patch:
        patch.setattr(f"voicebot.campaign.salvage.{full}", raising(OSError(28, "No space left on device")))
        for _start in range(2):
            assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == []
    assert [one.attempt_id for one in salvage(unsettled(tmp_path / "runs"), site.store, site.clock)] == [
        attempt_id
    ]
    seal(site, tmp_path)
    assert check(site.store).faults == []


def raising(fault: Exception) -> Callable[..., object]:
    def fails(*_: object) -> object:
        raise fault

    return fails


def test_a_power_cut_after_another_process_looked(site: LedgerSite, tmp_path: Path) -> None:
    """The samples grow without the folder's time: a look at live calls must not settle the folder."""
    folder = tmp_path / "runs" / "spring" / "one" / "recordings"
    attempt_id, part = died(site, folder)
    with part.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for _start in range(2):
            assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == []
    assert [one.attempt_id for one in salvage(unsettled(tmp_path / "runs"), site.store, site.clock)] == [
        attempt_id
    ]


def test_what_waited_for_room_and_was_sealed_just_before_a_crash(site: LedgerSite, tmp_path: Path) -> None:
    """The record says `unsealed`, the sealed file lies there: the row follows."""
    folder = tmp_path / "runs" / "spring" / "one" / "recordings"
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    recording = recorded(site, folder, claim.attempt_id)
    waits = {"path": recording.path.replace(".sealed", ".part.pcm"), "sealed": False}
    save_record(site.store, record_of(site, claim, recording.model_copy(update=waits)))
    assert len(salvage(unsettled(tmp_path / "runs"), site.store, site.clock)) == 1
    kept = recording_of(site.store, claim.attempt_id)
    assert kept is not None and (kept.state, str(kept.file)) == ("salvaged", recording.path)


def test_a_sealed_one_that_is_no_sound_stops_no_run(site: LedgerSite, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "spring" / "one" / "recordings"
    attempt_id = dialled(site)
    folder.mkdir(parents=True)
    (tmp_path / "noise").write_bytes(b"no sound at all" * 99)
    file = folder / f"{attempt_id}.flac.sealed"
    seal_file(tmp_path / "noise", file, site.store.keys, recording_binding(attempt_id))
    assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == []
    assert file.is_file()


def test_a_sealed_one_that_is_damaged_stops_no_run(site: LedgerSite, tmp_path: Path) -> None:
    """Sealed, never reported, and then changed: it is left where it lies, and the start goes on."""
    folder = tmp_path / "runs" / "spring" / "one" / "recordings"
    file = Path(recorded(site, folder, dialled(site)).path)
    file.write_bytes(file.read_bytes()[:-1])
    assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == []
    assert file.is_file()


def test_a_checkpoint_that_cannot_be_copied_is_signed_all_the_same(site: LedgerSite, tmp_path: Path) -> None:
    dialled(site)
    (tmp_path / "in the way").write_text("")
    assert Checkpoints(site.store, site.clock, tmp_path / "in the way" / "file").sign_all() is not None
    assert check(site.store).checkpoints == 1
