"""The ledger at speed: phases, decisions on a shared basis, outbox and tally, leases, trunks.

`attempt`, `decision`, `day_use` and `call_record` are built anew: SQLite changes neither constraints nor the
kind of a table in place.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from voicebot.store.models.base import CLOSED_SQL, LIVE_SQL, OPEN_SQL, PHASE_SQL, PLANNED_SQL

revision = "0002_ledger"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = (
    "'answered', 'claimed', 'closed', 'dialling', 'notdialled', 'planned', 'refused', 'ringing', 'unknown'"
)
DISPOSITIONS = (
    "'ASSISTANT', 'BUSY', 'CALLBACK', 'CARRIER_FAILED', 'COMPLAINT', 'CONTACT_REFUSED', 'DECEASED', "
    "'DECLINED_TO_PAY', 'DISPUTE', 'EMPTY_NUMBER', 'HARDSHIP', 'HUMAN', 'HUNG_UP', 'INFORMED', 'MINOR', "
    "'NOT_DIALLED', 'NOT_UNDERSTOOD', 'NOT_VERIFIED', 'NO_ANSWER', 'NO_INFORMATION', 'PAID_CLAIM', "
    "'PLAN_SUBMITTED', 'POWERED_OFF', 'PTP', "
    "'REJECTED', 'RELAYED', 'SILENT', 'STOP_REQUEST', 'SUSPENDED', 'UNKNOWN', 'UNREACHABLE', 'VOICEMAIL', "
    "'VULNERABLE', 'WRONG_PARTY'"
)
ATTEMPT = (
    "id, campaign_id, case_pk, contact_id, debtor_id, number, state, due_ms, rank, bix, caller, trunk, "
    "worker, day, reserved, rule, reason, disposition, sip_code, callback_ms, planned_ms, claimed_ms, "
    "dialled_ms, answered_ms, closed_ms"
)
RECORD = "attempt_id, campaign_id, disposition, saved_ms, record_ct"
OLD_INDEXES = {
    "attempt": (
        "attempt_debtor",
        "attempt_live_worker",
        "attempt_ready",
        "ix_attempt_campaign_id",
        "ix_attempt_contact_id",
        "one_live_debtor",
        "one_live_phone",
        "one_open_contact",
    ),
    "call_record": ("ix_call_record_campaign_id",),
}


def upgrade() -> None:
    """From 0001.  What was decided before is not kept in the new form: a store of 0001 held trials only."""
    op.drop_table("decision")
    for table, indexes in OLD_INDEXES.items():
        for name in indexes:
            op.drop_index(name, table_name=table)
    op.execute("CREATE TABLE old_record AS SELECT * FROM call_record")
    op.drop_table("call_record")
    op.execute("CREATE TABLE old_attempt AS SELECT * FROM attempt")
    op.drop_table("attempt")
    _attempts()
    op.execute(
        f"INSERT INTO attempt ({ATTEMPT}, phase) SELECT {ATTEMPT}, "
        "CASE WHEN state = 'planned' THEN 0 "
        "WHEN state IN ('answered', 'claimed', 'dialling', 'ringing') THEN 1 ELSE 2 END FROM old_attempt"
    )
    op.drop_table("old_attempt")
    _attempt_indexes()
    _records()
    op.execute(f"INSERT INTO call_record ({RECORD}) SELECT {RECORD} FROM old_record")
    op.drop_table("old_record")
    op.create_index("ix_call_record_campaign_id", "call_record", ["campaign_id"], unique=False)
    _decisions()
    _day_use()
    _workers_and_trunks()
    _outbox()
    op.create_index("ix_case_file_debtor_id", "case_file", ["debtor_id"], unique=False)


def _attempts() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("case_pk", BIG, nullable=False),
        sa.Column("contact_id", BIG, nullable=False),
        sa.Column("debtor_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("due_ms", BIG, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("bix", sa.LargeBinary(), nullable=True),
        sa.Column("caller", sa.String(), nullable=True),
        sa.Column("trunk", sa.String(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("day", sa.Integer(), nullable=True),
        sa.Column("reserved", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("disposition", sa.String(), nullable=True),
        sa.Column("sip_code", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("callback_ms", BIG, nullable=True),
        sa.Column("planned_ms", BIG, nullable=False),
        sa.Column("claimed_ms", BIG, nullable=True),
        sa.Column("dialled_ms", BIG, nullable=True),
        sa.Column("answered_ms", BIG, nullable=True),
        sa.Column("closed_ms", BIG, nullable=True),
        sa.CheckConstraint(f"state IN ({STATES})", name="attempt_state"),
        sa.CheckConstraint(PHASE_SQL, name="attempt_phase"),
        sa.CheckConstraint(f"disposition IN ({DISPOSITIONS})", name="attempt_disposition"),
        sa.CheckConstraint(f"({CLOSED_SQL}) = (disposition IS NOT NULL)", name="closed_with_a_disposition"),
        sa.CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_a_reason"),
        sa.CheckConstraint(
            f"NOT ({LIVE_SQL}) OR (worker IS NOT NULL AND bix IS NOT NULL)", name="live_owner"
        ),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"]),
        sa.PrimaryKeyConstraint("id"),
        postgresql_with={"fillfactor": "60"},  # room for the permission beside the claim
    )


def _attempt_indexes() -> None:
    for name, where, columns, unique in (
        ("attempt_ready", PLANNED_SQL, ["campaign_id", "due_ms", "rank", "contact_id"], False),
        ("one_live_debtor", LIVE_SQL, ["debtor_id"], True),
        ("one_live_phone", LIVE_SQL, ["bix"], True),
        ("one_open_contact", OPEN_SQL, ["contact_id"], True),
        ("attempt_live", LIVE_SQL, ["campaign_id", "trunk", "worker"], False),
        ("attempt_refused", "state = 'refused'", ["campaign_id"], False),
        ("attempt_unknown", "state = 'unknown'", ["campaign_id"], False),
    ):
        condition: Any = sa.text(where)
        op.create_index(
            name, "attempt", columns, unique=unique, sqlite_where=condition, postgresql_where=condition
        )
    op.create_index("attempt_contact", "attempt", ["contact_id"], unique=False)


def _records() -> None:
    op.create_table(
        "call_record",
        sa.Column("attempt_id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("saved_ms", BIG, nullable=False),
        sa.Column("record_ct", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"]),
        sa.PrimaryKeyConstraint("attempt_id"),
    )


def _decisions() -> None:
    op.create_table(
        "decision_basis",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("gate", sa.String(), nullable=False),
        sa.Column("pack", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "decision",
        sa.Column("attempt_id", sa.String(), nullable=False),
        sa.Column("moment", sa.String(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("refusals", sa.JSON(), nullable=True),
        sa.Column("basis", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.CheckConstraint("moment IN ('claim', 'permit')", name="decision_moment"),
        sa.PrimaryKeyConstraint("attempt_id", "moment"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "late_report",
        sa.Column("id", BIG, nullable=False),
        sa.Column("attempt_id", sa.String(), nullable=False),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_late_report_attempt_id", "late_report", ["attempt_id"], unique=False)


def _day_use() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("CREATE TABLE old_day_use AS SELECT * FROM day_use")
    op.drop_table("day_use")
    op.create_table(
        "day_use",
        sa.Column("counter", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0 AND used <= cap", name="daily_cap"),
        sa.PrimaryKeyConstraint("counter", "subject", "day"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO day_use SELECT counter, subject, day, cap, used FROM old_day_use")
    op.drop_table("old_day_use")


def _workers_and_trunks() -> None:
    op.add_column("worker", sa.Column("epoch", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("worker", sa.Column("ttl_ms", BIG, nullable=True))
    op.add_column("worker", sa.Column("expires_ms", BIG, nullable=True))
    op.create_table(
        "trunk",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("cps", sa.Double(), nullable=False),
        sa.Column("burst", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.Double(), nullable=False),
        sa.CheckConstraint("lines >= 0 AND cps > 0 AND burst >= 1", name="trunk_limits"),
        sa.PrimaryKeyConstraint("name"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", BIG, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("link", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "outbox_unsealed",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("link IS NULL"),
        postgresql_where=sa.text("link IS NULL"),
    )
    op.create_index("outbox_link", "outbox", ["link"], unique=False)
    op.create_table(
        "tally",
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("n", BIG, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "what"),
    )
    for what, where in (
        ("state", "TRUE"),
        ("'disposition ' || disposition", "disposition IS NOT NULL"),
        ("'reason ' || reason", "reason IS NOT NULL"),
        ("'was answered'", "answered_ms IS NOT NULL"),
    ):
        op.execute(
            f"INSERT INTO tally (campaign_id, what, n) SELECT campaign_id, {what}, count(*) "
            f"FROM attempt WHERE {where} GROUP BY 1, 2"
        )


def downgrade() -> None:
    """There is no way back: restore the back-up that was made before the upgrade."""
    raise NotImplementedError("0002_ledger cannot be taken back; restore the back-up")
