from datetime import date

import pytest

from voicebot.speech.spoken.counts import parse_count, speak_count
from voicebot.speech.spoken.slots import speak

TODAY = date(2026, 11, 25)


def test_the_same_value_is_read_after_its_type() -> None:
    assert speak("money", 50000, TODAY) == "五百元"
    assert speak("tail", "0500", TODAY) == "零五零零"
    assert speak("count", 500, TODAY) == "五百"
    assert speak("number", "10086", TODAY) == "幺零零八六"
    assert speak("date", "2026-12-01", TODAY) == "十二月一号"
    assert speak("time", "15:15", TODAY) == "下午三点一刻"
    assert speak("name", " 张伟 ", TODAY) == "张伟"
    assert speak("money", "325680", TODAY) == "三千二百五十六元八角"


def test_a_value_that_cannot_be_spoken_is_not_named() -> None:
    with pytest.raises(ValueError) as refused:
        speak("money", "12.5x", TODAY)
    assert "12.5x" not in str(refused.value)
    with pytest.raises(ValueError):
        speak("poem", "x", TODAY)


def test_counts_before_a_measure_word() -> None:
    spoken = {
        0: "零",
        2: "两",
        12: "十二",
        20: "二十",
        22: "二十二",
        102: "一百零二",
        200: "两百",
        2000: "两千",
    }
    assert {n: speak_count(n) for n in spoken} == spoken
    heard = {"两期": 2, "二十四期": 24, "俩月": 2, "分三期或者六期": 6, "不要三期要六期": 6, "三十六个月": 36}
    heard |= dict.fromkeys(("第二期", "三五期", "几期", "十来期", "半年"))
    assert {text: parse_count(text, "期|个?月") for text in heard} == heard
    assert parse_count("我想分十二期还", "期|个月") == 12
    assert parse_count("我想分期还", "期|个月") is None
