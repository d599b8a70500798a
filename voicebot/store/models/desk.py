"""The desk: who may log in and take calls, and what each agent's calls came to."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from voicebot.store.models.base import Base, Big, one_of

STAFF_ROLES = ("agent", "supervisor", "operations")


class StaffRow(Base):
    """Somebody of the desk.  `profile_ct` is what commands say of them, on top of configs/agents.yaml."""

    __tablename__ = "staff"
    __table_args__ = (CheckConstraint(one_of("role", STAFF_ROLES), name="staff_role"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    profile_ct: Mapped[bytes]
    "JSON: name, sip, skills, agency, certificates, as far as a command set them."
    enabled: Mapped[bool]
    password_hash: Mapped[str | None]
    "Argon2id; null: cannot log in."
    must_change: Mapped[bool]
    failures: Mapped[int]
    "Wrong passwords in a row."
    locked_until_ms: Mapped[int] = mapped_column(Big)
    made_ms: Mapped[int] = mapped_column(Big)
    changed_ms: Mapped[int] = mapped_column(Big)


class DeskCallRow(Base):
    """One call that was offered to one agent."""

    __tablename__ = "desk_call"
    __table_args__ = (Index("desk_call_agent", "agent_id", "offered_ms"),)

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    agent_id: Mapped[str]
    attempt_id: Mapped[str]
    campaign_id: Mapped[str]
    case_id: Mapped[str]
    phone_masked: Mapped[str]
    queue: Mapped[str]
    reason: Mapped[str]
    offered_ms: Mapped[int] = mapped_column(Big)
    bridged_ms: Mapped[int | None] = mapped_column(Big)
    ended_ms: Mapped[int | None] = mapped_column(Big)
    outcome: Mapped[str | None]
    "What became of the reservation: see handoff.states.SeatOutcome."
    disposition: Mapped[str | None]
    "The agent's own word, from the wrap-up."
    form_ct: Mapped[bytes | None]
    "JSON of the wrap-up form."
    wrapped_ms: Mapped[int | None] = mapped_column(Big)
    effects_due: Mapped[bool]
    "What the form asks for (stop list, hold, promise, call-back) is not written yet."
