"""What an interruption means: by meaning, never by a count of words."""

from __future__ import annotations

import pytest

from voicebot.call.barge_in import is_back_channel, spoken_characters


@pytest.mark.parametrize(
    "text",
    ["嗯", "嗯嗯。", "好的", "对，对", "哦，好的。", "是的", "知道了", "嗯嗯嗯嗯", "恩", "号的", "队队"],
)
def test_listening_noises_let_the_bot_go_on(text: str) -> None:
    assert is_back_channel(text)


@pytest.mark.parametrize(
    "text",
    [
        "等一下",
        "十",
        "四",
        "别说了",
        "不是",
        "别打了",
        "转人工",
        "好的我明天还",
        "我不想活了",
        "喂你是谁",
        "对不起打错了",
    ],
)
def test_what_says_something_is_answered(text: str) -> None:
    assert not is_back_channel(text)


def test_punctuation_and_spaces_are_not_spoken() -> None:
    assert spoken_characters(" 好 的， 嗯！") == "好的嗯"
    assert not is_back_channel("，。")
