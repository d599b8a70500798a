"""Control of campaigns from other processes: what people asked for, and which processes work on what."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big

WISHES = ("run", "pause", "resume", "drain", "stop", "edit")


class ControlRow(Base):
    """Something that was asked of a campaign; the newest one is in force.  Real time, never simulated."""

    __tablename__ = "control"
    __table_args__ = (
        CheckConstraint(f"wish IN {WISHES}", name="control_wish"),
        Index("control_campaign", "campaign_id", "seq"),
    )

    seq: Mapped[int] = mapped_column(Big, primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaign.id"))
    wish: Mapped[str]
    made_by: Mapped[str]
    made_ms: Mapped[int] = mapped_column(Big)


class NodeRow(Base):
    """One process that works on one campaign: the run that began it, or a worker on another machine."""

    __tablename__ = "node"
    __table_args__ = (Index("node_campaign", "campaign_id", "ended_ms"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    "The prefix of its workers' names in the ledger."
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaign.id"))
    machine: Mapped[str]
    process: Mapped[str]
    "Process id and its start time: tells a process from a later one with the same id."
    began_ms: Mapped[int] = mapped_column(Big)
    seen_ms: Mapped[int] = mapped_column(Big)
    heard_seq: Mapped[int] = mapped_column(Big)
    "The newest wish that it has carried out."
    ended_ms: Mapped[int | None] = mapped_column(Big)
    numbers: Mapped[dict[str, Any]]
    "Its live numbers: calls, workers, what it waits for, alarms, its fault."
