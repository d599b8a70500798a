"""The stop list: who is on it, from when to when, and that it takes two people to take somebody off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, update

from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.store.audit_check import check
from voicebot.store.bulk import Bulk
from voicebot.store.database import Store
from voicebot.store.models import AuditRow, StopRemovalRow
from voicebot.store.people import People
from voicebot.store.signatures import public_text
from voicebot.store.stop_list import CHANNEL, NewStop, StopList, debtor_index
from voicebot.store.stop_removals import StopRemovals

NUMBER, OTHER = "+8613812341234", "+8613812340000"
KEYS = {name: Ed25519PrivateKey.generate() for name in ("lin", "zhao", "qian", "wang", "hai")}


@dataclass
class Office:
    """People with keys around a stop list that has one entry, number 1."""

    stop_list: StopList
    removals: StopRemovals
    people: People
    store: Store

    def ask(self, person: str, why: str = "打错了原因") -> None:
        self.removals.ask(self.entry, person, KEYS[person], why)

    def confirm(self, person: str) -> None:
        self.removals.confirm(self.entry, person, KEYS[person])

    @property
    def entry(self) -> int:
        return self.stop_list.entries()[0].id

    @property
    def stopped(self) -> bool:
        return self.stop_list.contains(NUMBER) is not None

    def kinds(self) -> list[str]:
        with self.store.reading() as connection:
            return list(connection.execute(select(AuditRow.kind).order_by(AuditRow.seq)).scalars())


@pytest.fixture
def office(store: Store, clock: ManualClock) -> Office:
    people = People(store)
    for person, roles, agency in (
        ("lin", ["operations"], None),
        ("qian", ["operations"], None),
        ("zhao", ["compliance"], None),
        ("wang", ["reviewer"], None),
        ("hai", ["compliance"], "海岸服务"),
    ):
        people.register(person, "某人", roles, public_text(KEYS[person]), agency)
    stop_list = StopList(store, clock)
    stop_list.add(phone=NUMBER, reason="WRONG_PARTY", made_by="lin")
    return Office(stop_list, StopRemovals(store, clock), people, store)


def test_two_people_take_an_entry_off(office: Office) -> None:
    office.ask("lin")
    assert office.stopped, "until somebody confirms it the entry is in force"
    assert office.removals.pending()[office.entry].asked_by == "lin"
    office.confirm("zhao")
    assert not office.stopped and office.removals.pending() == {}
    assert office.stop_list.entries(removed=False) == []
    assert [one.removed_ms is not None for one in office.stop_list.entries()] == [True]
    assert office.kinds() == ["stop_list_added", "stop_list_removal_asked", "stop_list_removed"]
    assert check(office.store).faults == []


def test_who_was_taken_off_can_be_stopped_again(office: Office) -> None:
    office.ask("lin")
    office.confirm("zhao")
    office.stop_list.add(phone=NUMBER, reason="LAWYER", made_by="lin")
    assert office.stop_list.contains(NUMBER) == "LAWYER"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("lin", "lin", "cannot confirm"),
        ("zhao", "zhao", "cannot confirm"),
        ("lin", "qian", "one of the two must be of compliance"),
        ("lin", "wang", "may not sign"),
        ("wang", "zhao", "may not sign"),
        ("lin", "hai", "outside agency"),
        ("hai", "lin", "outside agency"),
    ],
)
def test_who_may_not_take_it_off_together(office: Office, first: str, second: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        office.ask(first)
        office.confirm(second)
    assert office.stopped


def _same_key(office: Office) -> None:
    office.people.register("lin2", "某人", ["compliance"], public_text(KEYS["lin"]))
    office.removals.confirm(office.entry, "lin2", KEYS["lin"])


def _foreign_key(office: Office) -> None:
    office.removals.confirm(office.entry, "zhao", KEYS["lin"])


def _changed_document(office: Office) -> None:
    with office.store.begin() as connection:
        document = dict(connection.execute(select(StopRemovalRow.document)).scalar_one())
        connection.execute(update(StopRemovalRow).values(document={**document, "why": "没有原因"}))
    office.confirm("zhao")


def _left_the_house(office: Office) -> None:
    office.people.register("lin", "某人", ["author"], public_text(KEYS["lin"]))
    office.confirm("zhao")


def _key_was_stolen(office: Office) -> None:
    with office.store.begin() as connection:
        key = public_text(Ed25519PrivateKey.generate())
        office.people.register_in(connection, "lin", "某人", ["operations"], key, compromised=True)
    office.confirm("zhao")


@pytest.mark.parametrize(
    "forge", [_same_key, _foreign_key, _changed_document, _left_the_house, _key_was_stolen]
)
def test_a_removal_that_does_not_hold_changes_nothing(
    office: Office, forge: Callable[[Office], None]
) -> None:
    office.ask("lin")
    with pytest.raises(InputError):
        forge(office)
    assert office.stopped and "stop_list_removed" not in office.kinds()


def test_a_new_key_of_the_same_person_does_not_undo_the_request(office: Office) -> None:
    office.ask("lin")
    office.people.register("lin", "某人", ["operations"], public_text(Ed25519PrivateKey.generate()))
    office.confirm("zhao")
    assert not office.stopped


def test_a_request_is_made_once_and_made_again_when_it_lost_its_force(office: Office) -> None:
    office.ask("lin")
    with pytest.raises(InputError, match="already"):
        office.ask("qian")
    office.people.register("lin", "某人", ["author"], public_text(KEYS["lin"]))
    office.ask("qian")
    office.confirm("zhao")
    assert not office.stopped


def test_what_cannot_be_removed(office: Office) -> None:
    for entry, why, words in ((office.entry, " ", "needs a reason"), (77, "x", "no entry 77")):
        with pytest.raises(InputError, match=words):
            office.removals.ask(entry, "lin", KEYS["lin"], why)
    with pytest.raises(InputError, match="nobody asked"):
        office.confirm("zhao")
    office.ask("lin")
    office.confirm("zhao")
    with pytest.raises(InputError, match="removed already"):
        office.ask("lin")


def test_an_import_is_all_or_none_and_can_be_done_again(office: Office) -> None:
    new = [NewStop(OTHER, "LAWYER", "来函"), NewStop(NUMBER, "WRONG_PARTY"), NewStop(OTHER, "LAWYER")]
    with pytest.raises(InputError, match="BECAUSE"):
        office.stop_list.add_all([*new, NewStop("+8613812349999", "BECAUSE")], "lin", "list.csv")
    assert len(office.stop_list.entries()) == 1
    assert office.stop_list.add_all(new, "lin", "list.csv") == 1, "the others are stopped already"
    assert office.stop_list.add_all(new, "lin", "list.csv") == 0
    assert office.stop_list.contains(OTHER) == "LAWYER"
    assert office.kinds().count("stop_list_imported") == 2


def test_the_reasons_of_many_at_once_are_those_of_each(office: Office, clock: ManualClock) -> None:
    stop_list, keys = office.stop_list, office.store.keys
    stop_list.add(phone=OTHER, reason="LAWYER", made_by="lin", institution="甲")
    stop_list.add(debtor=("甲", "d-1"), reason="VULNERABLE", made_by="lin")
    ended = "+8613812340001"
    stop_list.add(phone=ended, reason="MINOR", made_by="lin", expires=clock.now() + timedelta(hours=1))
    clock.advance(3600)
    subjects = [keys.blind_index(one) for one in (NUMBER, OTHER, ended, "+8613812340002")]
    subjects.append(debtor_index(office.store, "甲", "d-1"))
    for institution in ("甲", "乙"):
        with office.store.reading() as connection:
            together = stop_list.reasons(Bulk(connection), subjects, institution)()
            each = {one: stop_list.reason_in(connection, [one], institution) for one in subjects}
        assert together == {one: reason for one, reason in each.items() if reason}
        assert len(together) == (3 if institution == "甲" else 1)


def test_an_entry_that_would_have_ended_already_is_a_mistake(office: Office, clock: ManualClock) -> None:
    with pytest.raises(InputError, match="ended already"):
        office.stop_list.add(phone=OTHER, reason="MINOR", made_by="lin", expires=clock.now())


def test_a_watcher_sees_every_change(office: Office) -> None:
    seen = office.stop_list.version()
    newest = office.stop_list.entries()[-1].id
    office.stop_list.add(phone=OTHER, reason="LAWYER", made_by="lin")
    (entry,) = office.stop_list.since(newest)
    assert entry.subject == office.store.keys.blind_index(OTHER)
    after_adding = office.stop_list.version()
    assert after_adding != seen
    office.ask("lin")
    assert office.stop_list.version() == after_adding
    office.confirm("zhao")
    assert office.stop_list.version() != after_adding


def test_postgresql_sends_a_notice_at_the_commit(office: Office) -> None:
    if not office.store.is_postgresql:  # SQLite has no notices: there the watcher polls
        return
    url = office.store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        office.stop_list.add(phone=OTHER, reason="LAWYER", made_by="lin")
        office.ask("lin")
        office.confirm("zhao")
        notices = list(listening.notifies(timeout=5, stop_after=2))
    assert [one.channel for one in notices] == [CHANNEL] * 2
