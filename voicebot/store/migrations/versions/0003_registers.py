"""Registers that change by command: removals by two people, signed tools, agreed hours, agencies' people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_registers"
down_revision = "0002_ledger"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _added() -> dict[str, list[sa.Column[object]]]:
    """New columns by table.  New ones at each call: a column belongs to one table for good."""
    return {
        "stop_list": [sa.Column("removed_ms", BIG, nullable=True)],
        "case_mark": [
            sa.Column("expires_ms", BIG, nullable=True),
            sa.Column("cleared_by", sa.String(), nullable=True),
        ],
        "tool": [
            sa.Column("signatures", sa.JSON(), nullable=False, server_default="[]"),
            sa.Column("by_command", sa.Boolean(), nullable=False, server_default=sa.false()),
        ],
        "agreement": [
            sa.Column("institution", sa.String(), nullable=False, server_default=""),
            sa.Column("debtor_ct", sa.LargeBinary(), nullable=True),
            sa.Column("hours", sa.String(), nullable=True),
            sa.Column("timezone", sa.String(), nullable=True),
            sa.Column("calls_per_day", sa.Integer(), nullable=True),
            sa.Column("source", sa.String(), nullable=False, server_default=""),
            sa.Column("made_ms", BIG, nullable=True),
            sa.Column("revoked_by", sa.String(), nullable=True),
        ],
        "person": [
            sa.Column("agency", sa.String(), nullable=True),
            sa.Column("former_keys", sa.JSON(), nullable=False, server_default="[]"),
        ],
    }


def upgrade() -> None:
    """Adds columns, and the table of removals."""
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "stop_removal",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("stop_id", BIG, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("signatures", sa.JSON(), nullable=False),
        sa.Column("asked_ms", BIG, nullable=False),
        sa.Column("done_ms", BIG, nullable=True),
        sa.ForeignKeyConstraint(["stop_id"], ["stop_list.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "one_open_removal",
        "stop_removal",
        ["stop_id"],
        unique=True,
        sqlite_where=sa.text("done_ms IS NULL"),
        postgresql_where=sa.text("done_ms IS NULL"),
    )


def downgrade() -> None:
    """Takes them away again; an entry that was removed from the stop list is in force again."""
    op.drop_table("stop_removal")
    for table, columns in _added().items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column.name)
