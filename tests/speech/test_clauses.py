from hypothesis import given
from hypothesis import strategies as st

from voicebot.speech.tts.clauses import fill, gap_after, slots_in, split

RUNTIME = frozenset({"promise_date", "callback_time", "agent_eta"})


def test_a_line_without_slots_is_shared_sentence_by_sentence() -> None:
    assert split("您好，我是AI语音助手，请问您方便吗？好的，再见。", RUNTIME) == (
        "您好，我是AI语音助手，请问您方便吗？",
        "好的，再见。",
    )


def test_case_slots_do_not_spoil_the_shared_clauses() -> None:
    assert split("您好，请问是{name}本人吗？", RUNTIME) == ("您好，", "请问是{name}本人吗？")
    assert split("我是{institution}的AI语音助手，本次通话会被录音，请您知悉。", RUNTIME) == (
        "我是{institution}的AI语音助手，",
        "本次通话会被录音，请您知悉。",
    )


def test_run_time_slots_stand_alone() -> None:
    assert split("好的，我为您登记了{promise_date}还款，金额{amount}，您看可以吗？", RUNTIME) == (
        "好的，我为您登记了",
        "{promise_date}",
        "还款，",
        "金额{amount}，",
        "您看可以吗？",
    )
    assert split("我{callback_time}再打给您。", RUNTIME) == ("我", "{callback_time}", "再打给您。")
    assert split("{promise_date}{callback_time}", RUNTIME) == ("{promise_date}", "{callback_time}")


def test_one_character_is_no_clause_of_its_own() -> None:
    assert split("好，{amount}，行。", RUNTIME) == ("好，{amount}，行。",)
    assert split("请在{promise_date}前，登录手机银行还款。", RUNTIME) == (
        "请在",
        "{promise_date}",
        "前，登录手机银行还款。",
    )


def test_punctuation_alone_joins_what_is_before_it() -> None:
    assert split("您说的是{name}。。", RUNTIME) == ("您说的是{name}。。",)


@given(
    st.text("您好还款，。？ab{}", max_size=30),
    st.lists(st.sampled_from(["{amount}", "{promise_date}", "，", "好"])),
)
def test_the_parts_joined_are_the_line(text: str, rest: list[str]) -> None:
    template = (text.replace("{", "").replace("}", "") + "".join(rest)).strip()
    parts = split(template, RUNTIME)
    assert "".join(parts) == template
    for part in parts:
        assert part == "{promise_date}" or "{promise_date}" not in part


def test_slots_are_named_and_filled() -> None:
    assert slots_in("{name}应还{amount}元") == ("name", "amount")
    assert fill("请问是{name}本人吗？", {"name": "张伟"}) == "请问是张伟本人吗？"


def test_pauses_follow_the_punctuation() -> None:
    assert [gap_after(t) for t in ("好的，", "好的。", "登记了")] == [0.12, 0.26, 0.0]
