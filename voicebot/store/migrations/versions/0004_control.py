"""Control of running campaigns: wishes of people, nodes with their heartbeat, notices on PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_control"
down_revision = "0003_registers"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TOLD = {"control": "INSERT", "campaign": "UPDATE OF state, file"}
"""Tables whose changes every node must see at once; stop list and reviews send notices of their own."""


def upgrade() -> None:
    """Creates the tables, and the triggers that send a notice at every commit of a change."""
    op.create_table(
        "control",
        sa.Column("seq", BIG, nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("wish", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_ms", BIG, nullable=False),
        sa.CheckConstraint(
            "wish IN ('run', 'pause', 'resume', 'drain', 'stop', 'edit')", name="control_wish"
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"]),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("control_campaign", "control", ["campaign_id", "seq"], unique=False)
    op.create_table(
        "node",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("machine", sa.String(), nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("began_ms", BIG, nullable=False),
        sa.Column("seen_ms", BIG, nullable=False),
        sa.Column("heard_seq", BIG, nullable=False),
        sa.Column("ended_ms", BIG, nullable=True),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("node_campaign", "node", ["campaign_id", "ended_ms"], unique=False)
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE FUNCTION voicebot_notice() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_notify('voicebot_control', TG_TABLE_NAME); RETURN NULL; END $$"
    )
    for table, events in TOLD.items():
        op.execute(
            f"CREATE TRIGGER {table}_notice AFTER {events} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION voicebot_notice()"
        )


def downgrade() -> None:
    """Removes them."""
    if op.get_bind().dialect.name == "postgresql":
        for table in TOLD:
            op.execute(f"DROP TRIGGER {table}_notice ON {table}")
        op.execute("DROP FUNCTION voicebot_notice()")
    op.drop_table("node")
    op.drop_table("control")
