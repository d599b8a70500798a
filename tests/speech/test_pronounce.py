import pytest

from voicebot.speech.tts.pronounce import disambiguate, phonemes

PAYING = [
    "还款",
    "应还金额",
    "您打算什么时候还",
    "分期还",
    "请您还清",
    "我已经还了",
    "一次性还上",
    "先还一部分",
    "归还",
    "待还",
    "能还多少",
    "今天还吗",
]
STILL = ["还有", "还是", "还没", "还需要", "还可以", "我还在", "还会", "还不知道"]


@pytest.mark.parametrize("text", PAYING)
def test_to_pay_is_huan(text: str) -> None:
    assert "xwa↗n" in phonemes(text).replace(" ", "")
    assert "xai" not in phonemes(text)


@pytest.mark.parametrize("text", STILL)
def test_still_is_hai(text: str) -> None:
    assert "xai↗" in phonemes(text)


def test_both_in_one_sentence() -> None:
    assert disambiguate("您还没还款，还是先还一部分") == "您还没环款，还是先环一部分"


def test_letters_are_read_by_their_names_and_digits_one_by_one() -> None:
    assert "ˈA" in phonemes("AI") and "ˈI" in phonemes("AI")
    assert phonemes("58同城") == phonemes("五八同城")


def test_banks_are_hang() -> None:
    assert "xa↗ŋ" in phonemes("安信银行").replace(" ", "")
