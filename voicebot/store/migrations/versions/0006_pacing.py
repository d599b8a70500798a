"""Reputation of caller numbers, and each campaign's count of abandoned calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_pacing"
down_revision = "0005_review"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "number_reputation",
        sa.Column("number", sa.String(), primary_key=True),
        sa.Column("as_of_ms", BIG, nullable=False),
        sa.Column("calls", sa.Double(), nullable=False),
        sa.Column("answered", sa.Double(), nullable=False),
        sa.Column("signs", sa.JSON(), nullable=False),
        sa.Column("rests", sa.Integer(), nullable=False),
        sa.Column("resting_until_ms", BIG, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("last_used_ms", BIG, nullable=False),
    )
    op.create_table(
        "pacing_total",
        sa.Column("campaign_id", sa.String(), sa.ForeignKey("campaign.id"), primary_key=True),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("abandoned", sa.Integer(), nullable=False),
        sa.CheckConstraint("0 <= abandoned AND abandoned <= wanted", name="abandoned_wanted"),
    )


def downgrade() -> None:
    op.drop_table("pacing_total")
    op.drop_table("number_reputation")
