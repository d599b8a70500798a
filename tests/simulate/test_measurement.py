"""What a callee measures, on made levels: one list entry is one 20 ms tick."""

from __future__ import annotations

from voicebot.simulate.bot_watch import TICK_S, BotWatch
from voicebot.simulate.measurement import Spoken, measure

QUIET, LOUD, NOISE = -80.0, -20.0, -65.0


def line(seconds: float, *loud: tuple[float, float], rest: float = QUIET) -> list[float]:
    """Levels of a direction that is loud in the given spans of seconds."""
    levels = [rest] * round(seconds / TICK_S)
    for start, end in loud:
        for tick in range(round(start / TICK_S), round(end / TICK_S)):
            levels[tick] = LOUD
    return levels


def said(text: str, start_s: float, end_s: float, **kind: bool) -> Spoken:
    return Spoken(text, round((start_s - 0.1) / TICK_S), round((end_s + 0.2) / TICK_S), **kind)


def test_latency_runs_from_the_last_voiced_tick_to_the_bots_first_audio() -> None:
    theirs = line(10, (1.0, 3.0), (5.6, 7.0))
    ours = line(10, (4.0, 5.0), rest=NOISE)
    measured = measure(theirs, ours, [said("是我", 4.0, 5.0)], answered=0)
    (turn,) = measured.turns
    assert (turn.end_s, turn.first_bot_s, turn.latency_ms, turn.overlap) == (5.0, 5.6, 600, False)
    assert measured.first_bot_s == 1.0
    assert not measured.barge_ins


def test_times_count_from_the_answer_not_from_early_media() -> None:
    theirs = line(10, (5.6, 7.0))
    ours = line(10, (4.0, 5.0), rest=NOISE)
    measured = measure(theirs, ours, [said("是我", 4.0, 5.0)], answered=100)
    assert measured.first_bot_s == 3.6
    assert measured.turns[0].end_s == 3.0


def test_a_click_of_one_tick_is_no_answer() -> None:
    theirs = line(10, (5.2, 5.22), (6.0, 7.0))
    measured = measure(theirs, line(10, (4.0, 5.0)), [said("是我", 4.0, 5.0)], answered=0)
    assert measured.turns[0].latency_ms == 1000


def test_the_pause_inside_an_utterance_does_not_end_it() -> None:
    ours = line(10, (2.0, 3.0), (3.4, 4.0), rest=NOISE)
    measured = measure(line(10, (4.5, 6.0)), ours, [said("三七，二幺", 2.0, 4.0)], answered=0)
    assert measured.turns[0].latency_ms == 500


def test_barge_in_counts_from_the_onset_to_the_bots_silence() -> None:
    theirs = line(12, (1.0, 4.3), (7.0, 9.0))
    ours = line(12, (4.0, 6.0), rest=NOISE)
    measured = measure(theirs, ours, [said("等一下", 4.0, 6.0)], answered=0)
    (cut,) = measured.barge_ins
    assert (cut.onset_s, cut.silence_ms) == (4.0, 300)
    assert (measured.turns[0].overlap, measured.turns[0].latency_ms) == (False, 1000)


def test_a_bot_that_speaks_on_is_an_overlap_without_latency() -> None:
    theirs = line(12, (1.0, 9.0))
    measured = measure(theirs, line(12, (4.0, 6.0)), [said("等一下", 4.0, 6.0)], answered=0)
    assert measured.barge_ins[0].silence_ms is None
    assert (measured.turns[0].overlap, measured.turns[0].latency_ms) == (True, None)


def test_an_answer_belongs_to_the_last_thing_said_before_it() -> None:
    ours = line(20, (2.0, 3.0), (6.0, 7.0), rest=NOISE)
    theirs = line(20, (8.0, 9.0))
    turns = measure(theirs, ours, [said("喂", 2.0, 3.0), said("喂？", 6.0, 7.0)], answered=0).turns
    assert [turn.latency_ms for turn in turns] == [None, 1000]


def test_greeting_and_talk_with_an_agent_are_no_ordinary_turns() -> None:
    ours = line(20, (0.5, 1.0), (9.0, 10.0), rest=NOISE)
    theirs = line(20, (1.3, 3.0), (11.0, 12.0))
    spoken = [said("喂", 0.5, 1.0, greeting=True), said("你好", 9.0, 10.0, to_bot=False)]
    measured = measure(theirs, ours, spoken, answered=0)
    assert measured.greeting is not None
    assert measured.greeting.latency_ms == 300
    assert measured.turns == []


def test_an_utterance_that_was_never_played_is_left_out() -> None:
    assert measure(line(5), line(5), [said("是我", 2.0, 3.0)], answered=0).turns == []


def fed(levels: list[float]) -> BotWatch:
    watch = BotWatch()
    for level in levels:
        watch.feed(level)
    return watch


def test_the_bot_has_paused_after_a_silence_longer_than_between_its_sentences() -> None:
    two_sentences = line(4, (0.5, 2.0), (2.4, 3.0))
    assert not fed(two_sentences[: round(2.38 / TICK_S)]).paused_since(0)
    assert not fed(two_sentences[: round(3.8 / TICK_S)]).paused_since(0)
    assert fed(two_sentences).paused_since(0)


def test_a_pause_counts_only_when_the_bot_spoke_since() -> None:
    watch = fed(line(6, (0.5, 2.0)))
    assert watch.paused_since(round(1.0 / TICK_S))
    assert not watch.paused_since(round(2.5 / TICK_S))
    assert watch.started_since(round(1.0 / TICK_S)) is None
    assert watch.started_since(0) == round(0.5 / TICK_S)
