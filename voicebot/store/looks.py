"""Looks at personal data: who opened what, and why.  They stand in the audit chain like everything else."""

from __future__ import annotations

from voicebot.clock import Clock
from voicebot.store.audit import AuditChain
from voicebot.store.database import Store

LOOKED = "data_looked_at"


def note_look(store: Store, clock: Clock, by: str, what: str, subject: str, why: str = "") -> None:
    """Before it is shown: `what` is recording, transcript, number …; `subject` an attempt or case id.

    `why` holds nothing personal.
    """
    AuditChain(store, clock).append(LOOKED, subject, {"by": by, "what": what, "why": why})
