"""The tables.  Names, numbers and records are ciphertexts (`*_ct`); look-ups go by blind index (`bix`).

Times are milliseconds since the epoch (UTC); days are proleptic ordinals in the policy pack's zone.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from voicebot.store.states import LIVE, AttemptState, Disposition

Big = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows only in columns of type INTEGER."""


def _one_of(column: str, values: Any) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in sorted(values))})"


def _index_where(name: str, where: str, *columns: str, unique: bool = False) -> Index:
    """A partial index, on both engines."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


LIVE_SQL = _one_of("state", LIVE)
OPEN_SQL = _one_of("state", LIVE | {AttemptState.PLANNED})
CLOSED_SQL = _one_of("state", {AttemptState.CLOSED, AttemptState.NOT_DIALLED, AttemptState.UNKNOWN})


class Base(DeclarativeBase):
    """All tables of the store."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON,
        list[Any]: JSON,
        bytes: LargeBinary,
    }


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
    debtor_id: Mapped[int] = mapped_column(ForeignKey("debtor.id"))
    agency: Mapped[str | None]
    record_ct: Mapped[bytes]
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


class AttemptRow(Base):
    """One intended dial, closed exactly once.  The partial unique indexes allow one live attempt
    a debtor, a number and a contact, whatever the code does."""

    __tablename__ = "attempt"
    __table_args__ = (
        CheckConstraint(_one_of("state", AttemptState), name="attempt_state"),
        CheckConstraint(_one_of("disposition", Disposition), name="attempt_disposition"),
        CheckConstraint(f"({CLOSED_SQL}) = (disposition IS NOT NULL)", name="closed_with_a_disposition"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_a_reason"),
        CheckConstraint(f"NOT ({LIVE_SQL}) OR (worker IS NOT NULL AND bix IS NOT NULL)", name="live_owner"),
        _index_where("attempt_ready", "state = 'planned'", "campaign_id", "due_ms", "rank"),
        _index_where("one_live_debtor", LIVE_SQL, "debtor_id", unique=True),
        _index_where("one_live_phone", LIVE_SQL, "bix", unique=True),
        _index_where("one_open_contact", OPEN_SQL, "contact_id", unique=True),
        _index_where("attempt_live_worker", LIVE_SQL, "worker"),
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


class StopRow(Base):
    """An entry of the stop list: a number or a debtor, of one institution or of all ('*')."""

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
    cleared_ms: Mapped[int | None] = mapped_column(Big)


class ToolRow(Base):
    """A registered caller number (作业工具)."""

    __tablename__ = "tool"

    number: Mapped[str] = mapped_column(primary_key=True)
    institution: Mapped[str]
    agency: Mapped[str | None]
    genuine_cli: Mapped[bool]
    valid_from: Mapped[int]
    valid_to: Mapped[int]
    registered_by: Mapped[str]
    approved_by: Mapped[str | None]


class AgencyRow(Base):
    """An outside agency: listed, for which institutions it has a mandate, when it was last evaluated."""

    __tablename__ = "agency"

    name: Mapped[str] = mapped_column(primary_key=True)
    listed: Mapped[bool]
    mandates: Mapped[list[Any]]
    evaluated: Mapped[int | None]


class AgreementRow(Base):
    """约定: what a debtor agreed to beforehand, with the evidence for it."""

    __tablename__ = "agreement"
    __table_args__ = (CheckConstraint("kind IN ('window', 'extra_call')", name="agreement_kind"),)

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    debtor_bix: Mapped[bytes] = mapped_column(index=True)
    kind: Mapped[str]
    from_ms: Mapped[int] = mapped_column(Big)
    to_ms: Mapped[int] = mapped_column(Big)
    evidence_id: Mapped[str]
    made_by: Mapped[str]
    revoked_ms: Mapped[int | None] = mapped_column(Big)


class PersonRow(Base):
    """Somebody who signs: roles and an Ed25519 public key (base64, raw 32 bytes)."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True)
    name_ct: Mapped[bytes]
    roles: Mapped[list[Any]]
    public_key: Mapped[str]


class ApprovalRow(Base):
    """A talk track's approval or revocation, as signed."""

    __tablename__ = "approval"
    __table_args__ = (Index("approval_digest", "digest"), Index("approval_track", "track", "signed_ms"))

    id: Mapped[str] = mapped_column(primary_key=True)
    track: Mapped[str]
    version: Mapped[str]
    digest: Mapped[str]
    state: Mapped[str]
    document: Mapped[dict[str, Any]]
    signed_ms: Mapped[int] = mapped_column(Big)


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

    seq: Mapped[int] = mapped_column(Big, primary_key=True, autoincrement=False)
    at: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    data: Mapped[dict[str, Any]]
    previous: Mapped[str]
    hash: Mapped[str]
