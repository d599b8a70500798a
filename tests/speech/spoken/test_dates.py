from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.speech.spoken.dates import parse_date, speak_date

WEDNESDAY = date(2026, 11, 25)

NAMED = {
    "今天": "11-25",
    "明天": "11-26",
    "后天": "11-27",
    "大后天": "11-28",
    "下周三": "12-02",
    "周五": "11-27",
    "十五号": "12-15",
    "月底": "11-30",
    "下个月五号": "12-05",
    "过两天": "11-27",
    "三天后": "11-28",
    "今晚": "11-25",
    "八点左右": "11-25",
    "周三": "11-25",
    "周二": "12-01",
    "本周五": "11-27",
    "星期天": "11-29",
    "下个星期三": "12-02",
    "下禮拜三": "12-02",
    "下下周一": "12-07",
    "二十八号": "11-28",
    "25号": "11-25",
    "三十一号": "12-31",
    "这个月二十八号": "11-28",
    "十一月二十七号": "11-27",
    "11月27號": "11-27",
    "12月1日": "12-01",
    "2026年12月1日": "12-01",
    "下个月": "12-01",
    "两周后": "12-09",
    "一个星期": "12-02",
    "半个月": "12-10",
    "一个月": "12-25",
    "我三天之内还": "11-28",
    "再给我一个星期的时间": "12-02",
    "我马上就去还": "11-25",
    "明天下午三点给我打电话": "11-26",
    "你晚上八点以后再打过来吧": "11-25",
    "明天不行，后天吧": "11-27",
    "今天没钱，周五还": "11-27",
    "周五，不对，下周一": "11-30",
    "明晚": "11-26",
    "过几天": "11-28",
    "两三天": "11-28",
    "这两天": "11-27",
    "下月初": "12-05",
    "下个月中旬": "12-15",
    "十五好": "12-15",
    "二十天以内": "12-15",
    "元旦前": "12-31",
    "15号之前一定还": "12-15",
    "月底之前": "11-30",
    "我后天去银行处理。": "11-27",
    "礼拜天": "11-29",
    "周末": "11-28",
    "我 下 周 三 还": "12-02",
}

NEXT_YEAR = {
    "一月五号": "2027-01-05",
    "明年一月五号": "2027-01-05",
    "春节之前": "2027-02-05",
    "过年": "2027-02-06",
}

NO_DATE = [
    "我昨天就还了",
    "我上个星期五已经还了两千三百元",
    "逾期七天",
    "逾期三天了",
    "前两天还了",
    "五天前",
    "三天前还的",
    "每个月十五号发工资",
    "几号还",
    "分三个月还",
    "拖了两个月了",
    "十月二十八号",
    "这周一",
    "这个月十五号发工资",
    "我姓王",
    "一直",
    "二月三十号",
    "现在没钱",
    "我知道了，我会还的",
    "明天不行",
    "我三号线上班",
    "一号楼",
]


@pytest.mark.parametrize(("text", "day"), NAMED.items())
def test_days_that_people_name(text: str, day: str) -> None:
    assert parse_date(text, WEDNESDAY) == date.fromisoformat(f"2026-{day}")


@pytest.mark.parametrize(("text", "day"), NEXT_YEAR.items())
def test_days_beyond_the_turn_of_the_year(text: str, day: str) -> None:
    assert parse_date(text, WEDNESDAY) == date.fromisoformat(day)


@pytest.mark.parametrize("text", NO_DATE)
def test_past_days_and_other_numbers_promise_nothing(text: str) -> None:
    assert parse_date(text, WEDNESDAY) is None


def test_a_bare_day_that_the_month_lacks_means_the_month_that_has_it() -> None:
    assert parse_date("三十号", date(2027, 2, 10)) == date(2027, 3, 30)


def test_dates_are_read_out_without_the_weekday() -> None:
    spoken = {
        "2026-11-27": "十一月二十七号",
        "2026-12-10": "十二月十号",
        "2027-01-05": "明年一月五号",
        "2025-12-15": "去年十二月十五号",
        "2028-03-01": "二零二八年三月一号",
    }
    assert {iso: speak_date(iso, WEDNESDAY) for iso in spoken} == spoken
    with pytest.raises(ValueError):
        speak_date("2026-02-30", WEDNESDAY)


@given(st.dates(date(2026, 1, 1), date(2034, 12, 31)), st.integers(0, 199))
def test_a_promise_read_out_is_understood_again(today: date, ahead: int) -> None:
    day = date.fromordinal(today.toordinal() + ahead)
    assert parse_date(speak_date(day.isoformat(), today), today) == day
