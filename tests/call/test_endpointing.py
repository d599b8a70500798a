"""Turns of the callee, frame by frame (20 ms each), faster than real time."""

from __future__ import annotations

from voicebot.call.endpointing import DIGITS, FRAME_S, Endpoint, Endpointer, Patience


def frames(seconds: float) -> int:
    return round(seconds / FRAME_S)


def play(ear: Endpointer, *stretches: tuple[bool, float]) -> list[tuple[Endpoint, float]]:
    """Feeds stretches of (voiced?, seconds); returns what happened and when."""
    happened = []
    for voiced, seconds in stretches:
        for _ in range(frames(seconds)):
            if (event := ear.feed(voiced)) is not None:
                happened.append((event, round(ear.now_s, 2)))
    return happened


def test_a_word_is_an_onset_a_pause_and_an_end() -> None:
    ear = Endpointer()
    happened = play(ear, (False, 1.0), (True, 0.6), (False, 1.0))
    assert [event for event, _ in happened] == [Endpoint.ONSET, Endpoint.PAUSE, Endpoint.END]
    onset, pause, end = (at for _, at in happened)
    assert 1.1 <= onset <= 1.2
    assert abs(pause - 1.86) <= 0.02
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
