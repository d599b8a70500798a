"""Machines that answer: told by their words and their sounds, and what a message waits for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.call.line import Recognizer, Vad, play, silence, voice
from tests.speech.conftest import frames
from tests.speech.synthetic import cadence, tone
from voicebot.call.inbox import Machine
from voicebot.call.listening import Ear, Utterance
from voicebot.call.machine import VERDICT_UNTIL_S, MachineWatch, Moment, machine_in
from voicebot.simulate.virtual_time import on_virtual_time
from voicebot.speech.asr.engine import Hypothesis
from voicebot.store.states import Disposition

MAILBOX = "您好，我现在不方便接听您的电话，请在滴声后留言"
BEEP = frames(tone(1000, 0.4))


@pytest.mark.parametrize(
    ("text", "machine"),
    [
        (MAILBOX, Machine("VOICEMAIL")),
        ("您好我是机主的智能助理请问您有什么事", Machine("ASSISTANT")),
        ("您好您拨打的电话已关机请稍后再拨", Machine("VOICEMAIL", Disposition.POWERED_OFF)),
        ("您好您拨打的号码是空号", Machine("VOICEMAIL", Disposition.EMPTY_NUMBER)),
        ("我们将以短信形式通知该用户", Machine("VOICEMAIL", Disposition.NO_ANSWER)),
        ("Sorry, the subscriber you dialed is powered off", Machine("VOICEMAIL", Disposition.POWERED_OFF)),
    ],
)
def test_machines_by_their_words(text: str, machine: Machine) -> None:
    assert machine_in(text) == machine


@pytest.mark.parametrize(
    "text",
    [
        "",
        "喂你好啊我这边有点吵你是哪里打来的有什么事情吗",
        "我手机已经关机了你打另外一个",
        "这个号已经停机了",
        "你打的是空号吧",
        "他正在通话中你等一下",
        "你是智能助手吧",
    ],
)
def test_people_who_use_the_same_words(text: str) -> None:
    assert machine_in(text) is None


class Call:
    """An answered line with its ear and its watch; `heard` are utterances for the conversation."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.verdicts: list[Machine] = []
        self.known = asyncio.Event()
        self.heard: list[str] = []
        self.ear = Ear(Vad(), recognizer, on_utterance=self._on_utterance)  # type: ignore[arg-type]
        self.watch = MachineWatch(self.ear, self._found, patient=True)
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def _found(self, machine: Machine) -> None:
        self.verdicts.append(machine)
        self.known.set()

    def _on_utterance(self, utterance: Utterance) -> None:
        if not self.watch.on_utterance(utterance):
            self.heard.append(utterance.text)

    async def hears(self, sounds: list[bytes]) -> None:
        await play(sounds, self._on_tick)

    def _on_tick(self, frame: bytes) -> None:
        self.ear.hear(frame)
        self.watch.on_tick(frame)

    async def close(self) -> None:
        await self.watch.close()
        await self.ear.close()


def in_call(act: Callable[[Call], Awaitable[Any]], *texts: str, recognizer: Recognizer | None = None) -> Any:
    async def run() -> Any:
        call = Call(recognizer or Recognizer(*texts))
        try:
            return await act(call)
        finally:
            await call.close()

    return on_virtual_time(run())


def verdicts(sounds: list[bytes], *texts: str) -> list[Machine]:
    async def act(call: Call) -> list[Machine]:
        await call.hears(sounds)
        return call.verdicts

    return in_call(act, *texts)  # type: ignore[no-any-return]


def test_a_mailbox_is_known_while_it_still_speaks() -> None:
    async def act(call: Call) -> float:
        speaking = asyncio.ensure_future(call.hears(voice(6.0)))
        await call.known.wait()
        known_s = asyncio.get_running_loop().time()
        await speaking
        return known_s

    assert in_call(act, MAILBOX) < 2.6


def test_what_the_network_says_is_heard_out() -> None:
    class Growing(Recognizer):
        async def speculate(self, alternatives: int = 1) -> Hypothesis:
            text = "您呼叫的用户忙" + ("，请在听到提示音以后留言" if self.fed_s > 4.0 else "")
            return Hypothesis(text, 0.8, False, "written", 1.0)

    async def act(call: Call) -> list[Machine]:
        await call.hears([*voice(5.0), *silence(2.0)])
        return call.verdicts

    assert in_call(act, recognizer=Growing()) == [Machine("VOICEMAIL")]


def test_the_networks_mailbox_may_come_after_a_pause() -> None:
    sounds = [*voice(2.0), *silence(1.0), *voice(2.0), *silence(3.0)]
    assert verdicts(sounds, "您呼叫的用户无法接听您的电话", "留言请按一") == [Machine("VOICEMAIL")]


def test_a_verdict_is_told_once() -> None:
    assert verdicts([*voice(6.0), *silence(1.0), *voice(4.0), *silence(1.0)], MAILBOX, MAILBOX) == [
        Machine("VOICEMAIL")
    ]


def test_words_are_read_together_over_a_pause() -> None:
    sounds = [*voice(1.5), *silence(2.0), *voice(1.0), *silence(3.0)]
    assert verdicts(sounds, "我不方便接听请在滴", "声后留言") == [Machine("VOICEMAIL")]


