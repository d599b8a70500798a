"""How far the enrolment of a campaign's lists came: what broke off goes on where it stopped."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big


class EnrolmentRow(Base):
    """One a campaign.  Its cases and contacts have ids of reserved ranges, up to the `*_end` (exclusive)."""

    __tablename__ = "enrolment"

    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaign.id"), primary_key=True)
    fingerprint: Mapped[str]
    "Of the lists' contents and what else decides what is written; empty for rows that came without lists."
    cases: Mapped[int]
    "How many cases the lists have."
    done: Mapped[int]
    "How many of them are written."
    next_case: Mapped[int] = mapped_column(Big)
    case_end: Mapped[int] = mapped_column(Big)
    next_contact: Mapped[int] = mapped_column(Big)
    contact_end: Mapped[int] = mapped_column(Big)
    finished_ms: Mapped[int | None] = mapped_column(Big)
