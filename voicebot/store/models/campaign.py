"""Campaigns and whom they call: debtors, numbers, cases, contacts with their points."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big


class CampaignRow(Base):
    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'paused', 'stopped', 'done')", name="campaign_state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    institution: Mapped[str]
    digest: Mapped[str]
    file: Mapped[dict[str, Any]]
    created_ms: Mapped[int] = mapped_column(Big)


class DebtorRow(Base):
    """One person towards one institution: the key of the daily cap, over all campaigns and agencies."""

    __tablename__ = "debtor"

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    bix: Mapped[bytes] = mapped_column(unique=True)
    institution: Mapped[str]


class PhoneRow(Base):
    __tablename__ = "phone"

    bix: Mapped[bytes] = mapped_column(primary_key=True)
    e164_ct: Mapped[bytes]


class CaseRow(Base):
    """A debtor's matter in a campaign; `record_ct` holds its typed slots as JSON."""

    __tablename__ = "case_file"
    __table_args__ = (UniqueConstraint("campaign_id", "case_id"),)

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaign.id"))
    case_id: Mapped[str]
    debtor_id: Mapped[int] = mapped_column(ForeignKey("debtor.id"), index=True)
    agency: Mapped[str | None]
    record_ct: Mapped[bytes]
    notes_ct: Mapped[bytes | None]
    "The list's other columns, by row: a JSON list of objects."
    flags: Mapped[dict[str, Any]]
    tail_mac: Mapped[str | None]


class ContactRow(Base):
    """A person to be reached in a case: the debtor, a guarantor, a contact.  One budget of attempts."""

    __tablename__ = "contact"
    __table_args__ = (CheckConstraint("state IN ('open', 'done', 'unresolved')", name="contact_state"),)

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaign.id"), index=True)
    case_pk: Mapped[int] = mapped_column(ForeignKey("case_file.id"), index=True)
    party: Mapped[str]
    name_ct: Mapped[bytes]
    state: Mapped[str]
    why: Mapped[str | None]


class ContactPointRow(Base):
    """A number of a contact, where it came from, and the evidence."""

    __tablename__ = "contact_point"

    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), primary_key=True)
    ord: Mapped[int] = mapped_column(primary_key=True)
    bix: Mapped[bytes] = mapped_column(ForeignKey("phone.bix"), index=True)
    source: Mapped[str]
    evidence: Mapped[str | None]
