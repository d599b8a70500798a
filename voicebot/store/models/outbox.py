"""What happened to attempts, group by group: waiting for the audit chain, and counted for the live table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big, index_where


class OutboxRow(Base):
    """The events of one transaction.  Rows are only added; sealing writes nothing but `link`."""

    __tablename__ = "outbox"
    __table_args__ = (
        index_where("outbox_unsealed", "link IS NULL", "id"),
        Index("outbox_link", "link"),
    )

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    at_ms: Mapped[int] = mapped_column(Big)
    events: Mapped[list[Any]]
    "[kind, attempt, data] of each."
    counts: Mapped[dict[str, Any]]
    "campaign → what → by how many it changed."
    link: Mapped[int | None] = mapped_column(Big)
    "The link of the audit chain that holds its hash; NULL until it is sealed."


class TallyRow(Base):
    """How many attempts of a campaign are in a state, as far as the outbox is sealed."""

    __tablename__ = "tally"

    campaign_id: Mapped[str] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(Big)
