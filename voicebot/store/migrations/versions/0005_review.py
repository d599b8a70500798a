"""Versions of talk tracks with their content, and the chain of what people signed about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_review"
down_revision = "0004_control"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
APPEND_ONLY = ("track_version", "review")
ACTIONS = "action IN ('approve', 'reject', 'revoke', 'submit', 'supersede')"


def upgrade() -> None:
    """Approvals without content cannot be shown, compared or heard: what they approved is submitted again."""
    op.drop_table("approval")
    op.create_table(
        "track_version",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("track", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("track", "version", name="track_version_once"),
    )
    op.create_table(
        "review",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("track", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.CheckConstraint(ACTIONS, name="review_action"),
    )
    op.create_index("review_digest", "review", ["digest", "seq"])
    where = sa.text("kind = 'review'")
    op.create_index("audit_review", "audit", ["seq"], sqlite_where=where, postgresql_where=where)
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def _guard_sqlite() -> None:
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION append_only()"
            )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION append_only()"
        )
    op.execute(
        "CREATE FUNCTION review_notice() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_notify('voicebot', 'review'); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER review_notice AFTER INSERT ON review "
        "FOR EACH STATEMENT EXECUTE FUNCTION review_notice()"
    )
