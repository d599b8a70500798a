"""Attempts, the gate's decisions on them, the counters and the workers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import CLOSED_SQL, LIVE_SQL, OPEN_SQL, Base, Big, index_where, one_of
from voicebot.store.states import AttemptState, Disposition


class AttemptRow(Base):
    """One intended dial, closed exactly once.  The partial unique indexes allow one live attempt
    a debtor, a number and a contact, whatever the code does."""

    __tablename__ = "attempt"
    __table_args__ = (
        CheckConstraint(one_of("state", AttemptState), name="attempt_state"),
        CheckConstraint(one_of("disposition", Disposition), name="attempt_disposition"),
        CheckConstraint(f"({CLOSED_SQL}) = (disposition IS NOT NULL)", name="closed_with_a_disposition"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_a_reason"),
        CheckConstraint(f"NOT ({LIVE_SQL}) OR (worker IS NOT NULL AND bix IS NOT NULL)", name="live_owner"),
        index_where("attempt_ready", "state = 'planned'", "campaign_id", "due_ms", "rank"),
        index_where("one_live_debtor", LIVE_SQL, "debtor_id", unique=True),
        index_where("one_live_phone", LIVE_SQL, "bix", unique=True),
        index_where("one_open_contact", OPEN_SQL, "contact_id", unique=True),
        index_where("attempt_live_worker", LIVE_SQL, "worker"),
        Index("attempt_debtor", "debtor_id", "closed_ms"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaign.id"), index=True)
    case_pk: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    debtor_id: Mapped[int] = mapped_column(ForeignKey("debtor.id"))
    number: Mapped[int]
    "1 for the first try of a contact, 2 for the next …"
    state: Mapped[str]
    due_ms: Mapped[int] = mapped_column(Big)
    rank: Mapped[int]
    "Place in the campaign's order among those that are due."
    bix: Mapped[bytes | None]
    caller: Mapped[str | None]
    trunk: Mapped[str | None]
    worker: Mapped[str | None]
    day: Mapped[int | None]
    reserved: Mapped[list[Any]]
    "[counter, subject as hex, day] of each slot taken, until it is given back."
    rule: Mapped[str | None]
    reason: Mapped[str | None]
    disposition: Mapped[str | None]
    sip_code: Mapped[int]
    callback_ms: Mapped[int | None] = mapped_column(Big)
    "A call-back that was agreed in this call."
    planned_ms: Mapped[int] = mapped_column(Big)
    claimed_ms: Mapped[int | None] = mapped_column(Big)
    dialled_ms: Mapped[int | None] = mapped_column(Big)
    answered_ms: Mapped[int | None] = mapped_column(Big)
    closed_ms: Mapped[int | None] = mapped_column(Big)


class DayUseRow(Base):
    """Slots used of a counter of the policy pack on one day.  The database itself keeps the cap."""

    __tablename__ = "day_use"
    __table_args__ = (CheckConstraint("used >= 0 AND used <= cap", name="daily_cap"),)

    counter: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[bytes] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    cap: Mapped[int]
    used: Mapped[int]


class DecisionRow(Base):
    """What the gate said about an attempt, by which pack, on which facts (nothing personal)."""

    __tablename__ = "decision"

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), index=True)
    gate: Mapped[str]
    moment: Mapped[str]
    "claim or permit"
    allowed: Mapped[bool]
    refusals: Mapped[list[Any]]
    pack: Mapped[str]
    facts: Mapped[dict[str, Any]]
    at_ms: Mapped[int] = mapped_column(Big)


class WorkerRow(Base):
    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(primary_key=True)
    dead: Mapped[bool]
    seen_ms: Mapped[int] = mapped_column(Big)
