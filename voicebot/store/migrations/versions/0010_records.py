"""Recordings, signed checkpoints of the audit chain; what is chained cannot be changed or deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_records"
down_revision = "0009_desk"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NEVER_CHANGED = ("audit", "audit_checkpoint", "decision", "decision_basis")


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "recording",
        sa.Column("attempt_id", sa.String(), sa.ForeignKey("attempt.id"), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("saved_ms", BIG, nullable=False),
        sa.PrimaryKeyConstraint("attempt_id"),
        sa.CheckConstraint("state IN ('deleted', 'salvaged', 'sealed', 'unsealed')", name="recording_state"),
    )
    op.create_index("recording_saved", "recording", ["saved_ms"])
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def _guard_sqlite() -> None:
    for table in NEVER_CHANGED:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(
        "CREATE TRIGGER outbox_no_delete BEFORE DELETE ON outbox "
        "BEGIN SELECT RAISE(ABORT, 'outbox is append-only'); END"
    )
    op.execute(
        "CREATE TRIGGER outbox_no_update BEFORE UPDATE OF id, at_ms, events, counts ON outbox "
        "BEGIN SELECT RAISE(ABORT, 'outbox is append-only'); END"
    )


def _guard_postgresql() -> None:
    for table in (*NEVER_CHANGED, "outbox"):
        for change in ("UPDATE", "DELETE"):
            of = " OF id, at_ms, events, counts" if (table, change) == ("outbox", "UPDATE") else ""
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change}{of} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION append_only()"
            )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION append_only()"
        )


def downgrade() -> None:
    """There is no way back: restore the back-up that was made before the upgrade."""
    raise NotImplementedError("0010_records cannot be taken back; restore the back-up")