def test_the_networks_sentence_is_enough_when_its_end_was_not_understood() -> None:
    sounds = [*voice(2.0), *silence(3.0)]
    assert verdicts(sounds, "您好您播打的电话以停进") == [Machine("VOICEMAIL", Disposition.UNREACHABLE)]


def test_a_person_who_talks_long_is_a_person() -> None:
    sounds = [*voice(8.0), *silence(1.0)]
    assert verdicts(sounds, "喂你好啊我这边有点吵你是哪里打来的有什么事情吗") == []


def test_the_words_of_a_mailbox_late_in_a_call_are_a_persons() -> None:
    sounds = [*silence(VERDICT_UNTIL_S + 1), *voice(3.0), *silence(1.0)]
    assert verdicts(sounds, "你给我在语音信箱留言吧，滴声后留言") == []


def test_a_beep_after_a_monologue_is_a_mailbox_although_nothing_was_understood() -> None:
    sounds = [*voice(4.0), *silence(0.6), *BEEP, *silence(0.2)]
    assert verdicts(sounds, "") == [Machine("VOICEMAIL")]


@pytest.mark.parametrize(
    "sounds",
    [
        [*voice(0.8), *silence(0.6), *BEEP, *silence(0.2)],  # 喂, and the microwave
        [*silence(2.0), *BEEP, *silence(0.2)],
        [*voice(4.0), *silence(4.0), *BEEP, *silence(0.2)],
    ],
)
def test_a_beep_alone_is_no_machine(sounds: list[bytes]) -> None:
    assert verdicts(sounds, "") == []


def test_who_has_greeted_may_have_something_that_beeps() -> None:
    sounds = [*voice(0.8), *silence(1.0), *voice(3.0), *silence(0.6), *BEEP, *silence(0.2)]
    assert verdicts(sounds, "喂你好", "我现在在厨房里") == []


def test_a_busy_tone_after_the_answer_is_nobody() -> None:
    sounds = frames(cadence([0.35, 0.35], 3.0))
    assert verdicts(sounds, "") == [Machine("VOICEMAIL", Disposition.BUSY)]


def moment(sounds: list[bytes], *texts: str, hangs_up: bool = False) -> tuple[Moment, float, Call]:
    """Why and when (seconds) a mailbox whose words are `texts` is ready, asked for at its verdict."""

    async def act(call: Call) -> tuple[Moment, float, Call]:
        line = asyncio.ensure_future(call.hears(sounds))
        if hangs_up:
            line.add_done_callback(lambda _: call.gone.set_result(None))
        await call.known.wait()
        found = await call.watch.moment(call.gone)
        at = asyncio.get_running_loop().time()
        await line
        return found, at, call

    return in_call(act, *texts)  # type: ignore[no-any-return]


def test_a_message_waits_for_the_beep() -> None:
    found, at, _ = moment([*voice(5.0), *silence(0.8), *BEEP, *silence(6.0)], MAILBOX)
    assert found is Moment.BEEP
    assert 6.2 <= at <= 6.4


def test_a_beep_that_came_before_the_verdict_is_not_waited_for_again() -> None:
    found, at, _ = moment([*voice(1.9), *silence(0.1), *BEEP, *silence(6.0)], MAILBOX)
    assert found is Moment.BEEP
    assert at < 3.2


def test_a_mailbox_without_a_beep_records_when_it_is_silent() -> None:
    found, at, _ = moment([*voice(5.0), *silence(8.0)], MAILBOX)
    assert found is Moment.SILENCE
    assert 8.0 <= at <= 8.3


def test_somebody_who_picks_up_meanwhile_takes_the_verdict_back() -> None:
    sounds = [*voice(5.0), *silence(1.5), *voice(0.6), *silence(2.0), *voice(3.0), *silence(1.0)]
    found, at, call = moment(sounds, MAILBOX, "喂，哪位", MAILBOX)
    assert found is Moment.PERSON
    assert at < 8.0
    assert call.watch.verdict is None
    assert call.heard == ["喂，哪位", MAILBOX]  # and stays a person, whatever is said
    assert len(call.verdicts) == 1


@pytest.mark.parametrize("more", ["录音完毕请挂机", "您好"])
def test_more_of_its_words_are_nobodys(more: str) -> None:
    sounds = [*voice(3.0), *silence(2.0), *voice(3.0), *silence(0.6), *BEEP, *silence(1.0)]
    found, _, call = moment(sounds, MAILBOX, more)
    assert found is Moment.BEEP
    assert call.heard == []


def test_a_mailbox_that_hangs_up_gets_no_message() -> None:
    assert moment([*voice(4.0), *silence(0.4)], MAILBOX, hangs_up=True)[0] is Moment.NEVER


def test_one_that_never_ends_gets_no_message() -> None:
    found, at, _ = moment(voice(40.0), MAILBOX)
    assert found is Moment.NEVER
    assert at < 36.0


def test_hardly_anything_that_debtors_say_is_a_machine() -> None:
    """A quarter of the utterance bank: what people said or may say to the bot."""
    bank = Path(__file__).parents[2] / "dialogs" / "utterances"
    texts = [
        text
        for path in bank.glob("*.yaml")
        for text in re.findall(r"[\u4e00-\u9fff，。？]{2,}", path.read_text())
    ]
    some = texts[::4]
    machines = [text for text in some if machine_in(text) is not None]
    assert len(some) > 1000
    assert len(machines) <= len(some) / 1000, machines
