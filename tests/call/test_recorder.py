"""The stereo recording: left is ours, right is theirs, one file, sealed at hang-up."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from voicebot.call import recorder as recording
from voicebot.call.recorder import Recorder
from voicebot.store.bindings import recording_binding
from voicebot.store.encryption import KeyRing, Unreadable
from voicebot.store.sealed_file import CHUNK, content_digest, open_sealed, rewrap


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys.json")


def tone(hertz: float, tick: int) -> bytes:
    at = (np.arange(160) + tick * 160) / 8000
    return (np.sin(2 * np.pi * hertz * at) * 8000).astype("<i2").tobytes()


def record(folder: Path, keys: KeyRing, ticks: int = 125) -> Recorder:
    recorder = Recorder(folder, "a", keys)
    for tick in range(ticks):
        recorder.on_tick(tone(440, tick), tone(1000, tick) if tick >= 50 else bytes(320), tick * 0.02)
    return recorder


def test_both_sides_stay_aligned_and_the_digest_is_of_the_audio(tmp_path: Path, keys: KeyRing) -> None:
    sealed = record(tmp_path, keys).seal()
    assert sealed is not None and sealed.sealed
    with open_sealed(Path(sealed.path), keys, recording_binding("a")) as audio:
        assert sealed.sha256 == hashlib.sha256(audio.read()).hexdigest()
        audio.seek(0)
        samples, rate = sf.read(audio, dtype="int16")
    assert rate == 8000
    assert samples.shape == (125 * 160, 2)
    assert not samples[: 50 * 160, 0].any()
    assert samples[50 * 160 :, 0].tobytes() == b"".join(tone(1000, tick) for tick in range(50, 125))
    assert samples[:, 1].tobytes() == b"".join(tone(440, tick) for tick in range(125))
    assert sealed.seconds == 2.5
    assert sealed.gaps == 0


def test_nothing_of_it_lies_open_after_hang_up(tmp_path: Path, keys: KeyRing) -> None:
    sealed = record(tmp_path, keys).seal()
    assert sealed is not None
    assert {file.name for file in tmp_path.iterdir()} == {"a.flac.sealed", "keys.json"}
    with pytest.raises(sf.LibsndfileError):
        sf.read(sealed.path)
    with pytest.raises(Unreadable):
        open_sealed(Path(sealed.path), keys, recording_binding("another call"))


def test_opus_takes_less_room(tmp_path: Path, keys: KeyRing) -> None:
    noise = np.random.default_rng(5)
    sizes = {}
    for form in ("flac", "opus"):
        recorder = Recorder(tmp_path, form, keys, form)  # type: ignore[arg-type]
        for tick in range(250):
            speech = (noise.normal(size=160) * 3000).astype("<i2").tobytes()
            recorder.on_tick(speech, bytes(320), tick * 0.02)
        sealed = recorder.seal()
        assert sealed is not None
        with (
            open_sealed(Path(sealed.path), keys, recording_binding(form)) as audio,
            sf.SoundFile(audio) as file,
        ):
            assert file.channels == 2 and abs(len(file) / file.samplerate - 5) < 0.1
        sizes[form] = Path(sealed.path).stat().st_size
    assert sizes["opus"] < sizes["flac"] / 2


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_changed_byte_or_a_cut_is_found_wherever_it_is(tmp_path: Path, keys: KeyRing, size: int) -> None:
    from voicebot.store.sealed_file import seal_file

    plain, sealed, harmed = (tmp_path / name for name in ("plain", "sealed", "harmed"))
    plain.write_bytes(np.random.default_rng(size).bytes(size))
    digest = seal_file(plain, sealed, keys, "x")
    assert content_digest(sealed, keys, "x") == digest == hashlib.sha256(plain.read_bytes()).hexdigest()
    whole = sealed.read_bytes()
    places = [0, 8, 20, 70, 131, 255, 256, len(whole) // 2, len(whole) - 1]
    versions = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in places]
    versions += [whole[:-1], whole[:-16], whole[:-17], whole[:256], whole + b"x"]
    for version in versions:
        harmed.write_bytes(version)
        with pytest.raises(Unreadable):
            content_digest(harmed, keys, "x")


def test_a_new_key_takes_over_without_the_old_one(tmp_path: Path, keys: KeyRing) -> None:
    sealed = record(tmp_path, keys).seal()
    assert sealed is not None
    path, bound = Path(sealed.path), recording_binding("a")
    rotated = keys.rotated()
    assert rewrap(path, rotated, bound)
    assert not rewrap(path, rotated, bound)
    rotated.save(tmp_path / "new.json")
    ring = json.loads((tmp_path / "new.json").read_text())
    del ring["keys"]["1"]
    (tmp_path / "new.json").write_text(json.dumps(ring))
    assert content_digest(path, KeyRing.load(tmp_path / "new.json"), bound) == sealed.sha256
    with pytest.raises(Unreadable):
        content_digest(path, keys, bound)


@pytest.mark.parametrize("torn", [0, 1])
def test_one_place_of_the_data_key_that_opens_is_enough(tmp_path: Path, keys: KeyRing, torn: int) -> None:
    """A power cut while keys are rotated: one wrapping is whole.  Wrapping again makes the file whole."""
    sealed = record(tmp_path, keys).seal()
    assert sealed is not None
    path, bound = Path(sealed.path), recording_binding("a")
    rotated = keys.rotated()
    data = bytearray(path.read_bytes())
    assert rewrap(path, rotated, bound)
    data[69:130] = path.read_bytes()[69:130]
    data[(8, 69)[torn] + 40] ^= 1
    path.write_bytes(data)
    with open_sealed(path, rotated, bound) as audio:
        assert hashlib.file_digest(audio, "sha256").hexdigest() == sealed.sha256
    with pytest.raises(Unreadable):
        content_digest(path, rotated, bound)
    assert rewrap(path, rotated, bound)
    assert content_digest(path, rotated, bound) == sealed.sha256
    data[8 + 61 * (1 - torn) + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(Unreadable):
        open_sealed(path, rotated, bound)


def test_ticks_that_bunch_up_and_catch_up_are_no_gap_but_lost_time_is(tmp_path: Path, keys: KeyRing) -> None:
    bunched = Recorder(tmp_path, "b", keys)
    for tick in range(100):
        late = 0.3 if 20 <= tick < 30 else 0.0
        bunched.on_tick(bytes(320), bytes(320), tick * 0.02 + late)
    sealed = bunched.seal()
    assert sealed is not None and sealed.gaps == 0
    lost = Recorder(tmp_path, "c", keys)
    for tick in range(100):
        lost.on_tick(bytes(320), bytes(320), tick * 0.02 + (0.5 if tick >= 50 else 0.0))
    sealed = lost.seal()
    assert sealed is not None and sealed.gaps == 1


def test_an_unanswered_call_leaves_no_file(tmp_path: Path, keys: KeyRing) -> None:
    Recorder(tmp_path / "calls", "d", keys).discard()
    assert list((tmp_path / "calls").iterdir()) == []


def test_no_recorder_no_call(tmp_path: Path, keys: KeyRing) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        Recorder(tmp_path / "file", "e", keys)


def test_a_full_disk_at_hang_up_loses_no_sample(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recording, "finish", full)
    kept = record(tmp_path, keys).seal()
    assert kept is not None and not kept.sealed
    assert hashlib.sha256(Path(kept.path).read_bytes()).hexdigest() == kept.sha256
    assert Path(kept.path).stat().st_size == 125 * 160 * 4
