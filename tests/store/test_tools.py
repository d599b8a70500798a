"""Caller numbers: two people and two keys, over a filing that nobody changed between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, update

from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.models import ToolRow
from voicebot.store.people import People
from voicebot.store.registers import Tool, Tools
from voicebot.store.signatures import public_text

NUMBER = "+862160000009"
INSTITUTION = "海城消费金融"
KEYS = {name: Ed25519PrivateKey.generate() for name in ("lin", "zhao", "hai", "wang")}


def tool(**changes: Any) -> Tool:
    values: dict[str, Any] = {
        "number": NUMBER,
        "institution": INSTITUTION,
        "agency": None,
        "genuine_cli": True,
        "valid_from": date(2026, 1, 1),
        "valid_to": date(2026, 12, 31),
        "registered_by": "lin",
        "approved_by": None,
    }
    return Tool(**(values | changes))


@pytest.fixture
def tools(store: Store) -> Tools:
    people = People(store)
    for person, roles, agency in (
        ("lin", ["operations"], None),
        ("zhao", ["compliance"], None),
        ("hai", ["compliance"], "海岸服务"),
        ("wang", ["reviewer"], None),
    ):
        people.register(person, "某人", roles, public_text(KEYS[person]), agency)
    return Tools(store)


@contextmanager
def filed(store: Store, tools: Tools, **changes: Any) -> Iterator[Connection]:
    with store.begin() as connection:
        tools.file_in(connection, tool(**changes), KEYS["lin"])
    with store.begin() as connection:
        yield connection


def test_two_people_make_a_number_usable(store: Store, tools: Tools) -> None:
    with filed(store, tools) as connection:
        assert tools.all() == [tool()] and not tool().usable(date(2026, 3, 2))
        approved = tools.approve_in(connection, NUMBER, "zhao", KEYS["zhao"])
        assert approved.usable(date(2026, 3, 2))
        facts = tools.facts_in(connection, NUMBER, INSTITUTION, None, date(2026, 3, 2))
        assert facts is not None and all(facts.values())
    assert tools.signed() == {NUMBER: ("lin", "zhao")}


def test_a_change_is_a_new_filing(store: Store, tools: Tools) -> None:
    with filed(store, tools) as connection:
        tools.approve_in(connection, NUMBER, "zhao", KEYS["zhao"])
    with filed(store, tools, valid_to=date(2027, 12, 31)):
        assert [one.approved_by for one in tools.all()] == [None]


@pytest.mark.parametrize(
    ("person", "key", "words"),
    [
        ("lin", "lin", "may not sign"),
        ("wang", "wang", "may not sign"),
        ("hai", "hai", "outside agency"),
        ("zhao", "lin", "not the key"),
        ("nobody", "zhao", "nobody called"),
    ],
)
def test_who_may_not_approve(store: Store, tools: Tools, person: str, key: str, words: str) -> None:
    with pytest.raises(InputError, match=words), filed(store, tools) as connection:
        tools.approve_in(connection, NUMBER, person, KEYS[key])
    assert [one.approved_by for one in tools.all()] == [None]


def test_one_key_under_two_names_is_one_person(store: Store, tools: Tools) -> None:
    People(store).register("lin2", "某人", ["compliance"], public_text(KEYS["lin"]))
    with pytest.raises(InputError, match="another person"), filed(store, tools) as connection:
        tools.approve_in(connection, NUMBER, "lin2", KEYS["lin"])


def test_a_filing_that_was_changed_is_not_approved(store: Store, tools: Tools) -> None:
    with pytest.raises(InputError, match="not as its registrar signed it"), filed(store, tools) as connection:
        connection.execute(update(ToolRow).values(genuine_cli=True, institution="另一家"))
        tools.approve_in(connection, NUMBER, "zhao", KEYS["zhao"])


def test_only_those_who_may_file_do(store: Store, tools: Tools) -> None:
    with pytest.raises(InputError, match="may not sign"), store.begin() as connection:
        tools.file_in(connection, tool(registered_by="wang"), KEYS["wang"])
    assert tools.all() == []


@pytest.mark.parametrize(
    ("changes", "day", "missing"),
    [
        ({"genuine_cli": False}, date(2026, 3, 2), "genuine_cli"),
        ({"agency": "海岸服务"}, date(2026, 3, 2), "agency_matches"),
        ({"institution": "另一家"}, date(2026, 3, 2), "agency_matches"),
        ({}, date(2025, 12, 31), "in_validity"),
        ({}, date(2027, 1, 1), "in_validity"),
    ],
)
def test_what_a_number_may_lack(
    store: Store, tools: Tools, changes: dict[str, Any], day: date, missing: str
) -> None:
    with filed(store, tools, **changes) as connection:
        tools.approve_in(connection, NUMBER, "zhao", KEYS["zhao"])
        facts = tools.facts_in(connection, NUMBER, INSTITUTION, None, day)
        assert facts is not None and [name for name, good in facts.items() if not good] == [missing]
        assert tools.facts_in(connection, "+8610", INSTITUTION, None, day) is None
        assert tools.facts_in(connection, None, INSTITUTION, None, day) is None


def test_a_number_expires_earlier_never_later(store: Store, tools: Tools) -> None:
    with filed(store, tools) as connection:
        tools.approve_in(connection, NUMBER, "zhao", KEYS["zhao"])
        ended = tools.expire_in(connection, NUMBER, date(2026, 3, 1))
        assert not ended.usable(date(2026, 3, 2)) and ended.usable(date(2026, 3, 1))
        for number, day in ((NUMBER, date(2026, 3, 2)), ("+8610", date(2026, 3, 1))):
            with pytest.raises(InputError):
                tools.expire_in(connection, number, day)
