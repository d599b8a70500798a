"""One run at a time on an embedded store that outlives its runs."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voicebot.errors import InputError
from voicebot.store.database import Store


@contextmanager
def sole_owner(store: Store) -> Iterator[bool]:
    """Holds a SQLite store for this process: True.  InputError when another run holds it.

    Only a sole owner may take every attempt that is still open for left over.  PostgreSQL serves many
    machines at once: False, nothing is held.
    """
    database = store.engine.url.database
    if store.is_postgresql or not database:
        yield False
        return
    path = Path(f"{database}.lock")
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                "another run works on this store.", "Wait until it ends, or stop it.", where=database
            ) from None
        yield True
