"""Looks at personal data: who opened what, and why.  They stand in the audit chain like everything else."""

from __future__ import annotations

from sqlalchemy import Connection

from voicebot.clock import Clock
from voicebot.store.audit import AuditChain
from voicebot.store.database import Store

LOOKED = "data_looked_at"


def note_look(store: Store, clock: Clock, by: str, what: str, subject: str, why: str = "") -> None:
    """Before it is shown: `what` is recording, transcript, number …; `subject` an attempt or case id.

    `why` holds nothing personal.
    """
    with store.begin() as connection:
        note_look_in(connection, AuditChain(store, clock), by, what, subject, why)


def note_look_in(
    connection: Connection, audit: AuditChain, by: str, what: str, subject: str, why: str = ""
) -> None:
    """The same within a transaction that also holds what it tells of."""
    audit.append_in(connection, LOOKED, subject, {"by": by, "what": what, "why": why})
