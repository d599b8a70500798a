"""A store from before recordings were sealed: read as they lie, sealed at the next start."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from sqlalchemy import delete

from tests.campaign.site import LedgerSite, build, row
from tests.records.conftest import dialled, record_of, recorded, seal
from tests.records.test_retention import YEAR_S, retention
from voicebot.call.recording_file import open_recording
from voicebot.campaign.plain_recordings import seal_plain
from voicebot.campaign.salvage import salvage, unsettled
from voicebot.clock import ManualClock
from voicebot.quality.calls import find_recording
from voicebot.store.audit_check import check
from voicebot.store.bindings import recording_binding
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import RecordingRow
from voicebot.store.recordings import open_kept, recording_of
from voicebot.store.records import load_record, save_record
from voicebot.store.sealed_file import open_sealed


@pytest.fixture
def site(clock: ManualClock, keys: KeyRing, tmp_path: Path) -> LedgerSite:
    return build(Store.open(f"sqlite:///{tmp_path / 'store.db'}", keys), clock, tmp_path, lambda: True)


@pytest.fixture
def old(site: LedgerSite, tmp_path: Path) -> tuple[str, Path]:
    """An attempt, and its plain recording: as migration 0010 finds them."""
    claim = site.claim_one(site.enrol(row(1)))
    site.dial(claim)
    recording = recorded(site, tmp_path / "runs" / "spring" / "one" / "recordings", claim.attempt_id)
    sealed = Path(recording.path)
    plain = sealed.with_suffix("")
    with open_sealed(sealed, site.store.keys, recording_binding(claim.attempt_id)) as audio:
        plain.write_bytes(audio.read())
    sealed.unlink()
    record = record_of(site, claim, recording.model_copy(update={"path": str(plain)}))
    save_record(site.store, record)
    with site.store.begin() as connection:
        connection.execute(delete(RecordingRow))
    return claim.attempt_id, plain


def test_a_plain_one_is_read_as_it_lies(site: LedgerSite, old: tuple[str, Path]) -> None:
    attempt_id, plain = old
    recording = load_record(site.store, attempt_id).recording
    assert recording is not None
    with open_recording(recording, attempt_id, site.store.keys) as audio:
        assert audio.read() == plain.read_bytes()
    with open_kept(find_recording(site.store, attempt_id), site.store.keys) as audio:
        assert audio.read() == plain.read_bytes()


@pytest.mark.parametrize("breaks", ["", "after the seal", "after the row"])
def test_a_start_seals_it(
    site: LedgerSite, old: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    attempt_id, plain = old
    whole = plain.read_bytes()

    class Died(BaseException):
        pass

    def dies(*_: object, **__: object) -> None:
        raise Died

    if breaks:
        with monkeypatch.context() as patch:
            if breaks == "after the seal":
                patch.setattr("voicebot.campaign.plain_recordings.keep_late", dies)
            else:
                patch.setattr(Path, "unlink", dies)
            with pytest.raises(Died):
                seal_plain(unsettled(tmp_path / "runs"), site.store, site.clock)
    assert seal_plain(unsettled(tmp_path / "runs"), site.store, site.clock) == [attempt_id]
    assert salvage(unsettled(tmp_path / "runs"), site.store, site.clock) == []
    assert not plain.exists()
    kept = recording_of(site.store, attempt_id)
    assert kept is not None and kept.sha256 == hashlib.sha256(whole).hexdigest() and kept.seconds == 1.2
    with open_kept(kept, site.store.keys) as audio:
        assert audio.read() == whole
    assert load_record(site.store, attempt_id).recording.path == str(kept.file)  # type: ignore[union-attr]
    seal(site, tmp_path)
    assert check(site.store).faults == []
    assert seal_plain(unsettled(tmp_path / "runs"), site.store, site.clock) == []


def test_one_that_was_changed_is_not_made_good(
    site: LedgerSite, old: tuple[str, Path], tmp_path: Path
) -> None:
    _attempt_id, plain = old
    plain.write_bytes(plain.read_bytes()[:-1] + b"\1")
    seal_plain(unsettled(tmp_path / "runs"), site.store, site.clock)
    seal(site, tmp_path)
    (fault,) = check(site.store).faults
    assert fault.why == "changed"


def test_one_that_broke_off_is_sealed_as_far_as_it_can_be_read(site: LedgerSite, tmp_path: Path) -> None:
    """The FLAC of a process that died: its header knows no length."""
    folder = tmp_path / "runs" / "spring" / "one" / "recordings"
    folder.mkdir(parents=True)
    attempt_id = dialled(site)
    dead = tmp_path / "dead.flac"
    noise = np.random.default_rng(1).integers(-9000, 9000, (80000, 2), "int16")
    with sf.SoundFile(dead, "w", 8000, 2, "PCM_16", format="FLAC") as sound:
        sound.write(noise)
        (folder / f"{attempt_id}.part.flac").write_bytes(dead.read_bytes())
    assert seal_plain(unsettled(tmp_path / "runs"), site.store, site.clock) == [attempt_id]
    kept = recording_of(site.store, attempt_id)
    assert kept is not None and [file.name for file in folder.iterdir()] == [kept.file.name]
    with open_kept(kept, site.store.keys) as audio:
        samples, _rate = sf.read(audio, dtype="int16")
    assert 8.0 < kept.seconds == round(len(samples) / 8000, 2)
    assert np.array_equal(samples, noise[: len(samples)])
    seal(site, tmp_path)
    assert check(site.store).faults == []


def test_another_stores_stay(
    old: tuple[str, Path], clock: ManualClock, keys: KeyRing, tmp_path: Path
) -> None:
    other = Store.open(f"sqlite:///{tmp_path / 'other.db'}", keys)
    assert seal_plain(unsettled(tmp_path / "runs"), other, clock) == []
    other.close()
    assert old[1].is_file()


def test_a_folder_is_settled_when_no_plain_one_is_left(
    site: LedgerSite, old: tuple[str, Path], tmp_path: Path
) -> None:
    """A look for what was left of dead processes does not settle it while a plain recording lies there."""
    runs, folder = tmp_path / "runs", old[1].parent
    for _start in range(2):
        assert salvage(unsettled(runs), site.store, site.clock) == [] and unsettled(runs) == [folder]
    assert seal_plain(unsettled(runs), site.store, site.clock) == [old[0]]
    assert salvage(unsettled(runs), site.store, site.clock) == []
    os.utime(folder, (1, 1))  # the stamp and the folder's time may fall on one tick of the clock
    assert unsettled(runs) == []
    (folder / "of-another-store.flac").write_bytes(b"")
    assert unsettled(runs) == [folder]


@pytest.mark.parametrize("started", [False, True])
def test_its_time_comes_whether_a_run_was_started_or_not(
    site: LedgerSite, old: tuple[str, Path], tmp_path: Path, started: bool
) -> None:
    if started:
        seal_plain(unsettled(tmp_path / "runs"), site.store, site.clock)
    site.clock.advance(6 * YEAR_S)
    gone = retention(site)
    (one,) = gone.due()
    gone.delete(one, "zhao")
    assert list(tmp_path.rglob(f"{old[0]}*")) == [] and list(gone.due()) == []
    seal(site, tmp_path)
    assert check(site.store).faults == []
