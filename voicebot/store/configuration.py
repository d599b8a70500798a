"""Which files a run works by: their digests stand in the audit chain whenever one of them has changed."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from voicebot.clock import Clock
from voicebot.store.audit import AuditChain
from voicebot.store.database import Store
from voicebot.store.models import AuditRow

CONFIGURATION = "configuration"


def note_configuration(store: Store, clock: Clock, subject: str, files: Iterable[Path]) -> list[str]:
    """A link when a file of `subject` (a campaign) is another than at its last run; returns which.

    A file that is not there has no digest: that it went is a change as well.
    """
    digests = {str(file): _digest(file) for file in files}
    before = _last(store, subject)
    changed = sorted(name for name in {*digests, *before} if digests.get(name) != before.get(name))
    if changed:
        about = {"files": digests, "changed": changed, "by": getpass.getuser()}
        AuditChain(store, clock).append(CONFIGURATION, subject, about)
    return changed


def _last(store: Store, subject: str) -> Mapping[str, Any]:
    query = select(AuditRow.data).where(AuditRow.kind == CONFIGURATION, AuditRow.subject == subject)
    with store.reading() as connection:
        data = connection.execute(query.order_by(AuditRow.seq.desc()).limit(1)).scalar()
    return {} if data is None else dict(data["files"])


def _digest(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
