"""The stereo recording: left is ours, right is theirs, one file, sealed with its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from voicebot.call.recorder import Recorder


def tone(hertz: float, tick: int) -> bytes:
    at = (np.arange(160) + tick * 160) / 8000
    return (np.sin(2 * np.pi * hertz * at) * 8000).astype("<i2").tobytes()


def test_both_sides_stay_aligned_and_the_digest_is_of_the_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.flac")
    for tick in range(125):
        recorder.on_tick(tone(440, tick), tone(1000, tick) if tick >= 50 else bytes(320), tick * 0.02)
    sealed = recorder.seal()
    samples, rate = sf.read(sealed.path, dtype="int16")
    assert rate == 8000
    assert samples.shape == (125 * 160, 2)
    assert not samples[: 50 * 160, 0].any()
    assert samples[50 * 160 :, 0].tobytes() == b"".join(tone(1000, tick) for tick in range(50, 125))
    assert samples[:, 1].tobytes() == b"".join(tone(440, tick) for tick in range(125))
    assert sealed.sha256 == hashlib.sha256((tmp_path / "a.flac").read_bytes()).hexdigest()
    assert sealed.seconds == 2.5
    assert sealed.gaps == 0


def test_ticks_that_bunch_up_and_catch_up_are_no_gap_but_lost_time_is(tmp_path: Path) -> None:
    bunched = Recorder(tmp_path / "b.flac")
    for tick in range(100):
        late = 0.3 if 20 <= tick < 30 else 0.0
        bunched.on_tick(bytes(320), bytes(320), tick * 0.02 + late)
    assert bunched.seal().gaps == 0
    lost = Recorder(tmp_path / "c.flac")
    for tick in range(100):
        lost.on_tick(bytes(320), bytes(320), tick * 0.02 + (0.5 if tick >= 50 else 0.0))
    assert lost.seal().gaps == 1


def test_an_unanswered_call_leaves_no_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "d.flac")
    recorder.discard()
    assert list(tmp_path.iterdir()) == []


def test_no_recorder_no_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        Recorder(tmp_path / "file" / "e.flac")
