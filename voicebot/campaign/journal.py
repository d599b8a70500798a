"""Outcomes that the store could not take: kept on this machine's disk, sealed, and written when it is back.

One file a process, held while it lives.  What a dead process left is written by the next run or worker
that starts on this site.  The journal never decides: the ledger closes each attempt once, and a report that
comes too late (the attempt was given up meanwhile) stands in the audit chain.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from voicebot.store.database import StoreDown
from voicebot.store.encryption import KeyRing

log = structlog.get_logger()

MOST_BYTES = 256 << 20
"""A file never grows beyond this.  Without a store nothing new is dialled, so it is far more than needed."""
BINDING = "journal"


class JournalFull(RuntimeError):
    """An outcome could not be kept: a person must be told."""


class Journal:
    """Appends entries (JSON objects), in order; `replay` hands them out and empties the file."""

    def __init__(self, folder: Path, name: str, keys: KeyRing) -> None:
        self.path, self._keys = folder / f"{name}.journal", keys
        self._file: Any = None
        self.waiting = 0
        "Entries that are not in the store yet."

    def keep(self, entry: dict[str, Any]) -> None:
        """On the disk when this returns.  JournalFull or OSError when it cannot be kept."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _held(self.path)
        line = self._keys.encrypt(json.dumps(entry, ensure_ascii=False), BINDING).hex() + "\n"
        if self._file.seek(0, os.SEEK_END) + len(line) > MOST_BYTES:
            raise JournalFull(f"the journal has {self.waiting} outcomes and no room for more")
        self._file.write(line.encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self.waiting += 1

    def replay(self, write: Callable[[dict[str, Any]], None]) -> int:
        """Writes each entry in order, then empties the file; returns how many.

        A fault of `write` leaves the file as it is: entries that were written before are written again next
        time, and find their attempts closed.
        """
        if self._file is None:
            return 0
        self._file.seek(0)
        count = 0
        for line in self._file:
            if line.endswith(b"\n"):  # the last one may be half a line: its process died while it wrote
                write(json.loads(self._keys.decrypt(bytes.fromhex(line.decode().strip()), BINDING)))
                count += 1
        self._file.truncate(0)
        self.waiting = 0
        return count

    def close(self) -> None:
        """Leaves the file only when something waits in it."""
        if self._file is not None:
            if self.waiting == 0:
                self.path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def left_over(folder: Path, keys: KeyRing) -> Iterator[Journal]:
    """Journals of processes of this site that ended, each held while it is yielded."""
    for path in sorted(folder.glob("*.journal")):
        try:
            file = _held(path)
        except BlockingIOError:
            continue  # its process lives
        journal = Journal(folder, path.stem, keys)
        journal._file = file
        journal.waiting = sum(1 for _ in file)
        yield journal
        journal.close()


def is_away(fault: BaseException) -> bool:
    """The store cannot be reached or does not write now; False for faults of what was asked of it."""
    return isinstance(fault, StoreDown)


def _held(path: Path) -> Any:
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file
