"""Whether a text, read in a pause, is all that somebody had to say."""

from __future__ import annotations

from datetime import date

import pytest

from dialogs.policy import Expects
from voicebot.call.completeness import Completeness, judge_for

TODAY = date(2026, 3, 2)
FINISHED, USUAL, UNFINISHED = Completeness.FINISHED, Completeness.USUAL, Completeness.UNFINISHED


@pytest.mark.parametrize(
    ("expects", "text", "verdict"),
    [
        ("open", "我就是本人。", FINISHED),
        ("open", "我就是", FINISHED),
        ("open", "他不在", FINISHED),
        ("open", "别再给我打电话了", FINISHED),
        ("yes_no", "嗯", USUAL),
        ("yes_no", "对对对", USUAL),
        ("yes_no", "好的", USUAL),
        ("yes_no", "好的，我今天就还", FINISHED),
        ("open", "不是我", FINISHED),
        ("yes_no", "我下周三还", FINISHED),
        ("open", "我想还但是", UNFINISHED),
        ("open", "因为", UNFINISHED),
        ("open", "我觉得", UNFINISHED),
        ("open", "那个，嗯", UNFINISHED),
        ("open", "等一下", UNFINISHED),
        ("open", "我只能还一千五", USUAL),
        ("open", "，", USUAL),
        ("digits", "三七二幺", FINISHED),
        ("digits", "尾号是三七二幺。", FINISHED),
        ("digits", "三七", USUAL),
        ("digits", "好的，等一下", USUAL),
        ("date", "我这个星期五还", FINISHED),
        ("date", "明天下午", FINISHED),
        ("date", "我下个月", UNFINISHED),
        ("date", "要等到", UNFINISHED),
        ("date", "星期", UNFINISHED),
        ("date", "我看一看", USUAL),
        ("story", "我爸上个月住院了", USUAL),
        ("story", "然后", UNFINISHED),
    ],
)
def test_what_was_asked_for_and_how_the_text_ends_decide(
    expects: Expects, text: str, verdict: Completeness
) -> None:
    assert judge_for(expects, TODAY)(text) is verdict
