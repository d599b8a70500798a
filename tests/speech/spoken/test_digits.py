import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.speech.spoken.digits import parse_digits, speak_digits, speak_number

UNDERSTOOD = {
    "三七二幺": "3721",
    "3721": "3721",
    "37 21": "3721",
    "3,721": "3721",
    "３７２１": "3721",
    "三七二一。": "3721",
    "三七二要": "3721",
    "要三七二": "1372",
    "是三零七一": "3071",
    "我的身份证后四位是三零七一": "3071",
    "尾號8820": "8820",
    "八八二〇": "8820",
    "三，七，呃，二，一": "3721",
    "三七二一，三七二一": "3721",
    "三七二二，不对，三七二一": "3721",
    "三千七百二十一": "3721",
    "三零七X": "307X",
    "307x": "307X",
    "三零七艾克斯": "307X",
    "三零七叉": "307X",
    "三个八一个六": "8886",
    "二要約零": "2110",
    "二 幺幺 零": "2110",
    "三七二一吧": "3721",
    "就三零七一": "3071",
    "三零期一": "3071",
    "妖妖零零": "1100",
    "三零鸡油": "3071",
    "九四遥急，": "9417",
    "有二三四": "1234",
    "洞幺拐勾": "0179",
    "洞洞幺幺": "0011",
    "动动幺幺": "0011",
    "三拐二妖": "3721",
    "四个零": "0000",
    "双八幺零": "8810",
    "两个三两个五": "3355",
    "三七二那个X": "372X",
    "三七二大写X": "372X",
    "三七二英文字母X": "372X",
    "三七二诶克斯": "372X",
    "372×": "372X",
    "三七二差": "372X",
    "三七二叉叉": "372X",
    "十四十五": "1415",
    "二十三四十五": "2345",
    "三千七百二": "3720",
    "九九八一": "9981",
    "嗯三七二幺": "3721",
}

NOT_UNDERSTOOD = [
    "三七二",
    "三七二一五",
    "138123",
    "一二三四五六",
    "37213721",
    "幺三八一二三四一二三四",
    "我姓王",
    "一直",
    "我不知道",
    "X307",
    "我十五号还",
    "我要还三千块",
    "三千七百二十一块",
    "2026年11月",
    "下午3点15分15秒",
    "其二其一我不知道",
    "是死要死",
    "三七二一还是三七二二",
    "有二三四天了",
    "尾号是三七二",
    "三七二吧",
    "又又领法",
    "有事要走",
    "要要要要",
    "三七二差不多",
    "三七二么",
    "零点三七",
    "十四五",
    "十四十五号",
    "六六大顺",
    "372X1",
]


@pytest.mark.parametrize(("text", "digits"), UNDERSTOOD.items())
def test_four_digits_as_recognisers_write_them(text: str, digits: str) -> None:
    assert parse_digits(text, 4) == digits


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_anything_but_four_digits_together_is_none(text: str) -> None:
    assert parse_digits(text, 4) is None


@given(st.text("0123456789", min_size=4, max_size=4), st.booleans())
def test_every_tail_read_out_is_understood_again(digits: str, ends_in_x: bool) -> None:
    tail = digits[:3] + "X" if ends_in_x else digits
    assert parse_digits(f"我的尾号是{speak_digits(tail)}", 4) == tail


NUMBERS = [
    "幺三八零零幺三八零零零",
    "要三八零零要三八零零零",
    "妖三八洞洞妖三八洞洞洞",
    "一三八 零零一三 八零零零",
    "138-0013-8000",
    "腰三八双零幺三八三个零",
    "我的电话是幺三八，零零幺三，八零零零",
]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_phone_number_is_understood(text: str) -> None:
    assert parse_digits(text, 11) == "13800138000"


def test_phone_numbers_are_read_in_groups() -> None:
    assert speak_number("4008001234") == "四零零，八零零，幺二三四"
    assert speak_number("13812341234") == "幺三八，幺二三四，幺二三四"
    assert speak_number("+8613812341234") == "幺三八，幺二三四，幺二三四"
    assert speak_number("95588") == "九五五八八"


def test_only_digits_are_read_digit_by_digit() -> None:
    with pytest.raises(ValueError) as refused:
        speak_digits("12a4")
    assert "12a4" not in str(refused.value)
