"""Before the bot speaks: when it greets, and which words are only a greeting."""

from __future__ import annotations

import asyncio

import pytest

from voicebot.call.greeting import is_greeting
from voicebot.call.inbox import Inbox, Machine
from voicebot.call.opening import LONGEST_S, PAUSE_S, SILENCE_S, STARTING_S, Opening
from voicebot.simulate.virtual_time import on_virtual_time


@pytest.mark.parametrize("text", ["喂", "喂，你好", "您好，哪位？", "喂喂", "嗯，你说", "喂，谁呀"])
def test_greetings_ask_for_nothing_that_the_opening_does_not_answer(text: str) -> None:
    assert is_greeting(text)


@pytest.mark.parametrize(
    "text", ["为你好", "尾你好", "未你好", "尼好哪位", "尾号", "喂年号", "那位？", "喂，水呀"]
)
def test_greetings_are_told_by_their_sound(text: str) -> None:
    assert is_greeting(text)


@pytest.mark.parametrize(
    "text",
    [
        "您好，这里是宏达贸易公司，请问有什么可以帮您？",
        "你好，欢迎致电顺风物流，请问您找谁？",
        "早上好，这里是阳光酒店前台",
    ],
)
def test_offices_greet_at_length(text: str) -> None:
    assert is_greeting(text)


@pytest.mark.parametrize(
    "text",
    [
        "喂，别再打了",
        "别打了",
        "你打错了",
        "转人工",
        "他不在",
        "我是本人",
        "是的",
        "对",
        "尾号三七二幺",
        "你好 ABC",
        "0",
        "您好，我就是张伟",
        "你好，这里没有这个人，你打错了",
    ],
)
def test_more_than_a_greeting_is_kept(text: str) -> None:
    assert not is_greeting(text)


class Leg:
    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Voice:
    """A callee's voice on the media clock: intervals of speech, in seconds after the answer."""

    def __init__(self, inbox: Inbox, *spoken: tuple[float, float]) -> None:
        self._loop, self._spoken = asyncio.get_running_loop(), spoken
        self._began = self._loop.time()
        for start, _ in spoken:
            self._loop.call_later(start + 0.12, inbox.onset)

    @property
    def quiet_s(self) -> float:
        now = self._loop.time() - self._began
        since = [0.0 if start <= now < end else now - end for start, end in self._spoken if start <= now]
        return min(since, default=now)


def speaks_at(*spoken: tuple[float, float], lead_in_s: float = 0.0) -> float:
    """Seconds from the answer until the bot may speak to somebody who speaks at these times."""

    async def call() -> float:
        loop, inbox = asyncio.get_running_loop(), Inbox()
        began = loop.time()
        assert await Opening(Leg(), Voice(inbox, *spoken), inbox, lead_in_s).wait() is None  # type: ignore[arg-type]
        return loop.time() - began

    return on_virtual_time(call())


def test_a_silent_callee_hears_the_bot_by_the_time_promised() -> None:
    assert speaks_at() == pytest.approx(SILENCE_S - STARTING_S, abs=0.03)


def test_who_says_a_word_is_answered_at_its_end() -> None:
    assert speaks_at((0.3, 0.6)) == pytest.approx(0.6 + PAUSE_S, abs=0.03)


def test_who_says_it_late_waits_no_longer_than_the_silent() -> None:
    assert speaks_at((0.55, 0.98)) == pytest.approx(SILENCE_S - STARTING_S, abs=0.03)


def test_nobody_is_cut_short_while_he_speaks() -> None:
    assert speaks_at((0.4, 3.9)) > 3.9


def test_a_line_that_is_never_quiet_does_not_hold_the_greeting_back() -> None:
    assert speaks_at((0.0, 60.0)) == pytest.approx(LONGEST_S, abs=0.03)


def test_the_lines_lead_in_comes_first() -> None:
    assert speaks_at((0.0, 0.2), lead_in_s=0.8) == pytest.approx(0.8, abs=0.03)


def test_a_machine_that_is_known_ends_the_waiting() -> None:
    async def call() -> object:
        inbox = Inbox()
        asyncio.get_running_loop().call_later(2.5, inbox.put, Machine("VOICEMAIL"))
        return await Opening(Leg(), Voice(inbox, (0.3, 9.0)), inbox).wait()  # type: ignore[arg-type]

    assert on_virtual_time(call()) == Machine("VOICEMAIL")


def test_a_callee_who_is_gone_ends_the_waiting() -> None:
    async def call() -> object:
        leg, inbox = Leg(), Inbox()
        asyncio.get_running_loop().call_later(0.3, leg.ended.set_result, None)
        return await Opening(leg, Voice(inbox), inbox).wait()  # type: ignore[arg-type]

    assert on_virtual_time(call()) is None
