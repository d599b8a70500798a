"""People with keys, and versions of talk tracks that they reviewed, straight in a store's record."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from voicebot.clock import ManualClock
from voicebot.store.approvals import Approvals
from voicebot.store.database import Store
from voicebot.store.people import People
from voicebot.store.review_record import Standing
from voicebot.store.reviews import ReviewLog, Signed, document_of
from voicebot.store.signatures import public_text
from voicebot.store.track_states import Action
from voicebot.store.track_versions import TrackContent, TrackVersions

ROLES = {
    "author-chen": ["author"],
    "author-li": ["author", "reviewer"],
    "reviewer-wang": ["reviewer"],
    "reviewer-sun": ["reviewer", "senior_reviewer"],
    "reviewer-he": ["reviewer"],
    "ops-lin": ["operations"],
    "compliance-zhao": ["compliance"],
}
VOICE = "kokoro:zf_xiaoxiao"
SIGNED_AT = "2026-03-01T09:00:00+08:00"


def key_of(person: str) -> Ed25519PrivateKey:
    """Always the same key for the same name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(person.encode()).digest())


def register_people(store: Store) -> None:
    for person, roles in ROLES.items():
        People(store).register(person, "某人", roles, public_text(key_of(person)))


def content(track: str = "reminder", version: int = 3) -> TrackContent:
    """A version that reads and hashes to its digest, and says nothing."""
    path = f"talktracks/{track}.yaml"
    head = f"id: {track}, version: {version}, purpose: a test, institution: bank, lint: 1, voices: [{VOICE}]"
    return TrackContent(track, version, 1, (VOICE,), path, ((path, f"track: {{{head}}}\n"),))


def standing(store: Store, what: TrackContent) -> Standing | None:
    return Approvals(store).record().versions.get(what.digest)


def signed(
    store: Store,
    what: TrackContent,
    action: Action,
    person: str,
    at: str = SIGNED_AT,
    topics: Sequence[str] = (),
    author: str = "author-chen",
) -> Signed:
    """A document as the desk makes it."""
    now = standing(store, what)
    answers = now is not None and action is not Action.SUBMIT
    return document_of(
        what,
        action,
        author=author,
        person=person,
        key=key_of(person),
        asked_at=datetime.fromisoformat(at),
        comment="looked at",
        roles=ROLES.get(person, []),
        submission=now.submission if answers and now else "",
        topics=now.topics if answers and now else topics,
    )


def append(store: Store, document: Signed) -> None:
    """Into the record, whoever signed it."""
    clock = ManualClock(datetime.fromisoformat(str(document.document["asked_at"])))
    with store.begin() as connection:
        ReviewLog(store, clock).append_in(connection, document)


def submit(store: Store, what: TrackContent, topics: Sequence[str] = (), at: str = SIGNED_AT) -> None:
    with store.begin() as connection:
        TrackVersions(store).add_in(connection, what)
    append(store, signed(store, what, Action.SUBMIT, "author-chen", at, topics))


def approve(
    store: Store,
    what: TrackContent,
    by: Sequence[str] = ("reviewer-wang", "reviewer-sun"),
    topics: Sequence[str] = (),
    at: str = SIGNED_AT,
) -> None:
    """People, the content, its submission and the approvals of `by`."""
    register_people(store)
    if standing(store, what) is None:
        submit(store, what, topics, at)
    for person in by:
        append(store, signed(store, what, Action.APPROVE, person, at))


def revoke(store: Store, what: TrackContent, at: str = SIGNED_AT, by: str = "reviewer-wang") -> None:
    append(store, signed(store, what, Action.REVOKE, by, at))
