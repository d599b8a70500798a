"""Attempts, the gate's decisions on them, the counters, and what late reports said."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import (
    CLOSED_SQL,
    LIVE_SQL,
    OPEN_SQL,
    PHASE_SQL,
    PLANNED_SQL,
    Base,
    Big,
    index_where,
    one_of,
    phase_of_values,
)
from voicebot.store.states import AttemptState, Disposition


class AttemptRow(Base):
    """One intended dial, closed exactly once.  The partial unique indexes allow one live attempt
    a debtor, a number and a contact, whatever the code does.

    Campaign, case and debtor are copies of what the contact says: only the contact is a foreign key.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        CheckConstraint(one_of("state", AttemptState), name="attempt_state"),
        CheckConstraint(PHASE_SQL, name="attempt_phase"),
        CheckConstraint(one_of("disposition", Disposition), name="attempt_disposition"),
        CheckConstraint(f"({CLOSED_SQL}) = (disposition IS NOT NULL)", name="closed_with_a_disposition"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_a_reason"),
        CheckConstraint(f"NOT ({LIVE_SQL}) OR (worker IS NOT NULL AND bix IS NOT NULL)", name="live_owner"),
        index_where("attempt_ready", PLANNED_SQL, "campaign_id", "due_ms", "rank", "contact_id"),
        index_where("one_live_debtor", LIVE_SQL, "debtor_id", unique=True),
        index_where("one_live_phone", LIVE_SQL, "bix", unique=True),
        index_where("one_open_contact", OPEN_SQL, "contact_id", unique=True),
        index_where("attempt_live", LIVE_SQL, "campaign_id", "trunk", "worker"),
        index_where("attempt_refused", "state = 'refused'", "campaign_id"),
        index_where("attempt_unknown", "state = 'unknown'", "campaign_id"),
        Index("attempt_contact", "contact_id"),
        {"postgresql_with": {"fillfactor": "60"}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[str]
    case_pk: Mapped[int] = mapped_column(Big)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"))
    debtor_id: Mapped[int] = mapped_column(Big)
    number: Mapped[int]
    "1 for the first try of a contact, 2 for the next …"
    state: Mapped[str]
    phase: Mapped[int] = mapped_column(default=phase_of_values, server_default="0")
    """0 planned, 1 live, 2 ended.  The indexes go by it: permission and ringing do not touch them."""
    due_ms: Mapped[int] = mapped_column(Big)
    rank: Mapped[int]
    "Place in the campaign's order among those that are due."
    bix: Mapped[bytes | None]
    caller: Mapped[str | None]
    trunk: Mapped[str | None]
    worker: Mapped[str | None]
    day: Mapped[int | None]
    reserved: Mapped[list[Any]] = mapped_column(server_default="[]")
    "[counter, subject as hex, day] of each slot taken, until it is given back."
    rule: Mapped[str | None]
    reason: Mapped[str | None]
    disposition: Mapped[str | None]
    sip_code: Mapped[int] = mapped_column(server_default="0")
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
    __table_args__ = (
        CheckConstraint("used >= 0 AND used <= cap", name="daily_cap"),
        {"sqlite_with_rowid": False},
    )

    subject: Mapped[bytes] = mapped_column(primary_key=True)
    "First in the key: PostgreSQL has no statistics of it in the first minutes of a store."
    counter: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    cap: Mapped[int]
    used: Mapped[int]


class DecisionBasisRow(Base):
    """What many decisions share: the gate, the packs, and the facts that are the same for all of them.

    `digest` is the first 16 bytes of SHA-256 over the canonical JSON of the other columns.
    """

    __tablename__ = "decision_basis"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    gate: Mapped[str]
    pack: Mapped[str]
    facts: Mapped[dict[str, Any]]


class DecisionRow(Base):
    """What the gate said about an attempt at its claim and at its permission (nothing personal).

    The facts are those of the basis, `facts` on top of them, and `dial_at` = `at_ms`.
    """

    __tablename__ = "decision"
    __table_args__ = (
        CheckConstraint("moment IN ('claim', 'permit')", name="decision_moment"),
        {"sqlite_with_rowid": False},
    )

    attempt_id: Mapped[str] = mapped_column(primary_key=True)
    "No foreign key: written with its attempt, in the same transaction, thousands of times a second."
    moment: Mapped[str] = mapped_column(primary_key=True)
    allowed: Mapped[bool]
    refusals: Mapped[list[Any] | None]
    "[rule, reason, words] of each rule that forbids it; NULL when allowed."
    basis: Mapped[bytes]
    facts: Mapped[dict[str, Any]]
    at_ms: Mapped[int] = mapped_column(Big)


class LateReportRow(Base):
    """What was reported of an attempt that was closed already: it helps the person who resolves it."""

    __tablename__ = "late_report"

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), index=True)
    disposition: Mapped[str]
    answered: Mapped[bool]
    at_ms: Mapped[int] = mapped_column(Big)
