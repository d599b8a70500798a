"""People who sign, what was put before them, and what they signed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big, one_of
from voicebot.store.track_states import Action


class PersonRow(Base):
    """Somebody who signs: roles and an Ed25519 public key (base64, raw 32 bytes)."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True)
    name_ct: Mapped[bytes]
    roles: Mapped[list[Any]]
    public_key: Mapped[str]
    agency: Mapped[str | None]
    "The outside agency that the person works for."
    former_keys: Mapped[list[Any]]
    "Keys that were rightly the person's: what they signed still holds."


class TrackVersionRow(Base):
    """A version of a talk track, whole, as it was submitted.  Rows are never changed or deleted (triggers).

    `content` is JSON text: which file is the track's own, and the text of every file (voicebot.store
    .track_versions).
    """

    __tablename__ = "track_version"
    __table_args__ = (UniqueConstraint("track", "version", name="track_version_once"),)

    digest: Mapped[str] = mapped_column(primary_key=True)
    track: Mapped[str]
    version: Mapped[int]
    content: Mapped[str]


class ReviewRow(Base):
    """One thing that a person signed about a version, a link of a chain.  Never changed or deleted.

    `document` is the canonical JSON text that `signature` is over; the columns before it repeat it.
    """

    __tablename__ = "review"
    __table_args__ = (
        CheckConstraint(one_of("action", Action), name="review_action"),
        Index("review_digest", "digest", "seq"),
    )

    seq: Mapped[int] = mapped_column(Big, primary_key=True, autoincrement=False)
    track: Mapped[str]
    version: Mapped[int]
    digest: Mapped[str]
    action: Mapped[str]
    person: Mapped[str]
    document: Mapped[str]
    signature: Mapped[str]
    previous: Mapped[str]
    hash: Mapped[str]
