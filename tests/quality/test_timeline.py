"""The picture holds every turn, every answer time and every step of the handoff, and costs little."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile as sf

from voicebot.call.record import CallRecord, Turn
from voicebot.call.recording_file import open_recording
from voicebot.quality.envelope import read_envelope
from voicebot.quality.timeline import TimelinePicture, draw_timeline
from voicebot.store.encryption import KeyRing
from voicebot.store.states import Disposition

SVG = "{http://www.w3.org/2000/svg}"


def drawn(record: CallRecord) -> TimelinePicture:
    if record.recording is None:
        return draw_timeline(record, None)
    with open_recording(record.recording, record.attempt_id, KeyRing(1, {1: bytes(32)}, bytes(32))) as audio:
        sound = read_envelope(audio)
    return draw_timeline(record, sound)


def texts(picture: TimelinePicture) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")]


def test_each_turn_is_a_band_with_its_number(records: list[CallRecord]) -> None:
    picture = drawn(records[0])
    ids = {node.get("id") for node in ElementTree.fromstring(picture.svg).iter()}
    assert {f"turn-{number}" for number in range(1, 10)} <= ids
    numbers = [text.split()[0] for text in texts(picture) if text[:1].isdigit() and ":" not in text]
    assert {str(number) for number in range(1, 10)} <= set(numbers)


def test_answer_times_barge_in_and_handoff_are_written(records: list[CallRecord]) -> None:
    words = texts(drawn(records[0]))
    assert {"600", "720", "1600", "520", "barge-in"} <= set(words)
    assert {"asked", "ringing", "whisper", "bridged"} <= set(texts(drawn(records[1])))


def test_early_media_lies_before_zero(records: list[CallRecord]) -> None:
    picture = drawn(records[2])
    assert picture.start_s == pytest.approx(-5.2)
    assert "−0:05" in texts(picture)


def test_the_picture_follows_the_scheme_of_the_page(records: list[CallRecord]) -> None:
    svg = drawn(records[1]).svg
    assert svg.startswith("<svg") and "<?xml" not in svg
    for name in ("bot", "agent", "callee", "ink"):
        assert f"var(--{name}, #" in svg
    assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]\b", svg), "a colour was not replaced"


def test_the_same_call_gives_the_same_picture(records: list[CallRecord]) -> None:
    assert drawn(records[0]) == drawn(records[0])


def test_a_picture_costs_less_than_a_second_of_cpu(records: list[CallRecord]) -> None:
    drawn(records[0])  # fonts are looked up once a process
    began = time.process_time()
    drawn(records[0])
    assert time.process_time() - began < 1.0


def test_an_hour_of_talk_is_one_picture(make_call: Callable[..., CallRecord]) -> None:
    turns = [Turn(speaker="bot", start_s=9.0 * n, end_s=9.0 * n + 4, text="好的") for n in range(400)]
    picture = draw_timeline(make_call(1, Disposition.PTP, turns=turns), None)
    assert picture.end_s == pytest.approx(3595.0)
    assert "59:00" not in texts(picture) and "55:00" in texts(picture)


def test_the_envelope_keeps_the_channels_apart(tmp_path: Path) -> None:
    sound = np.zeros((16_000, 2), np.float32)
    sound[2_000:6_000, 0] = 0.5
    sound[10_000:14_000, 1] = 0.25
    sf.write(tmp_path / "call.flac", sound, 8000)
    envelope = read_envelope(tmp_path / "call.flac", bins=160)
    assert envelope.seconds == 2.0 and envelope.bin_s == pytest.approx(0.0125)
    early, late = int(0.5 / envelope.bin_s), int(1.5 / envelope.bin_s)
    assert envelope.ours[early] == pytest.approx(0.5, abs=0.01) and envelope.ours[late] == 0
    assert envelope.theirs[late] == pytest.approx(0.25, abs=0.01) and envelope.theirs[early] == 0


def test_a_recording_cut_off_mid_bin_loses_nothing(tmp_path: Path) -> None:
    sound = np.zeros(16_001, np.float32)
    sound[-1] = 0.9
    sf.write(tmp_path / "mono.wav", sound, 8000)
    envelope = read_envelope(tmp_path / "mono.wav", bins=100)
    assert envelope.ours[-1] == pytest.approx(0.9, abs=0.01)
    assert not envelope.theirs.any()
