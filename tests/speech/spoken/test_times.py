from datetime import time

import pytest

from voicebot.speech.spoken.times import parse_time, speak_time, to_quarter

NAMED = {
    "下午三点一刻": "15:15",
    "晚上八点半": "20:30",
    "8:30": "08:30",
    "20点": "20:00",
    "十二点": "12:00",
    "三点": "15:00",
    "八点左右": "08:00",
    "一点钟": "13:00",
    "下午一点": "13:00",
    "两点半": "14:30",
    "三点四十五": "15:45",
    "差五分八点": "19:55",
    "今晚八点": "20:00",
    "下午3点30分": "15:30",
    "晚上十二点": "00:00",
    "三点零五分": "15:05",
    "下午2:30": "14:30",
    "两点": "14:00",
    "上午十點": "10:00",
    "明天下午三点给我打电话": "15:00",
    "中午": "12:00",
    "下午": "15:00",
    "晚上": "19:00",
    "凌晨两点": "02:00",
    "半夜十二点": "00:00",
    "清晨六点": "06:00",
    "早晨七点": "07:00",
    "中午十二点半": "12:30",
    "中午一点": "13:00",
    "傍晚六点": "18:00",
    "夜里十一点": "23:00",
    "晚上一点": "01:00",
    "零点": "00:00",
    "24点": "00:00",
    "下午三点整": "15:00",
    "上午十点四十五": "10:45",
    "十五点三十": "15:30",
    "三点过五分": "15:05",
    "三点过一刻": "15:15",
    "三点差五分": "14:55",
    "差一刻三点": "14:45",
    "差一刻钟九点": "08:45",
    "三四点": "15:00",
    "晚上八九点": "20:00",
    "三点多": "15:00",
    "下班以后": "18:00",
}

NO_TIME = [
    "说慢一点",
    "一点钱",
    "快一点",
    "你等我一点时间",
    "点一下",
    "有一点困难",
    "早点打",
    "25点",
    "好一点",
    "等一下",
    "我说两点",
    "半小时后",
    "午夜",
    "晚点",
    "12:60",
    "就一点",
    "过半个小时",
]


@pytest.mark.parametrize(("text", "hhmm"), NAMED.items())
def test_times_that_people_name(text: str, hhmm: str) -> None:
    assert parse_time(text) == hhmm


@pytest.mark.parametrize("text", NO_TIME)
def test_a_little_is_no_hour(text: str) -> None:
    assert parse_time(text) is None


def test_an_hour_already_past_means_the_evening() -> None:
    assert parse_time("八点左右", time(14, 0)) == "20:00"
    assert parse_time("早上八点", time(14, 0)) == "08:00"


def test_relative_times_need_the_clock() -> None:
    assert parse_time("半小时后", time(14, 0)) == "14:30"
    assert parse_time("一个小时以后", time(14, 0)) == "15:00"
    assert parse_time("两个小时后", time(23, 0)) is None
    assert parse_time("再过半个小时", time(14, 0)) == "14:30"
    assert parse_time("一个半小时以后", time(14, 0)) == "15:30"
    assert parse_time("三刻钟以后", time(14, 0)) == "14:45"


def test_times_as_they_are_read_out() -> None:
    spoken = {
        "15:15": "下午三点一刻",
        "20:30": "晚上八点半",
        "08:05": "早上八点零五分",
        "12:00": "中午十二点",
        "14:00": "下午两点",
        "18:45": "晚上六点三刻",
        "09:20": "上午九点二十分",
        "00:00": "凌晨零点",
        "02:15": "凌晨两点一刻",
        "07:30": "早上七点半",
        "12:45": "中午十二点三刻",
        "13:05": "下午一点零五分",
        "17:59": "下午五点五十九分",
        "22:02": "晚上十点零二分",
    }
    assert {hhmm: speak_time(hhmm) for hhmm in spoken} == spoken
    with pytest.raises(ValueError):
        speak_time("25:00")


def test_every_quarter_read_out_is_understood_again() -> None:
    for minutes in range(6 * 60, 24 * 60, 15):
        hhmm = f"{minutes // 60:02d}:{minutes % 60:02d}"
        assert parse_time(speak_time(hhmm)) == hhmm


def test_callback_times_are_full_quarters() -> None:
    assert [to_quarter(t) for t in ("20:07", "20:15", "23:58")] == ["20:15", "20:15", "23:45"]
