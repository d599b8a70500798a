"""What the pacing keeps: caller numbers' reputations, and a campaign's count of abandoned calls."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big


class NumberReputationRow(Base):
    """One a caller number, over all campaigns and machines.  Counts decay; they are as of `as_of_ms`."""

    __tablename__ = "number_reputation"

    number: Mapped[str] = mapped_column(primary_key=True)
    as_of_ms: Mapped[int] = mapped_column(Big)
    calls: Mapped[float]
    answered: Mapped[float]
    signs: Mapped[dict[str, Any]]
    "Count of each bad sign: rejected, short, blocked."
    rests: Mapped[int]
    resting_until_ms: Mapped[int] = mapped_column(Big)
    reason: Mapped[str]
    last_used_ms: Mapped[int] = mapped_column(Big)


class PacingTotalRow(Base):
    """One a campaign: answered calls that wanted an agent, and those of them whom nobody came for."""

    __tablename__ = "pacing_total"
    __table_args__ = (CheckConstraint("0 <= abandoned AND abandoned <= wanted", name="abandoned_wanted"),)

    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaign.id"), primary_key=True)
    wanted: Mapped[int]
    abandoned: Mapped[int]
