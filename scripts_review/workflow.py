"""From draft to approved: submitted by its author, signed by two other people.

Documents are JSON files in the site's folder of approvals, in the form that the store imports
(voicebot.store.approvals).  While signatures are missing the document lies in `submitted/`; with the
second one it moves up, and only then any store takes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dialogs.track import Track
from scripts_review.lint import is_clean, lint
from scripts_review.people import AUTHOR, REVIEWER, People, person_with_role
from voicebot.errors import InputError
from voicebot.store.approvals import signed_document
from voicebot.store.signatures import is_signed_by, public_text, sign

NEEDED = 2
"""Approvals that publishing takes (policy pack, CN-PU-01)."""
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Review:
    """Where a digest stands: draft, submitted or approved; `signed_by` are the reviewers so far."""

    track: str
    version: str
    digest: str
    state: str
    author: str = ""
    signed_by: tuple[str, ...] = ()


class Desk:
    """The reviewers' desk over one folder of documents."""

    def __init__(self, folder: Path, people: People) -> None:
        self._folder, self._people = folder, people

    def submit(self, path: Path, author: str, now: datetime) -> Review:
        """Puts a lint-clean track before the reviewers.  InputError when it is not clean or already there."""
        person_with_role(self._people, author, AUTHOR)
        track = _clean(path)
        if self._find(track.digest) is not None:
            raise InputError(
                f"{track.id}@{track.version} is already submitted", "Approve it, or change it.", path
            )
        document = signed_document(
            track.id, str(track.version), track.digest, "approved", author, now, signers={}
        )
        _write(self._waiting(track.digest), document)
        return self.review(track)

    def approve(self, path: Path, reviewer: str, key: Ed25519PrivateKey) -> Review:
        """Signs a submitted track.  InputError for the author, a stranger, a foreign key, a changed file."""
        person = person_with_role(self._people, reviewer, REVIEWER)
        if person.public_key != public_text(key):
            raise InputError(f"this is not the key of {reviewer}", "Register its public half first.")
        track = _clean(path)
        document = self._find(track.digest)
        if document is None:
            raise InputError("this text was not submitted, or was changed since", "Submit it first.", path)
        if document["author"] == reviewer:
            raise InputError("the author cannot approve", "It takes another person.", path)
        if reviewer in self._signed_by(document):
            raise InputError(f"{reviewer} has already approved", "It takes another person.", path)
        body = {name: value for name, value in document.items() if name != "signatures"}
        signed = {
            **body,
            "signatures": [*document["signatures"], {"person": reviewer, "signature": sign(key, body)}],
        }
        if len(self._signed_by(signed)) >= NEEDED:
            _write(self._published(track.digest), signed)
            self._waiting(track.digest).unlink(missing_ok=True)
        else:
            _write(self._waiting(track.digest), signed)
        return self.review(track)

    def review(self, track: Track) -> Review:
        """Where the track stands."""
        document = self._find(track.digest)
        if document is None:
            return Review(track.id, str(track.version), track.digest, "draft")
        signed = self._signed_by(document)
        state = "approved" if approved(track.digest, [document], self._people) else "submitted"
        return Review(track.id, str(track.version), track.digest, state, str(document["author"]), signed)

    def _signed_by(self, document: Document) -> tuple[str, ...]:
        return tuple(sorted(reviewers(document, self._people)))

    def _find(self, digest: str) -> Document | None:
        for path in (self._published(digest), self._waiting(digest)):
            if path.exists():
                return _read(path)
        return None

    def _published(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"

    def _waiting(self, digest: str) -> Path:
        return self._folder / "submitted" / f"{digest}.json"


def approved(digest: str, documents: Iterable[Document], people: People) -> bool:
    """True when the newest document on `digest` is an approval with enough valid signatures.

    A revocation counts with one reviewer's signature; a document whose signatures do not hold counts nothing.
    """
    counted = []
    for document in documents:
        if document.get("digest") != digest:
            continue
        needed = NEEDED if document.get("state") == "approved" else 1
        if len(reviewers(document, people)) >= needed:
            counted.append((str(document["signed_at"]), str(document["state"])))
    return bool(counted) and max(counted)[1] == "approved"


def reviewers(document: Document, people: People) -> set[str]:
    """Reviewers, other than the author, whose signature on this document holds."""
    body = {name: value for name, value in document.items() if name != "signatures"}
    found = set()
    for entry in document.get("signatures", ()):
        person = people.get(str(entry.get("person")))
        if person is None or person.public_key is None or REVIEWER not in person.roles:
            continue
        if person.id != document.get("author") and is_signed_by(
            person.public_key, body, str(entry.get("signature"))
        ):
            found.add(person.id)
    return found


def _clean(path: Path) -> Track:
    findings = [finding for finding in lint(path) if finding.severity == "error"]
    if not is_clean(findings):
        raise InputError(f"lint: {findings[0]}", f"{len(findings)} errors; see `scripts-review lint`.", path)
    return Track.load(path)


def _read(path: Path) -> Document:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError("the approval document cannot be read", "", path) from None
    if not isinstance(document, dict):
        raise InputError("this is no approval document", "", path)
    return document


def _write(path: Path, document: Document) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(path)
