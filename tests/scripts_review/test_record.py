"""The record of reviews, on both engines: what makes a version speakable, and what is found when touched."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from scripts_review.verification import verify
from tests.scripts_review import reviewed
from tests.scripts_review.office import by_hand
from voicebot.clock import ManualClock
from voicebot.errors import InputError
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.people import People
from voicebot.store.review_record import Standing, take
from voicebot.store.signatures import public_text
from voicebot.store.track_states import MOVES, Action, IllegalTrackMove, TrackState, moved
from voicebot.store.track_versions import TrackContent, parse_reference

ONE, TWO = reviewed.content("reminder", 1), reviewed.content("reminder", 2)
LAW = reviewed.content("instalment", 1)


def speakable(store: Store, what: TrackContent) -> bool:
    return Approvals(store, recheck_s=0).is_approved(what.digest)


def test_two_others_make_a_version_speakable_and_one_revocation_ends_it(store: Store) -> None:
    approvals = Approvals(store)
    assert not approvals.is_approved(ONE.digest)
    reviewed.approve(store, ONE, by=["reviewer-wang"])
    assert not approvals.is_approved(ONE.digest), "half-approved"
    reviewed.append(store, reviewed.signed(store, ONE, Action.APPROVE, "reviewer-he"))
    assert approvals.is_approved(ONE.digest)
    found = approvals.resolve("reminder@1")
    assert (found.digest, found.approved_by) == (ONE.digest, ("reviewer-he", "reviewer-wang"))
    assert found.approved_at == datetime.fromisoformat(reviewed.SIGNED_AT)
    assert approvals.newest("reminder") == found
    before = approvals.record().versions[ONE.digest]
    reviewed.revoke(store, ONE, by="compliance-zhao")
    assert not approvals.is_approved(ONE.digest), "at once, whatever was judged a moment ago"
    assert (before.state, approvals.newest("reminder")) == (TrackState.APPROVED, None)
    with pytest.raises(InputError, match="compliance-zhao revoked it at 2026-03-01 09:00: looked at"):
        approvals.resolve("reminder@1")


def test_a_sensitive_topic_takes_a_senior_reviewer(store: Store) -> None:
    reviewed.approve(store, LAW, by=["reviewer-wang", "reviewer-he"], topics=["law"])
    assert not speakable(store, LAW)
    with pytest.raises(InputError, match="2 of 2 approvals, it takes the approval of a senior reviewer"):
        Approvals(store).resolve("instalment@1")
    reviewed.append(store, reviewed.signed(store, LAW, Action.APPROVE, "reviewer-sun"))
    assert speakable(store, LAW)


def test_a_superseded_version_is_spoken_only_where_it_is_named(store: Store) -> None:
    reviewed.approve(store, ONE)
    reviewed.append(store, reviewed.signed(store, ONE, Action.SUPERSEDE, "reviewer-sun"))
    reviewed.approve(store, TWO, at="2026-03-02T09:00:00+08:00")
    approvals = Approvals(store)
    assert approvals.resolve("reminder@1").state is TrackState.SUPERSEDED
    newest = approvals.newest("reminder")
    assert newest is not None and newest.reference == "reminder@2"
    reviewed.revoke(store, ONE)
    assert not approvals.is_approved(ONE.digest) and approvals.is_approved(TWO.digest)


def test_the_table_of_states_is_the_whole_truth(store: Store) -> None:
    for state in TrackState:
        for action in Action:
            if (state, action) in MOVES:
                assert moved(state, action) is MOVES[state, action]
            else:
                with pytest.raises(IllegalTrackMove, match=f"{state} cannot be moved by {action}"):
                    moved(state, action)
    standing = Standing("reminder", 1, ONE.digest, 1, ())
    with pytest.raises(IllegalTrackMove):
        take(standing, reviewed.signed(store, ONE, Action.REVOKE, "reviewer-wang", author=""), None)


def test_the_tables_take_no_change_and_no_deletion(store: Store) -> None:
    reviewed.approve(store, ONE)
    for statement in (
        "UPDATE review SET person = 'reviewer-he' WHERE seq = 2",
        "DELETE FROM review WHERE seq = 2",
        "UPDATE track_version SET content = ''",
        "DELETE FROM track_version",
    ):
        with pytest.raises(DBAPIError, match="append-only"), store.begin() as connection:
            connection.execute(text(statement))
    assert speakable(store, ONE)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE review SET person = 'reviewer-he' WHERE seq = 2", "its columns are not its document's"),
        (
            "UPDATE review SET document = replace(document, 'reviewer-wang', 'reviewer-he') WHERE seq = 2",
            "the row was changed",
        ),
        ("UPDATE review SET signature = 'AAAA' WHERE seq = 3", "the row was changed"),
        ("UPDATE review SET previous = hash WHERE seq = 2", "does not follow the row before it"),
        ("DELETE FROM review WHERE seq = 2", "row 2 is missing"),
        ("DELETE FROM review WHERE seq = 3", "the audit record knows 3 reviews, the last row here is 2"),
        ("DELETE FROM audit WHERE kind = 'review' AND subject = 'reminder@1'", "the audit record"),
        ("UPDATE track_version SET content = replace(content, 'a test', 'no test')", "it hashes to"),
        ("UPDATE track_version SET content = '{'", "cannot be read any more"),
        ("DELETE FROM track_version", "it is missing"),
    ],
)
def test_a_touched_store_is_found_and_speaks_nothing(
    store: Store, clock: ManualClock, statement: str, said: str
) -> None:
    reviewed.approve(store, ONE)
    known = Approvals(store, recheck_s=0)
    assert known.is_approved(ONE.digest)
    assert verify(store).faults == ()
    by_hand(store, statement)
    assert not known.is_approved(ONE.digest), "also by one who had judged it before"
    assert not speakable(store, ONE)
    faults = "\n".join(verify(store).faults)
    assert said in faults and "trigger review_no_update is gone" in faults
    with pytest.raises(InputError, match=r"tampered|changed in the store"):
        Approvals(store).resolve("reminder@1")


def test_a_revocation_that_was_taken_away_does_not_come_to_life_again(
    store: Store, clock: ManualClock
) -> None:
    reviewed.approve(store, ONE)
    reviewed.revoke(store, ONE)
    by_hand(store, "DELETE FROM review WHERE action = 'revoke'")
    assert not speakable(store, ONE)
    assert any("the audit record knows" in fault for fault in verify(store).faults)


def test_a_verdict_is_looked_at_again_within_a_second(store: Store) -> None:
    """A row changed by hand moves no counter: the answer that was kept ends by time."""
    reviewed.approve(store, ONE)
    quick, slow = Approvals(store, recheck_s=0), Approvals(store, recheck_s=1000)
    assert quick.is_approved(ONE.digest) and slow.is_approved(ONE.digest)
    with store.reading() as connection:
        before = quick.version_in(connection)
    by_hand(store, "UPDATE track_version SET content = replace(content, 'a test', 'no test')")
    with store.reading() as connection:
        assert quick.version_in(connection) == before
    assert not quick.is_approved(ONE.digest)
    assert slow.is_approved(ONE.digest)
    reviewed.submit(store, TWO)
    assert not slow.is_approved(ONE.digest), "whatever is reviewed makes it look again"


@pytest.mark.parametrize("person", ["author-chen", "reviewer-wang"])
def test_an_approval_that_no_desk_would_take_is_a_fault(store: Store, person: str) -> None:
    """Its author's own, or one person's second: only somebody at the database can have written it."""
    reviewed.approve(store, ONE, by=["reviewer-wang"])
    reviewed.append(store, reviewed.signed(store, ONE, Action.APPROVE, person))
    record = Approvals(store).record()
    assert any("approved" in fault for fault in record.faults)
    assert not speakable(store, ONE)


def test_an_old_signature_does_not_fit_a_later_submission(store: Store) -> None:
    reviewed.approve(store, ONE, by=["reviewer-wang"])
    old = reviewed.signed(store, ONE, Action.APPROVE, "reviewer-he")
    reviewed.append(store, reviewed.signed(store, ONE, Action.REJECT, "reviewer-he"))
    reviewed.submit(store, ONE, at="2026-03-02T09:00:00+08:00")
    reviewed.append(store, old)
    assert "it answers another submission" in Approvals(store).record().faults[0]


@pytest.mark.parametrize("stranger", ["nobody", "ops-lin", "author-li"])
def test_signatures_of_people_who_may_not_sign_count_nothing(store: Store, stranger: str) -> None:
    """Put into the table well signed, chained and told to the audit record: it still counts nothing."""
    if stranger == "author-li":  # a reviewer too, whose key somebody exchanged
        reviewed.register_people(store)
        with store.begin() as connection:
            People(store).register_in(
                connection,
                stranger,
                "某人",
                ["author", "reviewer"],
                public_text(reviewed.key_of("new")),
                compromised=True,
            )
        reviewed.submit(store, ONE)
        reviewed.append(store, reviewed.signed(store, ONE, Action.APPROVE, "reviewer-wang"))
    else:
        reviewed.approve(store, ONE, by=["reviewer-wang"])
    reviewed.append(store, reviewed.signed(store, ONE, Action.APPROVE, stranger))
    assert not speakable(store, ONE)
    record = Approvals(store).record()
    assert record.faults == ()
    assert record.versions[ONE.digest].signers == ("reviewer-wang",)


def test_what_somebody_signed_ends_with_his_role_and_begins_again_with_another_signature(
    store: Store,
) -> None:
    reviewed.approve(store, ONE, by=["reviewer-wang", "reviewer-he"])
    People(store).register("reviewer-he", "某人", ["operations"], public_text(reviewed.key_of("reviewer-he")))
    assert not speakable(store, ONE)
    with pytest.raises(InputError, match="reviewer-he is no reviewer now; it takes 1 more approval"):
        Approvals(store).resolve("reminder@1")
    reviewed.append(store, reviewed.signed(store, ONE, Action.APPROVE, "reviewer-sun"))
    assert speakable(store, ONE)
    reviewed.revoke(store, ONE)
    assert not speakable(store, ONE)


def test_a_key_that_was_rotated_keeps_what_it_signed_and_a_compromised_one_does_not(store: Store) -> None:
    reviewed.approve(store, ONE)
    new = public_text(reviewed.key_of("a new key"))
    People(store).register("reviewer-wang", "某人", ["reviewer"], new)
    assert speakable(store, ONE)
    with store.begin() as connection:
        People(store).register_in(connection, "reviewer-wang", "某人", ["reviewer"], new, compromised=True)
    assert not speakable(store, ONE)


def test_a_name_of_a_version(store: Store) -> None:
    assert parse_reference("reminder@12") == ("reminder", 12)
    for wrong in ("reminder", "reminder@", "reminder@0", "reminder@x", "Reminder@1", "reminder@1 "):
        with pytest.raises(InputError, match="names no version"):
            parse_reference(wrong)
    with pytest.raises(InputError, match="reminder@1 was never submitted"):
        Approvals(store).resolve("reminder@1")


def test_a_content_with_a_file_outside_its_folder_is_none() -> None:
    data = json.loads(ONE.to_text())
    assert TrackContent.from_text(json.dumps(data)).digest == ONE.digest
    for path in ("/etc/passwd", "../up.yaml"):
        with pytest.raises(ValueError, match="outside its folder"):
            TrackContent.from_text(json.dumps({**data, "main": path, "files": [[path, ""]]}))
