"""Turns of the callee, frame by frame (20 ms each), faster than real time."""

from __future__ import annotations

import pytest

from voicebot.call.completeness import Completeness
from voicebot.call.endpointing import DIGITS, FRAME_S, ORDINARY, STORY, Endpoint, Endpointer, Patience

LOUD, QUIET = -20.0, -62.0


def frames(seconds: float) -> int:
    return round(seconds / FRAME_S)


def play(ear: Endpointer, *stretches: tuple[bool, float]) -> list[tuple[Endpoint, float]]:
    """Feeds stretches of (voiced?, seconds); returns what happened and when."""
    happened = []
    for voiced, seconds in stretches:
        for _ in range(frames(seconds)):
            if (event := ear.feed(voiced, LOUD if voiced else QUIET)) is not None:
                happened.append((event, round(ear.now_s, 2)))
    return happened


def test_a_word_is_an_onset_a_pause_and_an_end() -> None:
    ear = Endpointer()
    happened = play(ear, (False, 1.0), (True, 0.6), (False, 1.0))
    assert [event for event, _ in happened] == [Endpoint.ONSET, Endpoint.PAUSE, Endpoint.END]
    onset, pause, end = (at for _, at in happened)
    assert 1.1 <= onset <= 1.2
    assert abs(pause - 1.72) <= 0.02
    assert abs(end - 2.1) <= 0.02
    assert abs(ear.onset_at_s - 1.0) <= 0.02
    assert abs(ear.voice_ended_at_s - 1.6) <= 0.02


def test_a_click_is_no_onset() -> None:
    assert play(Endpointer(), (False, 0.5), (True, 0.06), (False, 2.0)) == []


def test_scattered_voiced_frames_do_not_add_up_to_an_onset() -> None:
    ear = Endpointer()
    assert play(ear, *[(True, 0.02), (False, 0.2)] * 20) == []


def test_going_on_after_a_short_pause_keeps_the_turn() -> None:
    happened = play(Endpointer(), (True, 0.6), (False, 0.3), (True, 0.6), (False, 0.6))
    assert [event for event, _ in happened] == [
        Endpoint.ONSET,
        Endpoint.PAUSE,
        Endpoint.RESUMED,
        Endpoint.PAUSE,
        Endpoint.END,
    ]


def test_digits_may_be_said_one_by_one() -> None:
    ear = Endpointer(DIGITS)
    happened = play(ear, *[(True, 0.3), (False, 0.8)] * 3, (True, 0.3), (False, 1.2))
    assert [event for event, _ in happened].count(Endpoint.END) == 1


def test_patience_may_change_within_a_turn() -> None:
    ear = Endpointer()
    play(ear, (True, 0.5), (False, 0.4))
    ear.patience = DIGITS
    assert Endpoint.END not in [event for event, _ in play(ear, (False, 0.4))]


def test_an_endless_voice_is_cut_and_can_begin_again() -> None:
    ear = Endpointer(Patience(longest_s=2.0))
    happened = [event for event, _ in play(ear, (True, 5.0))]
    assert happened[:3] == [Endpoint.ONSET, Endpoint.END, Endpoint.ONSET]


def silence_until_end(ear: Endpointer, text_is: Completeness | None = None) -> float:
    """Seconds of silence that end the turn in progress, when its text turns out to be `text_is`."""
    silence = 0.0
    while silence < 3.0:
        silence += FRAME_S
        event = ear.feed(False, QUIET)
        if event is Endpoint.PAUSE and text_is is not None:
            ear.conclude(ear.pauses, text_is)
        if event is Endpoint.END:
            return round(silence, 2)
    raise AssertionError("the turn did not end")


def test_a_finished_text_ends_the_turn_early_and_an_unfinished_one_late() -> None:
    waits = {}
    for text_is in (None, *Completeness):
        ear = Endpointer()
        play(ear, (True, 0.8))
        waits[text_is] = silence_until_end(ear, text_is)
    assert waits[None] == waits[Completeness.USUAL] == ORDINARY.end_s
    assert waits[Completeness.FINISHED] == ORDINARY.soonest_s
    assert waits[Completeness.UNFINISHED] == ORDINARY.unfinished_s


def test_a_story_is_never_ended_early() -> None:
    ear = Endpointer(STORY)
    play(ear, (True, 0.8))
    assert silence_until_end(ear, Completeness.FINISHED) == STORY.end_s


def test_a_text_read_too_late_says_nothing_about_the_next_pause() -> None:
    ear = Endpointer()
    play(ear, (True, 0.6), (False, 0.26), (True, 0.6))
    first = ear.pauses
    play(ear, (False, 0.22))
    ear.conclude(first, Completeness.FINISHED)
    assert Endpoint.END not in [event for event, _ in play(ear, (False, 0.2))]


def test_whoever_pauses_long_while_speaking_is_waited_for_longer() -> None:
    ear = Endpointer()
    play(ear, (True, 0.5), (False, 0.46), (True, 0.5))
    assert silence_until_end(ear, Completeness.FINISHED) > 0.46
    play(ear, (False, 2.0), (True, 0.5))
    assert 0.5 < silence_until_end(ear) < 0.7


def test_whoever_was_cut_off_is_waited_for_longer_the_next_time() -> None:
    ear = Endpointer()
    happened = play(ear, (True, 0.5), (False, 0.7), (True, 0.5))
    assert [event for event, _ in happened].count(Endpoint.END) == 1
    assert silence_until_end(ear) > 0.8
    play(ear, *[(False, 3.0), (True, 0.5)])
    assert silence_until_end(ear) <= ORDINARY.end_s + 0.6


def test_the_vads_tail_counts_as_silence() -> None:
    ear = Endpointer()
    for _ in range(30):
        ear.feed(True, LOUD)
    for _ in range(4):
        ear.feed(True, QUIET)
    assert silence_until_end(ear) == pytest.approx(ORDINARY.end_s - 0.08)
    assert abs(ear.voice_ended_at_s - 0.6) < 0.001


def test_on_a_noisy_line_its_tail_is_told_by_the_noise_before_the_turn() -> None:
    ear = Endpointer()
    for level_dbfs, voiced, seconds in ((-38.0, False, 1.0), (LOUD, True, 0.6), (-36.0, True, 0.16)):
        for _ in range(frames(seconds)):
            ear.feed(voiced, level_dbfs)
    assert silence_until_end(ear) == pytest.approx(ORDINARY.end_s - 0.16)
