"""Whom a chaos run calls: people with two cases or with six, some of whom share a number with another."""

from __future__ import annotations

from dataclasses import dataclass

from tests.campaign.site import row
from voicebot.campaign.contact_list import ListRow

MANY_EVERY, MANY_CASES, FEW_CASES = 4, 6, 2
SHARED_EVERY = 10
"""Every tenth person has the number of the one before."""


@dataclass(frozen=True)
class Person:
    """One debtor with the cases that concern him."""

    number: int
    debtor: str
    phone: str
    cases: tuple[str, ...]


def people(n: int) -> list[Person]:
    """Always the same ones: with six cases the caps of a day are met, with two campaigns they meet there."""
    found = []
    for number in range(n):
        line = number - 1 if number and number % SHARED_EVERY == 0 else number
        count = MANY_CASES if number % MANY_EVERY == 0 else FEW_CASES
        cases = tuple(f"case-{number}-{one}" for one in range(count))
        found.append(Person(number, f"debtor-{number}", f"+86138{line:08d}", cases))
    return found


def rows_of(several: list[Person], campaign: int, campaigns: int) -> list[ListRow]:
    """The rows of one campaign's list: a person's cases go to the campaigns in turn."""
    rows = []
    for one in several:
        for case in one.cases[campaign::campaigns]:
            rows.append(row(one.number, case_id=case, debtor_id=one.debtor, phone=one.phone))
    return [each._replace(line=line) for line, each in enumerate(rows, 2)]
