"""The bot's mouth on a line with virtual time: what interrupts it, what goes on, what is said again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dialogs.policy import LineRef
from sip.leg import LegState
from voicebot.call.inbox import Heard, Inbox, Key, Machine
from voicebot.call.listening import Utterance
from voicebot.call.prompt_book import Prompt
from voicebot.call.speaking import MOST_FALSE_ALARMS, Mouth
from voicebot.simulate.virtual_time import on_virtual_time

SECONDS = 6.0


class Playback:
    """A prompt that plays by the clock; `stuck` ones never reach their end."""

    def __init__(self, seconds: float, stuck: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.seconds, self._stuck = seconds, stuck
        self.done: asyncio.Future[bool] = self.loop.create_future()
        self._at_s = 0.0
        self._since: float | None = self.loop.time()
        self.pauses: list[float] = []
        self._end = self._arm()

    def _arm(self) -> asyncio.TimerHandle | None:
        if self._stuck:
            return None
        return self.loop.call_later(self.seconds - self._at_s, self._finish, True)

    def _finish(self, to_the_end: bool) -> None:
        if not self.done.done():
            self.done.set_result(to_the_end)

    @property
    def played(self) -> int:
        return int(self._now() * 8000)

    def _now(self) -> float:
        return self._at_s + (0.0 if self._since is None else self.loop.time() - self._since)

    async def position(self) -> float:
        return min(self._now(), self.seconds)

    async def pause(self) -> float:
        self._at_s, self._since = self._now(), None
        self.pauses.append(round(self._at_s, 2))
        if self._end is not None:
            self._end.cancel()
        return self._at_s

    async def resume(self) -> None:
        self._since = self.loop.time()
        self._end = self._arm()

    async def stop(self) -> float:
        await self.pause()
        self._finish(False)
        return self._at_s


@dataclass
class Line:
    """Leg, book, ear and transcript, as far as the mouth knows them."""

    state: LegState = LegState.CONNECTED
    stuck: int = 0
    "So many prompts do not reach the line."
    busy: bool = False
    at_s: float = 0.0
    prompt_playing: bool = False
    spoken: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    playbacks: list[Playback] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def prompt(self, line_id: str, slots: Any, *, level: int, listener: str) -> Prompt:
        return Prompt(line_id, line_id, Path(line_id), SECONDS)

    async def play(self, wav: Path) -> Playback:
        self.playbacks.append(Playback(SECONDS, self.stuck > 0))
        self.stuck -= 1
        return self.playbacks[-1]

    def restart_silence(self) -> None: ...

    def said(self, line_id: str, *about: Any, interrupted: bool, played_to: int | None = None) -> None:
        self.spoken.append(f"{line_id} (interrupted)" if interrupted else line_id)

    def event(self, kind: str, detail: str = "") -> None:
        self.noted.append(kind)

    def heard(self, utterance: Utterance, speaker: str) -> None:
        self.noted.append(utterance.text)


def during(
    *lines: str, then: Callable[[Inbox, Line], Awaitable[None]], stuck: int = 0, interruptible: bool = True
) -> tuple[Heard | None, Line, float]:
    """Speaks the lines while `then` happens: what interrupted, the line, and the seconds that it took."""

    async def call() -> tuple[Heard | None, Line, float]:
        line, inbox = Line(stuck=stuck), Inbox()
        mouth = Mouth(line, line, line, inbox, line)  # type: ignore[arg-type]
        happening = asyncio.ensure_future(then(inbox, line))
        loop = asyncio.get_running_loop()
        began = loop.time()
        heard = await mouth.say(
            [LineRef(one) for one in lines], level=2, listener="debtor", interruptible=interruptible
        )
        took = loop.time() - began
        happening.cancel()
        return heard, line, took

    return on_virtual_time(call())


def says(text: str, *, at_s: float = 1.0, for_s: float = 0.8) -> Callable[[Inbox, Line], Awaitable[None]]:
    async def speak(inbox: Inbox, line: Line) -> None:
        await asyncio.sleep(at_s)
        inbox.onset()
        line.busy = True
        await asyncio.sleep(for_s)
        line.busy = False
        inbox.put(Utterance(text, 0.9, at_s, at_s + for_s, during_prompt=True))

    return speak


async def coughs(inbox: Inbox, line: Line) -> None:
    """Every second a sound that holds no words; to the VAD the line is never quiet."""
    line.busy = True
    while True:
        await asyncio.sleep(0.8)
        inbox.onset()
        await asyncio.sleep(0.2)
        inbox.wordless()


def test_the_prompt_is_silent_at_the_onset_and_a_back_channel_lets_it_go_on_where_it_was() -> None:
    heard, line, took = during("A.how", then=says("嗯，好的"))
    assert heard is None and line.spoken == ["A.how"]
    assert line.playbacks[0].pauses == [1.0]
    assert abs(took - (SECONDS + 0.8)) < 0.1
    assert line.noted == ["barge_in", "嗯，好的", "resumed"]


def test_a_stop_word_ends_the_prompt_and_is_handed_on() -> None:
    for text in ("等一下", "别说了", "不是", "不是我"):
        heard, line, took = during("A.how", "A.when", then=says(text))
        assert isinstance(heard, Utterance) and heard.text == text
        assert line.spoken == ["A.how (interrupted)"] and took < 2.0


def test_a_cough_only_pauses_the_prompt() -> None:
    async def cough(inbox: Inbox, line: Line) -> None:
        await asyncio.sleep(2.0)
        inbox.onset()
        await asyncio.sleep(0.5)
        inbox.wordless()

    heard, line, took = during("A.how", then=cough)
    assert heard is None and line.spoken == ["A.how"]
    assert abs(took - SECONDS - 0.5) < 0.1


def test_a_noisy_line_does_not_keep_a_prompt_from_its_end() -> None:
    heard, line, took = during("A.how", then=coughs)
    assert heard is None and line.spoken == ["A.how"]
    assert len(line.playbacks[0].pauses) == MOST_FALSE_ALARMS
    assert took < SECONDS + 1.0


def test_words_interrupt_on_a_noisy_line_too() -> None:
    async def noise_then_words(inbox: Inbox, line: Line) -> None:
        noise = asyncio.ensure_future(coughs(inbox, line))
        await asyncio.sleep(4.5)
        inbox.put(Utterance("转人工", 0.9, 4.0, 4.5, during_prompt=True))
        await asyncio.sleep(60)
        noise.cancel()

    heard, line, _ = during("A.how", then=noise_then_words)
    assert isinstance(heard, Utterance) and heard.text == "转人工"
    assert line.spoken == ["A.how (interrupted)"]


def test_a_key_interrupts_at_once() -> None:
    async def press(inbox: Inbox, line: Line) -> None:
        await asyncio.sleep(1.0)
        inbox.put(Key("0"))

    heard, _line, took = during("A.how", then=press)
    assert heard == Key("0") and abs(took - 1.0) < 0.1


def test_a_compliance_line_finishes_whoever_speaks_and_what_was_said_is_kept() -> None:
    async def call() -> None:
        line, inbox = Line(), Inbox()
        mouth = Mouth(line, line, line, inbox, line)  # type: ignore[arg-type]
        speaking = asyncio.ensure_future(says("别说了")(inbox, line))
        assert await mouth.say([LineRef("C.open")], level=0, listener="unknown", interruptible=True) is None
        assert line.spoken == ["C.open"] and line.playbacks[0].pauses == []
        kept = inbox.take()
        assert isinstance(kept, Utterance) and kept.text == "别说了"
        await speaking

    on_virtual_time(call())


def test_a_compliance_line_that_did_not_reach_the_callee_is_said_again_before_what_rests_on_it() -> None:
    async def call() -> Line:
        line, inbox = Line(stuck=1), Inbox()
        mouth = Mouth(line, line, line, inbox, line)  # type: ignore[arg-type]
        for lines in (["C.open"], ["C.verify"], ["A.how"]):
            await mouth.say([LineRef(one) for one in lines], level=1, listener="debtor", interruptible=True)
        return line

    line = on_virtual_time(call())
    assert line.spoken == ["C.open", "C.open", "C.verify", "A.how"]
    assert line.noted == ["no_audio", "said_again"]


def test_a_compliance_line_that_was_broken_off_is_owed_and_no_farewell_waits_for_it() -> None:
    async def call() -> Line:
        line, inbox = Line(), Inbox()
        mouth = Mouth(line, line, line, inbox, line)  # type: ignore[arg-type]
        opening = asyncio.ensure_future(
            mouth.say([LineRef("C.open")], level=0, listener="unknown", interruptible=True)
        )
        await asyncio.sleep(1.0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await mouth.say([LineRef("C.end")], level=0, listener="unknown", interruptible=False)
        await mouth.say([LineRef("A.how")], level=2, listener="debtor", interruptible=True)
        return line

    assert on_virtual_time(call()).spoken[1:] == ["C.end", "C.open", "A.how"]


def test_a_verdict_stops_even_a_line_that_must_finish() -> None:
    box: list[Inbox] = []

    async def turns_out_to_be_a_mailbox(inbox: Inbox, line: Line) -> None:
        box.append(inbox)
        await asyncio.sleep(1.0)
        inbox.put(Utterance("您好我现在不方便", 0.9, 0.1, 0.9))
        await asyncio.sleep(1.0)
        inbox.put(Machine("VOICEMAIL"))

    heard, line, took = during("C.open", then=turns_out_to_be_a_mailbox)
    assert heard == Machine("VOICEMAIL")
    assert line.playbacks[0].pauses == [2.0] and line.playbacks[0].done.result() is False
    assert took == pytest.approx(2.0)
    assert len(box[0]) == 1  # what was said before stays for the transcript
