"""The ear over a recogniser that fails, is slow or is cut off: nothing is lost, nothing hangs."""

from __future__ import annotations

import asyncio
from datetime import date

from tests.call.line import SILENCE, VOICE, Vad
from voicebot.call.completeness import judge_for
from voicebot.call.endpointing import ORDINARY
from voicebot.call.listening import Ear, Utterance
from voicebot.speech.asr.client import SpeechUnavailable
from voicebot.speech.asr.engine import Hypothesis


class Dictation:
    """A recogniser whose service says `texts` in turn; an exception among them is raised."""

    def __init__(self, *texts: str | Exception) -> None:
        self.texts, self.fed = list(texts), 0
        self.utterances: list[int] = []
        self.slow_s = 0.0
        self.ahead, self.ahead_slow_s = "", 0.0

    def feed(self, pcm: bytes) -> None:
        self.fed += len(pcm)

    async def speculate(self, alternatives: int = 1) -> Hypothesis:
        await asyncio.sleep(self.ahead_slow_s)
        return Hypothesis(self.ahead, 0.9, self.ahead == "", "dictation", 0.0)

    async def finalize(self, unchanged: bool = False, alternatives: int = 1) -> Hypothesis:
        await asyncio.sleep(self.slow_s)
        self.utterances.append(self.fed)
        self.fed = 0
        text = self.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return Hypothesis(text, 0.9, text == "", "dictation", 0.0)

    async def close(self) -> None: ...


class Notes:
    def __init__(self) -> None:
        self.heard: list[Utterance] = []
        self.deaf = self.wordless = 0

    def take_wordless(self) -> None:
        self.wordless += 1

    def take_deaf(self) -> None:
        self.deaf += 1


def ear_over(recogniser: Dictation, notes: Notes) -> Ear:
    return Ear(
        Vad(),  # type: ignore[arg-type]
        recogniser,  # type: ignore[arg-type]
        on_utterance=notes.heard.append,
        on_wordless=notes.take_wordless,
        on_deaf=notes.take_deaf,
    )


def play(ear: Ear, *stretches: tuple[bytes, float]) -> None:
    for frame, seconds in stretches:
        for _ in range(round(seconds / 0.02)):
            ear.hear(frame)


async def test_a_turn_that_cannot_be_recognised_is_told_and_the_next_is_heard() -> None:
    notes, recogniser = Notes(), Dictation(SpeechUnavailable("away"), "是我")
    ear = ear_over(recogniser, notes)
    play(ear, (VOICE, 0.6), (SILENCE, 0.6), (VOICE, 0.6), (SILENCE, 0.6))
    await ear.last_words(2)
    assert notes.deaf == 1
    assert [utterance.text for utterance in notes.heard] == ["是我"]
    assert not ear.busy
    await ear.close()


async def test_an_owner_that_fails_does_not_make_the_ear_deaf() -> None:
    notes, recogniser = Notes(), Dictation("第一句", "第二句")
    ear = ear_over(recogniser, notes)
    texts: list[str] = []

    def fails_once(utterance: Utterance) -> None:
        texts.append(utterance.text)
        if len(texts) == 1:
            raise ValueError

    ear._on_utterance = fails_once
    play(ear, (VOICE, 0.6), (SILENCE, 0.6), (VOICE, 0.6), (SILENCE, 0.6))
    await ear.last_words(2)
    assert texts == ["第一句", "第二句"]
    await ear.close()


async def test_words_cut_off_by_the_hang_up_are_still_recognised() -> None:
    notes, recogniser = Notes(), Dictation("别再打了")
    ear = ear_over(recogniser, notes)
    play(ear, (VOICE, 0.8))
    assert ear.speaking
    await ear.last_words(2)
    assert [utterance.text for utterance in notes.heard] == ["别再打了"]
    assert not ear.busy
    await ear.close()


async def test_the_next_turns_first_words_do_not_slip_into_a_slow_decode() -> None:
    notes, recogniser = Notes(), Dictation("一", "二")
    recogniser.slow_s = 0.1
    ear = ear_over(recogniser, notes)
    play(ear, (VOICE, 1.0), (SILENCE, 0.5), (VOICE, 0.4), (SILENCE, 0.5))
    await ear.last_words(2)
    first, second = recogniser.utterances
    assert abs(first - 1.5 * 16000) <= 640
    assert abs(second - (0.4 + 0.5 + 0.3) * 16000) <= 640 + 0.3 * 16000
    assert second < first
    await ear.close()


async def test_last_words_have_a_deadline() -> None:
    notes, recogniser = Notes(), Dictation("太晚了")
    recogniser.slow_s = 30
    ear = ear_over(recogniser, notes)
    play(ear, (VOICE, 0.8))
    began = asyncio.get_running_loop().time()
    await ear.last_words(0.2)
    assert asyncio.get_running_loop().time() - began < 2
    assert notes.heard == []
    await ear.close()


async def test_a_turn_whose_text_is_finished_ends_before_its_usual_silence() -> None:
    notes, recogniser = Notes(), Dictation("我就是本人", "我就是本人")
    recogniser.ahead = "我就是本人"
    ear = ear_over(recogniser, notes)
    ear.be_patient(ORDINARY, judge_for("open", date(2026, 3, 2)))
    play(ear, (VOICE, 0.8), (SILENCE, 0.22))
    await asyncio.sleep(0.01)  # the text is there
    play(ear, (SILENCE, 0.22))
    assert not ear.speaking
    await ear.last_words(1)
    assert abs(notes.heard[0].committed_s - notes.heard[0].end_s - 0.4) < 0.03
    await ear.close()


async def test_a_look_ahead_that_hangs_does_not_hold_the_end_up() -> None:
    notes, recogniser = Notes(), Dictation("转人工")
    recogniser.ahead_slow_s = 30
    ear = ear_over(recogniser, notes)
    play(ear, (VOICE, 0.8), (SILENCE, 0.22))
    await asyncio.sleep(0.01)
    play(ear, (SILENCE, 0.4))
    await ear.last_words(1)
    assert [utterance.text for utterance in notes.heard] == ["转人工"]
    assert not ear.busy
    await ear.close()


async def test_a_cough_is_told_as_a_turn_without_words() -> None:
    notes = Notes()
    ear = ear_over(Dictation(""), notes)
    play(ear, (VOICE, 0.4), (SILENCE, 0.6))
    await ear.last_words(1)
    assert (notes.wordless, notes.heard) == (1, [])
    await ear.close()
