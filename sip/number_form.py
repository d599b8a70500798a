"""How a telephone number is written on a trunk.  Inside it is E.164 everywhere."""

from __future__ import annotations

import re
from enum import StrEnum

from sip.errors import SipError

E164 = r"\+[1-9]\d{2,14}"
"""A regular expression."""


class NumberForm(StrEnum):
    """How the trunk wants numbers: +8613… | 8613… | 13… (its own country) or 00… (others) | 008613…"""

    PLUS = "plus"
    DIGITS = "digits"
    NATIONAL = "national"
    INTERNATIONAL = "international"


def written(e164: str, form: NumberForm, country: str) -> str:
    """The user part for a number such as +8613812341234.  Raises SipError, which does not repeat it."""
    if not re.fullmatch(E164, e164):
        raise SipError("the number is not in E.164.", "It reads + country code and digits.")
    digits = e164[1:]
    if form is NumberForm.PLUS:
        return e164
    if form is NumberForm.DIGITS:
        return digits
    if form is NumberForm.NATIONAL and digits.startswith(country):
        return digits[len(country) :]
    return f"00{digits}"
