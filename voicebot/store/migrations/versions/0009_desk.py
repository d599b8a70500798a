"""Who may log in to the desk and take calls, and what their calls came to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_desk"
down_revision = "0008_counters"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("profile_ct", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until_ms", BIG, nullable=False),
        sa.Column("made_ms", BIG, nullable=False),
        sa.Column("changed_ms", BIG, nullable=False),
        sa.CheckConstraint("role IN ('agent', 'operations', 'supervisor')", name="staff_role"),
    )
    op.create_table(
        "desk_call",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("attempt_id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("phone_masked", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("offered_ms", BIG, nullable=False),
        sa.Column("bridged_ms", BIG, nullable=True),
        sa.Column("ended_ms", BIG, nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("disposition", sa.String(), nullable=True),
        sa.Column("form_ct", sa.LargeBinary(), nullable=True),
        sa.Column("wrapped_ms", BIG, nullable=True),
        sa.Column("effects_due", sa.Boolean(), nullable=False),
    )
    op.create_index("desk_call_agent", "desk_call", ["agent_id", "offered_ms"])


def downgrade() -> None:
    op.drop_table("desk_call")
    op.drop_table("staff")
