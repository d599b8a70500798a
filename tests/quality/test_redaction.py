"""Digits that identify a person go; dates, amounts and service lines stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voicebot.call.record import CallRecord, Event, Speaker
from voicebot.quality.redaction import redact, redact_events
from voicebot.store.states import Disposition


@pytest.mark.parametrize(
    ("speaker", "said", "shown"),
    [
        ("debtor", "一二三四", "****"),
        ("debtor", "是 1 2 3 4 对吧", "是 **** 对吧"),
        ("debtor", "一二三X", "****"),
        ("debtor", "幺三八幺二三四五六七八", "****"),
        ("debtor", "我电话13812345678你打这个", "我电话****你打这个"),
        ("debtor", "我是张伟", "我是张*"),
        ("agent", "您的身份证是110101199001011234吗", "您的身份证是****吗"),
        ("debtor", "我的电话是幺三八 零零零零 二零零一", "我的电话是****"),
        ("debtor", "一三八，嗯，零零零零，然后二零零一", "****"),
        ("debtor", "要三八零零零零二零零要", "****"),
        ("debtor", "一三八四个零二零零一", "****"),
        ("debtor", "九零六四", "****"),
        ("debtor", "要零六四", "****"),
        ("debtor", "洞幺二拐", "****"),
        ("debtor", "我是章伟", "我是章*"),
        ("debtor", "我是张薇，你找谁", "我是张*，你找谁"),
        ("debtor", "我要还三百五十块", "我要还三百五十块"),
        ("debtor", "我要三四天", "我要三四天"),
        ("debtor", "要一千二百三十四元", "要一千二百三十四元"),
        ("debtor", "二零二六年六月还", "二零二六年六月还"),
        ("debtor", "还了1200块", "还了1200块"),
        ("debtor", "一千二百三十四元", "一千二百三十四元"),
        ("debtor", "周五，十二号", "周五，十二号"),
        ("bot", "您可以拨打95533核实", "您可以拨打95533核实"),
        ("bot", "从尾号一二三四的卡里扣", "从尾号****的卡里扣"),
        ("bot", "请问您是欧阳娜娜本人吗", "请问您是欧***本人吗"),
        ("bot", "请问是您本人吗", "请问是您本人吗"),
    ],
)
def test_what_a_page_shows_of_spoken_words(speaker: Speaker, said: str, shown: str) -> None:
    assert redact(said, speaker, ["张伟"]) == shown


def test_keys_of_an_entry_are_dots_and_a_menu_key_is_not(make_call: Callable[..., CallRecord]) -> None:
    events = [Event(at_s=at, kind="dtmf", detail=key) for at, key in ((1, "0"), (20, "1"), (20.5, "2"))]
    record = make_call(1, Disposition.HUMAN, events=events)
    assert [event.detail for event in redact_events(record)] == ["0", "•", "•"]
