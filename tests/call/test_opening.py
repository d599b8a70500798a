"""Before the bot speaks: greetings, and machines that are recognised by their words."""

from __future__ import annotations

import pytest

from voicebot.call.inbox import Machine
from voicebot.call.listening import Utterance
from voicebot.call.opening import is_greeting, verdict


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
    ],
)
def test_more_than_a_greeting_is_kept(text: str) -> None:
    assert not is_greeting(text)


def said(text: str, start_s: float) -> Utterance:
    return Utterance(text, 0.9, start_s, start_s + 3.0)


def test_a_voicemail_is_told_by_its_words() -> None:
    assert verdict(said("您好，我现在不方便接听您的电话，请在滴声后留言", 0.2)) == Machine("VOICEMAIL")


def test_a_person_who_talks_long_is_a_person() -> None:
    assert verdict(said("喂你好啊我这边有点吵你是哪里打来的有什么事情吗", 0.2)) is None


def test_the_word_voicemail_late_in_a_call_is_no_machine() -> None:
    assert verdict(said("你给我在语音信箱留言吧，滴声后留言", 25.0)) is None
