"""Registers: stop list and removals from it, marks on cases, caller numbers, agencies, agreements."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big, index_where


class StopRow(Base):
    """An entry of the stop list: a number or a debtor, of one institution or of all ('*').

    Nothing is deleted: a removed entry keeps its row.
    """

    __tablename__ = "stop_list"
    __table_args__ = (
        CheckConstraint("kind IN ('phone', 'debtor')", name="stop_kind"),
        Index("stop_subject", "subject", "institution"),
    )

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    kind: Mapped[str]
    subject: Mapped[bytes]
    institution: Mapped[str]
    reason: Mapped[str]
    made_by: Mapped[str]
    note: Mapped[str]
    masked: Mapped[str]
    attempt_id: Mapped[str | None]
    made_ms: Mapped[int] = mapped_column(Big)
    expires_ms: Mapped[int | None] = mapped_column(Big)
    removed_ms: Mapped[int | None] = mapped_column(Big)


class StopRemovalRow(Base):
    """A removal as one person asked for it and another confirmed it; `signatures` are over `document`."""

    __tablename__ = "stop_removal"
    __table_args__ = (index_where("one_open_removal", "done_ms IS NULL", "stop_id", unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True)
    stop_id: Mapped[int] = mapped_column(Big, ForeignKey("stop_list.id"))
    document: Mapped[dict[str, Any]]
    signatures: Mapped[list[Any]]
    asked_ms: Mapped[int] = mapped_column(Big)
    done_ms: Mapped[int | None] = mapped_column(Big)


class MarkRow(Base):
    """A hold or an approval on a case: open_complaint, paid_unconfirmed, contact_call_approved …"""

    __tablename__ = "case_mark"
    __table_args__ = (Index("case_mark_case", "institution", "case_id"),)

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    institution: Mapped[str]
    case_id: Mapped[str]
    mark: Mapped[str]
    made_by: Mapped[str]
    evidence: Mapped[str]
    made_ms: Mapped[int] = mapped_column(Big)
    expires_ms: Mapped[int | None] = mapped_column(Big)
    cleared_ms: Mapped[int | None] = mapped_column(Big)
    cleared_by: Mapped[str | None]


class ToolRow(Base):
    """A registered caller number (作业工具), signed by its registrar and its approver if by command."""

    __tablename__ = "tool"

    number: Mapped[str] = mapped_column(primary_key=True)
    institution: Mapped[str]
    agency: Mapped[str | None]
    genuine_cli: Mapped[bool]
    valid_from: Mapped[int]
    valid_to: Mapped[int]
    registered_by: Mapped[str]
    approved_by: Mapped[str | None]
    signatures: Mapped[list[Any]]
    "[person, signature] pairs; empty when a file brought it in."
    by_command: Mapped[bool] = mapped_column(default=False)
    "Filed, approved or ended by command: files do not change it any more."


class AgencyRow(Base):
    """An outside agency: listed, for which institutions it has a mandate, when it was last evaluated."""

    __tablename__ = "agency"

    name: Mapped[str] = mapped_column(primary_key=True)
    listed: Mapped[bool]
    mandates: Mapped[list[Any]]
    evaluated: Mapped[int | None]


class AgreementRow(Base):
    """约定: what a debtor agreed to beforehand, with the evidence for it.

    In force from `from_ms` to `to_ms`; with `hours` ("22:00-23:30", local time in `timezone`) only then.
    """

    __tablename__ = "agreement"
    __table_args__ = (CheckConstraint("kind IN ('window', 'extra_call')", name="agreement_kind"),)

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    institution: Mapped[str]
    debtor_bix: Mapped[bytes] = mapped_column(index=True)
    debtor_ct: Mapped[bytes | None]
    kind: Mapped[str]
    from_ms: Mapped[int] = mapped_column(Big)
    to_ms: Mapped[int] = mapped_column(Big)
    hours: Mapped[str | None]
    timezone: Mapped[str | None]
    calls_per_day: Mapped[int | None]
    "Of an extra_call: how many connected calls a day were agreed to."
    source: Mapped[str]
    evidence_id: Mapped[str]
    made_by: Mapped[str]
    made_ms: Mapped[int | None] = mapped_column(Big)
    revoked_ms: Mapped[int | None] = mapped_column(Big)
    revoked_by: Mapped[str | None]
