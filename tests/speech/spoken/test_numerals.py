from hypothesis import given
from hypothesis import strategies as st

from voicebot.speech.spoken.numerals import from_chinese, plain, to_chinese, with_measure


@given(st.integers(0, 10**12 - 1))
def test_what_is_said_means_the_same_number(n: int) -> None:
    assert from_chinese(to_chinese(n)) == n
    assert from_chinese(with_measure(n)) == n


def test_liang_stands_only_at_the_head() -> None:
    assert [with_measure(n) for n in (2, 12, 20, 22, 200, 2000, 20000, 2222)] == [
        "两",
        "十二",
        "二十",
        "二十二",
        "两百",
        "两千",
        "两万",
        "两千二百二十二",
    ]


def test_mixed_writing_of_recognisers() -> None:
    table = {"3千5": 3500, "1.5万": 15000, "两万三": 23000, "两千零五": 2005, "八百五": 850, "二零二六": 2026}
    assert {text: from_chinese(text) for text in table} == table


def test_formal_numerals_and_short_units_are_brought_to_usual_ones() -> None:
    assert plain("叁仟伍佰元，廿五号，卅号，2K，1w") == "三千五百元,二十五号,三十号,2千,1万"
    assert plain("陆先生，伍女士，wifi") == "陆先生,伍女士,wifi"


def test_approximate_pairs_are_no_number() -> None:
    assert from_chinese("三四百") is None
    assert from_chinese("几千") is None
    assert from_chinese("") is None


def test_plain_text_is_simplified_half_width_and_without_blanks() -> None:
    assert plain("我 下禮拜三 還　１５００ 塊錢") == "我下礼拜三还1500块钱"
