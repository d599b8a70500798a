import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.speech.spoken.money import parse_money, speak_money

SPOKEN = {
    0: "零元",
    2: "两分",
    5: "五分",
    22: "两角二分",
    50: "五角",
    200: "两元",
    205: "两元零五分",
    220: "两元两角",
    1200: "十二元",
    14500: "一百四十五元",
    20000: "两百元",
    20002: "两百元零二分",
    50000: "五百元",
    100000: "一千元",
    200000: "两千元",
    325680: "三千二百五十六元八角",
    10050: "一百元五角",
    1000000: "一万元",
    2000000: "两万元",
    10001000: "十万零一十元",
    11000: "一百一十元",
    12000: "一百二十元",
}

OFFERED = {
    "我先还三千块行不行？": 300000,
    "我最多先还一千五百元。": 150000,
    "我现在手上只有两百块钱。": 20000,
    "一千五": 150000,
    "两块五": 250,
    "3.5元": 350,
    "1.5万": 1500000,
    "一万五": 1500000,
    "3千5": 350000,
    "2万5千": 2500000,
    "3,256.80元": 325680,
    "我先還500": 50000,
    "五毛": 50,
    "一百塊錢": 10000,
    "一万二千三百四十五块六毛七": 1234567,
    "三千快行不行": 300000,
    "我十五号还两千": 200000,
    "先还两千，不，三千": 300000,
}

NO_AMOUNT = [
    "万一我还不上",
    "千万别",
    "百分之十",
    "我下周三還",
    "15號",
    "三天",
    "几千块",
    "三四千",
    "分12期",
    "八点半",
    "尾号3721",
    "十分满意",
    "一直没钱",
]


@pytest.mark.parametrize(("fen", "text"), SPOKEN.items())
def test_amounts_as_they_are_read_out(fen: int, text: str) -> None:
    assert speak_money(fen) == text


@pytest.mark.parametrize("fen", [-1, 10**12])
def test_an_impossible_amount_is_never_spoken(fen: int) -> None:
    with pytest.raises(ValueError):
        speak_money(fen)


@given(st.integers(10, 10**10))
def test_an_amount_read_out_is_understood_again(fen: int) -> None:
    assert parse_money(speak_money(fen)) == fen


@pytest.mark.parametrize(("text", "fen"), OFFERED.items())
def test_amounts_that_people_name(text: str, fen: int) -> None:
    assert parse_money(text) == fen


@pytest.mark.parametrize("text", NO_AMOUNT)
def test_numbers_of_something_else_are_no_amount(text: str) -> None:
    assert parse_money(text) is None
