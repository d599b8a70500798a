"""The knowledge check: the tail by voice, in every reading of the recogniser, and by keys."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from voicebot.call.verification import KnowledgeCheck


def mac_of(tail: str) -> str:
    return hmac.new(b"this case's key", tail.encode(), hashlib.sha256).hexdigest()


def check_of(tail: str | None) -> KnowledgeCheck:
    return KnowledgeCheck(None if tail is None else mac_of(tail), mac_of)


def keys(check: KnowledgeCheck, pressed: str) -> list[bool | None]:
    return [check.key(digit) for digit in pressed]


def test_the_right_tail_said_plainly_passes() -> None:
    check = check_of("3721")
    assert check.in_speech("三七二幺。", ("三期二要", "分期二要")) is True
    assert check.passed


@pytest.mark.parametrize(
    ("best", "others"),
    [
        ("分期二要", ("三七二要", "山七二药")),
        ("三四二幺", ("三七二幺",)),
        ("三七二", ("三七二呀", "三七二幺")),
    ],
)
def test_the_right_tail_in_another_reading_passes(best: str, others: tuple[str, ...]) -> None:
    check = check_of("3721")
    assert check.in_speech(best, others) is True
    assert check.passed


def test_without_other_readings_the_best_one_counts() -> None:
    check = check_of("3721")
    assert check.in_speech("三四二幺") is False
    assert not check.passed


def test_a_wrong_tail_fails_in_whatever_reading() -> None:
    check = check_of("3721")
    assert check.in_speech("九零六四", ("九零六死", "九零六是")) is False
    assert check.in_speech("九百六四", ("九零六四",)) is False
    assert not check.passed


def test_words_are_no_try() -> None:
    check = check_of("3721")
    assert check.in_speech("转人工", ("转人公", "专人工")) is None
    assert check.in_speech("三七二", ("三七", "分期二")) is None
    assert not check.passed


def test_each_tail_is_compared_once_and_at_most_three() -> None:
    compared: list[str] = []

    def spy(tail: str) -> str:
        compared.append(tail)
        return mac_of(tail)

    check = KnowledgeCheck(mac_of("3721"), spy)
    assert check.in_speech("三七二一", ("三七二幺", "三四二一")) is True
    assert compared == ["3721", "3421"]  # the second is compared although the first was right
    compared.clear()
    assert check.in_speech("幺一一一", ("二二二二", "三三三三", "三七二一")) is False
    assert len(compared) == 3


def test_a_tail_passed_stays_passed() -> None:
    check = check_of("3721")
    assert check.in_speech("三七二一") is True
    assert check.in_speech("九零六四") is False
    assert check.passed


def test_keys_are_compared_when_four_were_pressed() -> None:
    check = check_of("5806")
    assert keys(check, "5806") == [None, None, None, True]
    assert check.passed


def test_wrong_keys_fail_and_the_next_four_are_a_new_try() -> None:
    check = check_of("5806")
    assert keys(check, "5805") == [None, None, None, False]
    assert keys(check, "5806")[-1] is True


def test_the_hash_key_starts_again() -> None:
    check = check_of("5806")
    assert keys(check, "58#5806") == [None, None, None, None, None, None, True]


def test_half_a_number_is_forgotten_when_it_is_spoken_instead() -> None:
    check = check_of("5806")
    keys(check, "58")
    check.forget_keys()
    assert keys(check, "06") == [None, None]
    assert not check.passed


@pytest.mark.parametrize("said", ["零零二艾克斯", "零零二X", "零零二x"])
def test_a_final_x_is_said(said: str) -> None:
    assert check_of("002X").in_speech(said) is True


def test_a_final_x_is_the_star_key() -> None:
    assert keys(check_of("002X"), "002*")[-1] is True


def test_a_case_without_a_tail_never_passes() -> None:
    check = check_of(None)
    assert check.in_speech("三七二一", ("九零六四", "零零二X")) is False
    assert keys(check, "3721")[-1] is False
    assert not check.passed
