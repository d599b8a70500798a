"""Alembic runs on the connection that the store gives it; there is no alembic.ini."""

from __future__ import annotations

from alembic import context

from voicebot.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
