"""Numbers in every form that lists have: one canonical form, and the fast way is phonenumbers' own."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.campaign import phone_number
from voicebot.campaign.phone_number import to_e164

DIGITS = st.text("0123456789", min_size=1, max_size=14)
MOBILES = st.builds(lambda head, tail: f"1{head}{tail:08d}", st.integers(30, 99), st.integers(0, 99_999_999))
WIDE = str.maketrans("0123456789+-", "０１２３４５６７８９＋－")


def known(text: str) -> str | None:
    """What phonenumbers alone says of digits in the home region."""
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def ours(text: str) -> str | None:
    try:
        return to_e164(text)
    except ValueError:
        return None


@settings(max_examples=600, deadline=None)
@given(MOBILES)
def test_a_mobile_is_what_phonenumbers_says(text: str) -> None:
    assert ours(text) == known(text)


@settings(max_examples=600, deadline=None)
@given(DIGITS)
def test_whatever_is_taken_is_a_number_of_the_plan(text: str) -> None:
    found = ours(text)
    if found is not None:
        assert found == known(found), "E.164, and valid"
        assert to_e164(found) == found, "canonical: once more changes nothing"


@settings(max_examples=300, deadline=None)
@given(
    MOBILES.filter(lambda text: known(text) is not None),
    st.sampled_from(["", "86", "+86", "0086", "+86 ", "86-", "0086 "]),
    st.sampled_from(["", " ", "-", " - ", "·"]),
    st.booleans(),
)
def test_every_form_of_a_mobile_is_one_number(text: str, prefix: str, separator: str, wide: bool) -> None:
    written = prefix + separator.join((text[:3], text[3:7], text[7:]))
    assert to_e164(written.translate(WIDE) if wide else written) == f"+86{text}"


@settings(max_examples=300, deadline=None)
@given(DIGITS)
def test_the_fast_way_changes_nothing(text: str) -> None:
    fast = ours(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phone_number, "_MOBILE", phone_number.re.compile("(?!)"))
        assert ours(text) == fast


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("010-88881234", "+861088881234"),
        ("021 6000 0001", "+862160000001"),
        ("（0755）2345 6789", "+8675523456789"),
        ("86-755-23456789", "+8675523456789"),
        ("0571８７６５４３２１", "+8657187654321"),
        ("013812341234", "+8613812341234"),
        ("'13812341234", "+8613812341234"),
        ("4008123456", "+864008123456"),
        ("+85291234567", "+85291234567"),
        ("0085291234567", "+85291234567"),
        ("88881234", None),
        ("2160000001", None),
        ("75523456789", None),
        ("1.3812E+10", None),
        ("1.3812E+10 ", None),
        ("13812341234 转 8", None),
        ("95588", None),
        ("110", None),
    ],
)
def test_forms(text: str, number: str | None) -> None:
    assert ours(text) == number
