"""The hold chime: a file that the C-side player takes, quiet, tonal, and whole at its seam."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from handoff.hold import CHIME_HZ, LOOP_S, RATE_HZ, hold_tone


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float) / 32768


def test_the_chime_is_soft_and_made_of_its_two_notes(tmp_path: Path) -> None:
    heard = samples_of(hold_tone(tmp_path / "prompts" / "hold.wav"))
    assert len(heard) == LOOP_S * RATE_HZ
    assert 0.05 < np.max(np.abs(heard)) < 0.15
    spectrum = np.abs(np.fft.rfft(heard))
    hz = np.fft.rfftfreq(len(heard), 1 / RATE_HZ)
    for note in CHIME_HZ:
        near = spectrum[np.abs(hz - note) < 3].max()
        assert near > 20 * np.median(spectrum)


def test_the_loop_has_no_click_at_its_seam(tmp_path: Path) -> None:
    heard = samples_of(hold_tone(tmp_path / "hold.wav"))
    assert abs(heard[-1] - heard[0]) < 0.001


def test_a_hold_file_that_is_there_is_kept(tmp_path: Path) -> None:
    path = hold_tone(tmp_path / "hold.wav")
    before = path.stat().st_mtime_ns
    hold_tone(path)
    assert path.stat().st_mtime_ns == before
    assert [one.name for one in tmp_path.iterdir()] == ["hold.wav"]
