"""From draft to approved at the desk: another person, twice, one of them senior; all else is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dialogs.track import Track
from scripts_review.topics import SeniorTopics
from scripts_review.transfer import bring_in, copy_reviews, export_version
from tests.scripts_review.office import Office, by_hand
from tests.scripts_review.reviewed import ROLES, key_of, register_people
from voicebot.errors import InputError
from voicebot.store.approvals import Approvals
from voicebot.store.audit_check import check
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.people import People
from voicebot.store.signatures import create_key, load_key, public_text
from voicebot.store.track_states import TrackState
from voicebot.store.track_versions import TrackVersions


def refused(act: Callable[[], object]) -> str:
    """The one line of a refusal."""
    with pytest.raises(InputError) as fault:
        act()
    line = str(fault.value)
    assert "\n" not in line
    return line


def test_from_draft_to_approved_to_superseded(office: Office) -> None:
    assert office.submit().state is TrackState.SUBMITTED
    first = office.approve("reviewer-wang")
    assert (first.state, first.waits_for) == (
        TrackState.SUBMITTED,
        "1 more approval, by a senior reviewer",
    )
    assert {"credit records", "fees"} <= set(first.topics), "the reminder speaks of 征信 and 罚息"
    assert office.approve("reviewer-sun").state is TrackState.APPROVED
    office.change("version: 1", "version: 2")
    office.change("您看今天方便处理吗？", "您看今天可以处理吗？")
    assert office.submit().reference == "reminder@2"
    assert office.approvals.resolve("reminder@1").state is TrackState.APPROVED
    office.approve("reviewer-sun", "reminder@2")
    assert office.approve("reviewer-wang", "reminder@2").state is TrackState.APPROVED
    old = office.desk.standing("reminder@1")
    assert (old.state, old.speakable) == (TrackState.SUPERSEDED, True)
    assert [event.action for event in old.events] == ["submit", "approve", "approve", "supersede"]
    office.revoke("compliance-zhao", "reminder@1")
    with pytest.raises(InputError, match="compliance-zhao revoked it"):
        office.approvals.resolve("reminder@1")
    assert check(office.store).faults == []


def test_without_a_senior_reviewer_two_are_not_enough(office: Office) -> None:
    office.submit()
    office.approve("reviewer-wang")
    waiting = office.approve("reviewer-he")
    assert (waiting.state, waiting.waits_for) == (
        TrackState.SUBMITTED,
        "the approval of a senior reviewer",
    )
    assert office.approve("reviewer-sun").state is TrackState.APPROVED


def test_who_cannot_approve(office: Office) -> None:
    office.submit("author-chen", author="author-li")
    for person, words in (
        ("author-chen", "author-chen is no reviewer or senior_reviewer"),
        ("author-li", "author-li is the author of reminder@1"),
        ("ops-lin", "ops-lin is no reviewer"),
        ("nobody", "nobody called 'nobody' is registered"),
    ):
        assert words in refused(partial(office.approve, person))
    office.approve("reviewer-wang")
    assert "has already approved" in refused(partial(office.approve, "reviewer-wang"))
    assert "not the key of reviewer-sun" in refused(
        partial(office.approve, "reviewer-sun", key="reviewer-he")
    )
    twin = public_text(key_of("reviewer-wang"))
    People(office.store).register("reviewer-he", "某人", ["reviewer"], twin)
    assert "A key belongs to one person" in refused(
        partial(office.approve, "reviewer-he", key="reviewer-wang")
    )


def test_the_submitter_cannot_approve_what_another_wrote(office: Office) -> None:
    office.submit("author-li", author="author-chen")
    assert "author-li is the submitter of reminder@1" in refused(partial(office.approve, "author-li"))


def test_who_cannot_submit_and_what(office: Office) -> None:
    assert "ops-lin is no author" in refused(partial(office.submit, "ops-lin"))
    assert "nobody called" in refused(partial(office.submit, author="nobody"))
    office.change("我记一下，您打算", "不还后果自负，您打算", "debtor.yaml")
    assert "THREAT" in refused(office.submit)
    with pytest.raises(InputError, match="was not submitted here"):
        office.desk.standing("reminder@1")


def test_a_changed_text_under_the_same_version_is_refused(office: Office) -> None:
    office.submit()
    assert "is submitted. It cannot be submitted" in refused(office.submit)
    office.change("您看今天方便处理吗？", "您看今天可以处理吗？")
    said = refused(office.submit)
    assert "already submitted with another text" in said and "header to 2" in said
    office.change("version: 1", "version: 2")
    assert office.submit().reference == "reminder@2"


def test_the_authors_file_may_go_and_what_was_read_stays(office: Office) -> None:
    digest = Track.load(office.file).digest
    office.submit()
    office.file.unlink()
    assert TrackVersions(office.store).find("reminder", 1).load().digest == digest
    office.approve("reviewer-wang")
    assert office.approve("reviewer-sun").digest == digest


def test_rejected_is_a_draft_that_may_come_again(office: Office) -> None:
    office.submit()
    office.approve("reviewer-wang")
    draft = office.reject("reviewer-sun")
    assert draft.state is TrackState.DRAFT
    assert "reminder@1 is draft (reviewer-sun rejected it" in refused(partial(office.approve, "reviewer-he"))
    office.submit()
    again = office.approve("reviewer-sun")
    assert (again.state, again.signers) == (TrackState.SUBMITTED, ("reviewer-sun",)), "old ones do not count"
    assert office.approve("reviewer-wang").state is TrackState.APPROVED


def test_moves_that_there_are_not(office: Office) -> None:
    for act in (office.reject, office.revoke, office.approve):
        assert "was not submitted here" in refused(partial(act, "reviewer-wang"))
    office.submit()
    assert "is submitted. It cannot be revoked" in refused(partial(office.revoke, "reviewer-wang"))
    office.approve("reviewer-wang")
    office.approve("reviewer-sun")
    assert "is approved. It cannot be rejected" in refused(partial(office.reject, "reviewer-he"))
    assert "is approved. It cannot be approved" in refused(partial(office.approve, "reviewer-he"))
    assert "author-chen is no compliance" in refused(partial(office.revoke, "author-chen"))
    office.revoke("reviewer-wang")
    for act, word in ((office.approve, "approved"), (office.revoke, "revoked"), (office.reject, "rejected")):
        assert f"It cannot be {word}" in refused(partial(act, "reviewer-he"))
    assert "It cannot be submitted" in refused(office.submit)


def test_nothing_is_signed_without_a_word_of_why(office: Office) -> None:
    office.submit()
    with pytest.raises(InputError, match="say why"):
        office.desk.approve("reminder@1", "reviewer-wang", partial(key_of, "reviewer-wang"), "  ")


def test_a_refusal_asks_nobody_for_a_passphrase(office: Office) -> None:
    office.submit()

    def asked() -> None:
        pytest.fail("the key was asked for")

    with pytest.raises(InputError):
        office.desk.approve("reminder@1", "author-chen", asked, "fine")  # type: ignore[arg-type]


def test_nothing_is_signed_on_top_of_a_touched_record(office: Office) -> None:
    office.submit()
    office.approve("reviewer-wang")
    by_hand(office.store, "UPDATE review SET person = 'reviewer-he' WHERE seq = 2")
    assert "the record of reviews was tampered with" in refused(partial(office.approve, "reviewer-sun"))


def test_a_content_that_was_changed_in_the_store_is_not_approved(office: Office) -> None:
    office.submit()
    by_hand(office.store, "UPDATE track_version SET content = replace(content, '方便处理', '必须处理')")
    assert "was changed in the store" in refused(partial(office.approve, "reviewer-wang"))


@pytest.fixture
def other(tmp_path: Path, keys: KeyRing) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'other.db'}", keys)


def test_a_version_travels_to_another_site_with_its_signatures(office: Office, other: Store) -> None:
    office.submit()
    office.approve("reviewer-wang")
    half = export_version(office.store, "reminder@1")
    office.approve("reviewer-sun")
    whole = export_version(office.store, "reminder@1")
    assert "author-chen is not registered here" in refused(
        partial(bring_in, other, office.clock, whole, linted=True)
    )
    register_people(other)
    standing, new = bring_in(other, office.clock, half, linted=True)
    assert (standing.state, new) == (TrackState.SUBMITTED, 2)
    standing, new = bring_in(other, office.clock, whole)
    assert (standing.state, new) == (TrackState.APPROVED, 1)
    assert bring_in(other, office.clock, whole, linted=True)[1] == 0
    office.revoke("compliance-zhao")
    revoked = export_version(office.store, "reminder@1")
    assert bring_in(other, office.clock, revoked, linted=True)[0].state is TrackState.REVOKED


def test_a_forged_bundle_brings_nothing(office: Office, other: Store) -> None:
    register_people(other)
    office.submit()
    office.approve("reviewer-wang")
    good = export_version(office.store, "reminder@1")
    main, said = good["content"]["files"][0]
    changed = [[main, said.replace("方便处理", "必须处理")], *good["content"]["files"][1:]]
    for bundle, words in (
        ({**good, "content": {**good["content"], "files": changed}}, "not what author-chen signed"),
        ({**good, "reviews": good["reviews"][1:]}, "does not fit what is here"),
        ({**good, "reviews": []}, "nobody submitted"),
        ({**good, "content": {}}, "no exported talk track"),
        (
            {**good, "reviews": [{**one, "signature": "AAAA"} for one in good["reviews"]]},
            "the signature of author-chen does not hold",
        ),
    ):
        assert words in refused(partial(bring_in, other, office.clock, bundle, linted=True))
    with pytest.raises(InputError, match="was not submitted"):
        TrackVersions(other).find("reminder", 1)


def test_a_run_with_a_store_of_its_own_has_the_sites_reviews(office: Office, other: Store) -> None:
    office.submit()
    office.approve("reviewer-wang")
    office.approve("reviewer-sun")
    People(office.store).register("reviewer-wang", "某人", ["reviewer"], public_text(key_of("new")))
    copy_reviews(office.store, other, office.clock)
    office.clock.advance(1)
    assert Approvals(other).resolve("reminder@1").approved_by == ("reviewer-sun", "reviewer-wang")
    assert {person.id for person in People(other).all()} == set(ROLES)


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "wang.pem"
    key = create_key(path, b"correct horse")
    assert b"ENCRYPTED" in path.read_bytes() and path.stat().st_mode & 0o777 == 0o600
    assert public_text(load_key(path, lambda: b"correct horse")) == public_text(key)
    assert "cannot be opened" in refused(partial(load_key, path, lambda: b"wrong"))
    assert "cannot be opened" in refused(partial(load_key, path, lambda: b""))
    assert "has a passphrase" in refused(partial(load_key, path))
    assert "no private key here" in refused(partial(load_key, tmp_path / "none.pem"))


def test_topics_are_data(tmp_path: Path, office: Office) -> None:
    track = Track.load(office.file)
    topics = SeniorTopics.load()
    assert {"credit records", "fees"} <= set(topics.of(track))
    assert "B.conseq" in topics.of(track)["credit records"]
    assert "fees" not in topics.of(Track.load(office.file.with_name("contact.yaml")))
    path = tmp_path / "topics.yaml"
    for text in ("- law\n", "law: 法院\n", "law: {words: ['']}\n", "law: {words: [法院], rules: [LAW]}\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            SeniorTopics.load(path)
