"""One canonical form of a telephone number: E.164, whatever form the list has."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
from phonenumbers import PhoneMetadata

HOME_REGION = "CN"
_SEPARATORS = re.compile(r"[\s\-‐-―()（）.·]+")
_WITH_PREFIX = re.compile(r"\+.*|0.*|1\d{10}|[48]00\d{7}")
"""Written so that nothing is lost: with country code, with trunk zero, a mobile, or a 400 or 800 number."""
SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+\d+")
"""What a spreadsheet makes of a long number: digits are lost."""


def _mobile_pattern() -> str:
    plan = PhoneMetadata.metadata_for_region(HOME_REGION)
    assert plan is not None and plan.mobile is not None
    return str(plan.mobile.national_number_pattern)


_MOBILE = re.compile(rf"(?:\+86|0086|86)?({_mobile_pattern()})", re.ASCII)
"""A plain mobile number, by the numbering plan that phonenumbers itself goes by: most rows need no more."""


def to_e164(text: str) -> str:
    """13812341234, 86138…, +86138…, 0086138…, 010-88881234, full-width digits → +86….

    ValueError says in one sentence why a text is no number (without repeating it).
    """
    if mobile := _MOBILE.fullmatch(text):
        return f"+86{mobile[1]}"
    plain = unicodedata.normalize("NFKC", text).strip().strip("'\"")
    if not plain:
        raise ValueError("there is no number")
    if SCIENTIFIC.fullmatch(plain):
        raise ValueError(
            "the number was changed to scientific notation by a spreadsheet; format the cell as text"
        )
    plain = _SEPARATORS.sub("", plain)
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    if not re.fullmatch(r"\+?\d+", plain):
        raise ValueError("the number holds other signs than digits")
    if plain.startswith("86") and len(plain) >= 12:
        plain = "+" + plain
    if not _WITH_PREFIX.fullmatch(plain):
        raise ValueError(
            "the number's length is wrong; a fixed line needs its area code with the leading zero"
        )
    try:
        number = phonenumbers.parse(plain, HOME_REGION)
    except phonenumbers.NumberParseException:
        raise ValueError("this is no telephone number") from None
    if not phonenumbers.is_valid_number(number):
        raise ValueError("there is no such number in the numbering plan; check its length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
