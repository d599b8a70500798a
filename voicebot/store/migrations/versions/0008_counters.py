"""The counters' key begins with whom they are about: cheap before the database has statistics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_counters"
down_revision = "0007_enrolment"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _keyed_by("subject", "counter", "day")


def downgrade() -> None:
    _keyed_by("counter", "subject", "day")


def _keyed_by(*key: str) -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("day_use_pkey", "day_use")
        op.create_primary_key("day_use_pkey", "day_use", list(key))
        return
    op.execute("CREATE TABLE old_day_use AS SELECT * FROM day_use")
    op.drop_table("day_use")
    op.create_table(
        "day_use",
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("counter", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.CheckConstraint("used >= 0 AND used <= cap", name="daily_cap"),
        sa.PrimaryKeyConstraint(*key),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO day_use (subject, counter, day, cap, used) "
        "SELECT subject, counter, day, cap, used FROM old_day_use"
    )
    op.drop_table("old_day_use")
