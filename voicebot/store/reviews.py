"""The record of reviews: what each person signed about a version, appended and chained, never changed.

A document is a JSON object, the same on every site:
  {"kind": "review", "id": …, "action": submit | approve | reject | revoke | supersede, "track": …,
   "version": …, "digest": …, "lint": …, "voices": […], "author": …, "submission": …, "topics": […],
   "person": …, "roles": […], "key": …, "asked_at": ISO time, "comment": …}
`submission` is the sha256 of the submission that an answer is about, so that no old signature can be put
behind a later submission.  The signature is over the canonical form.  Each row's hash covers the one before
it, and the audit chain holds each row's hash: a row that is changed, moved or missing is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, insert, select, text

from voicebot.clock import Clock
from voicebot.store.audit import FIRST, AuditChain
from voicebot.store.database import Store
from voicebot.store.models import ReviewRow
from voicebot.store.signatures import canonical, public_text, sign
from voicebot.store.track_states import Action
from voicebot.store.track_versions import TrackContent

AUDITED = "review"
"""Kind of the audit links that carry a review's hash."""
REVIEW_LOCK = 7705
"""PostgreSQL advisory lock: one review is appended at a time."""
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Signed:
    """A document with its signature: what travels between sites."""

    document: Document
    signature: str

    @property
    def id(self) -> str:
        return str(self.document["id"])


def document_of(
    content: TrackContent,
    action: Action,
    *,
    author: str,
    person: str,
    key: Ed25519PrivateKey,
    asked_at: datetime,
    comment: str,
    roles: Sequence[str] = (),
    submission: str = "",
    topics: Sequence[str] = (),
) -> Signed:
    """A new document about a version, signed."""
    body: dict[str, Any] = {
        "kind": "review",
        "id": f"{content.digest[:16]}-{action}-{person}-{asked_at:%Y%m%dT%H%M%S%f}",
        "action": str(action),
        "track": content.track,
        "version": content.version,
        "digest": content.digest,
        "lint": content.lint,
        "voices": list(content.voices),
        "author": author,
        "submission": submission,
        "topics": list(topics),
        "person": person,
        "roles": sorted(roles),
        "key": public_text(key),
        "asked_at": asked_at.isoformat(timespec="milliseconds"),
        "comment": comment,
    }
    return Signed(body, sign(key, body))


def fingerprint(document: Document) -> str:
    """The sha256 of a document, by which answers name their submission."""
    return hashlib.sha256(canonical(document)).hexdigest()


def link(seq: int, document: str, signature: str, previous: str) -> str:
    """A row's hash."""
    body = {"seq": seq, "document": document, "signature": signature, "previous": previous}
    return hashlib.sha256(canonical(body)).hexdigest()


class ReviewLog:
    """Appends to the record.  Who may append what is decided by the desk (scripts_review)."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._audit = store, AuditChain(store, clock)

    def lock_in(self, connection: Connection) -> None:
        """From here to the end of the transaction nobody else appends (SQLite has one writer anyway)."""
        if self._store.is_postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": REVIEW_LOCK})

    def append_in(self, connection: Connection, signed: Signed) -> None:
        """A new link, told to the audit chain in the same transaction."""
        document = signed.document
        last = connection.execute(
            select(ReviewRow.seq, ReviewRow.hash).order_by(ReviewRow.seq.desc()).limit(1)
        ).first()
        seq, previous = (last.seq + 1, last.hash) if last else (1, FIRST)
        body = canonical(document).decode()
        digest = link(seq, body, signed.signature, previous)
        connection.execute(
            insert(ReviewRow).values(
                seq=seq,
                track=document["track"],
                version=document["version"],
                digest=document["digest"],
                action=document["action"],
                person=document["person"],
                document=body,
                signature=signed.signature,
                previous=previous,
                hash=digest,
            )
        )
        about = {"seq": seq, "hash": digest, "action": document["action"], "person": document["person"]}
        subject = f"{document['track']}@{document['version']}"
        self._audit.append_in(connection, AUDITED, subject, about)
