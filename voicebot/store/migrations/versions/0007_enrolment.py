"""How far the enrolment of a campaign's lists came, and the notes of a case."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_enrolment"
down_revision = "0006_pacing"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "enrolment",
        sa.Column("campaign_id", sa.String(), sa.ForeignKey("campaign.id"), primary_key=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("next_case", BIG, nullable=False),
        sa.Column("case_end", BIG, nullable=False),
        sa.Column("next_contact", BIG, nullable=False),
        sa.Column("contact_end", BIG, nullable=False),
        sa.Column("finished_ms", BIG, nullable=True),
    )

    op.add_column("case_file", sa.Column("notes_ct", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("case_file") as batch:
        batch.drop_column("notes_ct")
    op.drop_table("enrolment")
