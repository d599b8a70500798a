"""From draft to approved: another person, twice, with keys that hold; everything else is refused."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dialogs.track import Track
from scripts_review import cli
from scripts_review.people import Person
from scripts_review.workflow import Desk, approved
from tests.scripts_review.test_lint import shipped
from voicebot.errors import InputError
from voicebot.store.signatures import public_text, sign

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def keys() -> dict[str, Ed25519PrivateKey]:
    return {name: Ed25519PrivateKey.generate() for name in ("chen", "wang", "sun", "lin")}


@pytest.fixture(scope="module")
def people(keys: dict[str, Ed25519PrivateKey]) -> dict[str, Person]:
    roles = {
        "chen": ("author", "reviewer"),
        "wang": ("reviewer",),
        "sun": ("reviewer",),
        "lin": ("operations",),
    }
    return {
        name: Person(id=name, roles=roles[name], public_key=public_text(key)) for name, key in keys.items()
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return shipped(tmp_path)


@pytest.fixture
def desk(tmp_path: Path, people: dict[str, Person]) -> Desk:
    return Desk(tmp_path / "approvals", people)


def test_two_others_make_it_approved(desk: Desk, path: Path, tmp_path: Path, people, keys):
    digest = Track.load(path).digest
    assert desk.review(Track.load(path)).state == "draft"
    assert desk.submit(path, "chen", NOW).state == "submitted"
    assert desk.approve(path, "wang", keys["wang"]).state == "submitted"
    assert not (tmp_path / "approvals" / f"{digest}.json").exists()
    review = desk.approve(path, "sun", keys["sun"])
    assert (review.state, review.signed_by) == ("approved", ("sun", "wang"))
    document = json.loads((tmp_path / "approvals" / f"{digest}.json").read_text(encoding="utf-8"))
    assert approved(digest, [document], people)
    assert not (tmp_path / "approvals" / "submitted" / f"{digest}.json").exists()


@pytest.mark.parametrize(
    "who, said",
    [("chen", "the author cannot approve"), ("lin", "lin is no reviewer"), ("nobody", "nobody is called")],
)
def test_who_cannot_approve(desk: Desk, path: Path, keys, who: str, said: str):
    desk.submit(path, "chen", NOW)
    with pytest.raises(InputError, match=said):
        desk.approve(path, who, keys.get(who, keys["wang"]))


def test_one_person_cannot_approve_twice(desk: Desk, path: Path, keys):
    desk.submit(path, "chen", NOW)
    desk.approve(path, "wang", keys["wang"])
    with pytest.raises(InputError, match="wang has already approved"):
        desk.approve(path, "wang", keys["wang"])


def test_a_foreign_key_is_refused(desk: Desk, path: Path, keys):
    desk.submit(path, "chen", NOW)
    with pytest.raises(InputError, match="not the key of wang"):
        desk.approve(path, "wang", keys["sun"])


def test_a_file_changed_after_submission_is_refused(desk: Desk, path: Path, keys):
    desk.submit(path, "chen", NOW)
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="was changed since"):
        desk.approve(path, "wang", keys["wang"])


def test_a_track_with_lint_errors_cannot_be_submitted(tmp_path: Path, desk: Desk):
    bad = shipped(tmp_path, ("我记一下，您打算", "不还后果自负，您打算"))
    with pytest.raises(InputError, match="THREAT"):
        desk.submit(bad, "chen", NOW)


def test_tampered_and_revoked_documents_do_not_count(desk: Desk, path: Path, tmp_path: Path, people, keys):
    digest = Track.load(path).digest
    desk.submit(path, "chen", NOW)
    desk.approve(path, "wang", keys["wang"])
    desk.approve(path, "sun", keys["sun"])
    document = json.loads((tmp_path / "approvals" / f"{digest}.json").read_text(encoding="utf-8"))
    assert not approved(digest, [{**document, "author": "zhou"}], people)
    assert not approved("0" * 64, [document], people)
    doubled = {**document, "signatures": [document["signatures"][0]] * 2}
    assert not approved(digest, [doubled], people)
    revoked = {name: value for name, value in document.items() if name != "signatures"}
    revoked |= {"state": "revoked", "signed_at": "2025-12-01T09:00:00+00:00"}
    signed = {**revoked, "signatures": [{"person": "wang", "signature": sign(keys["wang"], revoked)}]}
    assert not approved(digest, [document, signed], people)
    assert approved(digest, [document, {**signed, "signed_at": "2026-01-01T00:00:00+00:00"}], people)


def test_the_command_says_one_line_and_exits_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scripts-review", "lint", "no/such/track.yaml"])
    with pytest.raises(SystemExit) as left:
        cli.run()
    assert left.value.code == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("scripts-review: no/such/track.yaml: cannot be read") and "\n" not in said


def test_a_reader_sees_the_conversation(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scripts-review", "show", "dialogs/talktracks/reminder.yaml"])
    with pytest.raises(SystemExit) as left:
        cli.run()
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "听：[C.stop_calling] 别再打了" in said
    assert "［结束 STOP_REQUEST］［停呼名单 DEBTOR_NO_BOT］" in said
