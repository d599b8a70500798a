"""The first schema: campaigns, cases, attempts, counters, registers, records, audit chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates every table."""
    op.create_table(
        "agency",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("mandates", sa.JSON(), nullable=False),
        sa.Column("evaluated", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "agreement",
        sa.Column("id", BIG, nullable=False),
        sa.Column("debtor_bix", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("from_ms", BIG, nullable=False),
        sa.Column("to_ms", BIG, nullable=False),
        sa.Column("evidence_id", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("revoked_ms", BIG, nullable=True),
        sa.CheckConstraint("kind IN ('window', 'extra_call')", name="agreement_kind"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_agreement_debtor_bix"), "agreement", ["debtor_bix"], unique=False)
    op.create_table(
        "approval",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("track", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("signed_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("approval_digest", "approval", ["digest"], unique=False)
    op.create_index("approval_track", "approval", ["track", "signed_ms"], unique=False)
    op.create_table(
        "audit",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("file", sa.JSON(), nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.CheckConstraint("state IN ('running', 'paused', 'stopped', 'done')", name="campaign_state"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_campaign_name"), "campaign", ["name"], unique=False)
    op.create_table(
        "case_mark",
        sa.Column("id", BIG, nullable=False),
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("made_ms", BIG, nullable=False),
        sa.Column("cleared_ms", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("case_mark_case", "case_mark", ["institution", "case_id"], unique=False)
    op.create_table(
        "day_use",
        sa.Column("counter", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0 AND used <= cap", name="daily_cap"),
        sa.PrimaryKeyConstraint("counter", "subject", "day"),
    )
    op.create_table(
        "debtor",
        sa.Column("id", BIG, nullable=False),
        sa.Column("bix", sa.LargeBinary(), nullable=False),
        sa.Column("institution", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("bix"),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name_ct", sa.LargeBinary(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "phone",
        sa.Column("bix", sa.LargeBinary(), nullable=False),
        sa.Column("e164_ct", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("bix"),
    )
    op.create_table(
        "stop_list",
        sa.Column("id", BIG, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("masked", sa.String(), nullable=False),
        sa.Column("attempt_id", sa.String(), nullable=True),
        sa.Column("made_ms", BIG, nullable=False),
        sa.Column("expires_ms", BIG, nullable=True),
        sa.CheckConstraint("kind IN ('phone', 'debtor')", name="stop_kind"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("stop_subject", "stop_list", ["subject", "institution"], unique=False)
    op.create_table(
        "tool",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("agency", sa.String(), nullable=True),
        sa.Column("genuine_cli", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.Integer(), nullable=False),
        sa.Column("valid_to", sa.Integer(), nullable=False),
        sa.Column("registered_by", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.Column("seen_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "case_file",
        sa.Column("id", BIG, nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("debtor_id", BIG, nullable=False),
        sa.Column("agency", sa.String(), nullable=True),
        sa.Column("record_ct", sa.LargeBinary(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("tail_mac", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
        ),
        sa.ForeignKeyConstraint(
            ["debtor_id"],
            ["debtor.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("campaign_id", "case_id"),
    )
    op.create_table(
        "contact",
        sa.Column("id", BIG, nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("case_pk", BIG, nullable=False),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("name_ct", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'done', 'unresolved')", name="contact_state"),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
        ),
        sa.ForeignKeyConstraint(
            ["case_pk"],
            ["case_file.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_contact_campaign_id"), "contact", ["campaign_id"], unique=False)
    op.create_index(op.f("ix_contact_case_pk"), "contact", ["case_pk"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("case_pk", BIG, nullable=False),
        sa.Column("contact_id", BIG, nullable=False),
        sa.Column("debtor_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_ms", BIG, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("bix", sa.LargeBinary(), nullable=True),
        sa.Column("caller", sa.String(), nullable=True),
        sa.Column("trunk", sa.String(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("day", sa.Integer(), nullable=True),
        sa.Column("reserved", sa.JSON(), nullable=False),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("disposition", sa.String(), nullable=True),
        sa.Column("sip_code", sa.Integer(), nullable=False),
        sa.Column("callback_ms", BIG, nullable=True),
        sa.Column("planned_ms", BIG, nullable=False),
        sa.Column("claimed_ms", BIG, nullable=True),
        sa.Column("dialled_ms", BIG, nullable=True),
        sa.Column("answered_ms", BIG, nullable=True),
        sa.Column("closed_ms", BIG, nullable=True),
        sa.CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_a_reason"),
        sa.CheckConstraint(
            "(state IN ('closed', 'notdialled', 'unknown')) = (disposition IS NOT NULL)",
            name="closed_with_a_disposition",
        ),
        sa.CheckConstraint(
            "NOT (state IN ('answered', 'claimed', 'dialling', 'ringing')) OR (worker IS NOT NULL AND"
            " bix IS NOT NULL)",
            name="live_owner",
        ),
        sa.CheckConstraint(
            "disposition IN ('ASSISTANT', 'BUSY', 'CALLBACK', 'CARRIER_FAILED', 'COMPLAINT', "
            "'CONTACT_REFUSED', 'DECEASED', 'DECLINED_TO_PAY', 'DISPUTE', 'EMPTY_NUMBER', 'HARDSHIP',"
            " 'HUMAN', 'HUNG_UP', 'MINOR', 'NOT_DIALLED', 'NOT_UNDERSTOOD', 'NOT_VERIFIED', "
            "'NO_ANSWER', 'PAID_CLAIM', 'PLAN_SUBMITTED', 'POWERED_OFF', 'PTP', 'REJECTED', "
            "'RELAYED', 'SILENT', 'STOP_REQUEST', 'SUSPENDED', 'UNKNOWN', 'UNREACHABLE', 'VOICEMAIL',"
            " 'VULNERABLE', 'WRONG_PARTY')",
            name="attempt_disposition",
        ),
        sa.CheckConstraint(
            "state IN ('answered', 'claimed', 'closed', 'dialling', 'notdialled', 'planned', "
            "'refused', 'ringing', 'unknown')",
            name="attempt_state",
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
        ),
        sa.ForeignKeyConstraint(
            ["case_pk"],
            ["case_file.id"],
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contact.id"],
        ),
        sa.ForeignKeyConstraint(
            ["debtor_id"],
            ["debtor.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("attempt_debtor", "attempt", ["debtor_id", "closed_ms"], unique=False)
    op.create_index(
        "attempt_live_worker",
        "attempt",
        ["worker"],
        unique=False,
        sqlite_where=sa.text("state IN ('answered', 'claimed', 'dialling', 'ringing')"),
        postgresql_where=sa.text("state IN ('answered', 'claimed', 'dialling', 'ringing')"),
    )
    op.create_index(
        "attempt_ready",
        "attempt",
        ["campaign_id", "due_ms", "rank"],
        unique=False,
        sqlite_where=sa.text("state = 'planned'"),
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index(op.f("ix_attempt_campaign_id"), "attempt", ["campaign_id"], unique=False)
    op.create_index(op.f("ix_attempt_contact_id"), "attempt", ["contact_id"], unique=False)
    op.create_index(
        "one_live_debtor",
        "attempt",
        ["debtor_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('answered', 'claimed', 'dialling', 'ringing')"),
        postgresql_where=sa.text("state IN ('answered', 'claimed', 'dialling', 'ringing')"),
    )
    op.create_index(
        "one_live_phone",
        "attempt",
        ["bix"],
        unique=True,
        sqlite_where=sa.text("state IN ('answered', 'claimed', 'dialling', 'ringing')"),
        postgresql_where=sa.text("state IN ('answered', 'claimed', 'dialling', 'ringing')"),
    )
    op.create_index(
        "one_open_contact",
        "attempt",
        ["contact_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('answered', 'claimed', 'dialling', 'planned', 'ringing')"),
        postgresql_where=sa.text("state IN ('answered', 'claimed', 'dialling', 'planned', 'ringing')"),
    )
    op.create_table(
        "contact_point",
        sa.Column("contact_id", BIG, nullable=False),
        sa.Column("ord", sa.Integer(), nullable=False),
        sa.Column("bix", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["bix"],
            ["phone.bix"],
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contact.id"],
        ),
        sa.PrimaryKeyConstraint("contact_id", "ord"),
    )
    op.create_index(op.f("ix_contact_point_bix"), "contact_point", ["bix"], unique=False)
    op.create_table(
        "call_record",
        sa.Column("attempt_id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("saved_ms", BIG, nullable=False),
        sa.Column("record_ct", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempt.id"],
        ),
        sa.PrimaryKeyConstraint("attempt_id"),
    )
    op.create_index(op.f("ix_call_record_campaign_id"), "call_record", ["campaign_id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("id", BIG, nullable=False),
        sa.Column("attempt_id", sa.String(), nullable=False),
        sa.Column("gate", sa.String(), nullable=False),
        sa.Column("moment", sa.String(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("refusals", sa.JSON(), nullable=False),
        sa.Column("pack", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempt.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_decision_attempt_id"), "decision", ["attempt_id"], unique=False)


def downgrade() -> None:
    """Removes every table."""
    for table in (
        "decision",
        "call_record",
        "contact_point",
        "attempt",
        "contact",
        "case_file",
        "worker",
        "tool",
        "stop_list",
        "phone",
        "person",
        "debtor",
        "day_use",
        "case_mark",
        "campaign",
        "audit",
        "approval",
        "agreement",
        "agency",
    ):
        op.drop_table(table)
