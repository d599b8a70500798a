"""What is kept of calls, the audit chain and its signed checkpoints."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big, index_where, one_of

RECORDING_STATES = ("sealed", "salvaged", "unsealed", "deleted")
"""sealed at hang-up · salvaged after its process died · unsealed: the disk was full, to be sealed at the
next start · deleted when its time had come."""


class RecordRow(Base):
    """The record of one call, encrypted JSON."""

    __tablename__ = "call_record"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    campaign_id: Mapped[str] = mapped_column(index=True)
    disposition: Mapped[str]
    saved_ms: Mapped[int] = mapped_column(Big)
    record_ct: Mapped[bytes]


class RecordingRow(Base):
    """One recording: where its sealed file lies, and the digest of the audio inside it."""

    __tablename__ = "recording"
    __table_args__ = (
        CheckConstraint(one_of("state", RECORDING_STATES), name="recording_state"),
        Index("recording_saved", "saved_ms"),
    )

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    campaign_id: Mapped[str]
    file: Mapped[str]
    sha256: Mapped[str]
    "Of the audio file inside the seal: it stays the same when keys are rotated."
    seconds: Mapped[float]
    state: Mapped[str]
    saved_ms: Mapped[int] = mapped_column(Big)


class AuditRow(Base):
    """One link of the audit chain."""

    __tablename__ = "audit"
    __table_args__ = (index_where("audit_review", "kind = 'review'", "seq"),)

    seq: Mapped[int] = mapped_column(Big, primary_key=True, autoincrement=False)
    at: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    data: Mapped[dict[str, Any]]
    previous: Mapped[str]
    hash: Mapped[str]


class CheckpointRow(Base):
    """The site's signature under the chain as it was: `document` (canonical JSON) names its last link."""

    __tablename__ = "audit_checkpoint"

    seq: Mapped[int] = mapped_column(Big, primary_key=True, autoincrement=False)
    document: Mapped[str]
    signature: Mapped[str]
