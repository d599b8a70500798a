"""People who sign, and what they signed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big


class PersonRow(Base):
    """Somebody who signs: roles and an Ed25519 public key (base64, raw 32 bytes)."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True)
    name_ct: Mapped[bytes]
    roles: Mapped[list[Any]]
    public_key: Mapped[str]


class ApprovalRow(Base):
    """A talk track's approval or revocation, as signed."""

    __tablename__ = "approval"
    __table_args__ = (Index("approval_digest", "digest"), Index("approval_track", "track", "signed_ms"))

    id: Mapped[str] = mapped_column(primary_key=True)
    track: Mapped[str]
    version: Mapped[str]
    digest: Mapped[str]
    state: Mapped[str]
    document: Mapped[dict[str, Any]]
    signed_ms: Mapped[int] = mapped_column(Big)
