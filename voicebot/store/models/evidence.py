"""What is kept of calls, and the audit chain."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ForeignKey,
)
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big, index_where


class RecordRow(Base):
    """The record of one call, encrypted JSON."""

    __tablename__ = "call_record"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    campaign_id: Mapped[str] = mapped_column(index=True)
    disposition: Mapped[str]
    saved_ms: Mapped[int] = mapped_column(Big)
    record_ct: Mapped[bytes]


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
