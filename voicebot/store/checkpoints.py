"""Signed checkpoints: the site's Ed25519 signature under the audit chain as it stood.

Who can write to the database can forge a whole new chain, but not the signatures under the old one.  Each
checkpoint is also appended to a file: a copy of it elsewhere proves that the chain was not cut short either.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, insert, select

from voicebot.clock import Clock
from voicebot.errors import InputError
from voicebot.store.audit import AuditChain, last_link
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.models import CheckpointRow
from voicebot.store.signatures import canonical, is_signed_by, public_text, sign

log = structlog.get_logger()

KIND = "audit_checkpoint"
BEGINNING = b'{"document":{'
"""Of each line of the file."""
CHECKPOINTS = Path("audit", "checkpoints.jsonl")
"""Where runs write them, below the site's `var` (a simulated run: below its own folder)."""


@dataclass(frozen=True)
class Checkpoint:
    """`document`: {"kind", "seq", "hash" of the last link, "at", "key": the site's public key}."""

    document: Mapping[str, Any]
    signature: str

    @property
    def seq(self) -> int:
        return int(self.document["seq"])

    @property
    def hash(self) -> str:
        return str(self.document["hash"])

    @property
    def key(self) -> str:
        return str(self.document["key"])

    def holds(self, keys: Iterable[str]) -> bool:
        """Whether one of these public keys made it."""
        return self.key in keys and is_signed_by(self.key, self.document, self.signature)

    def as_dict(self) -> dict[str, Any]:
        return {"document": dict(self.document), "signature": self.signature}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Checkpoint:
        return cls(kept["document"], kept["signature"])


class Checkpoints:
    """Signs and reads them.  `file` receives each new one as a JSON line, when it is given."""

    def __init__(self, store: Store, clock: Clock, file: Path | None = None) -> None:
        self._store, self._clock, self._file = store, clock, file
        self._chain = AuditChain(store, clock)

    def sign(self) -> Checkpoint | None:
        """A checkpoint at the end of the chain; None when nothing was added since the last one."""
        with self._store.begin() as connection:
            self._chain.lock_in(connection)
            made = self._sign_in(connection)
        if made is not None and self._file is not None:
            try:
                _append(self._file, made)
            except OSError as fault:  # a full disk: the store has it, and the next one is written again
                log.error("checkpoint_not_copied", link=made.seq, fault=type(fault).__name__)
        return made

    def sign_all(self) -> Checkpoint | None:
        """Chains everything that waits in the outbox, and signs."""
        while self._chain.seal():
            pass
        return self.sign()

    def _sign_in(self, connection: Connection) -> Checkpoint | None:
        last = last_link(connection)
        newest = select(CheckpointRow.seq).order_by(CheckpointRow.seq.desc()).limit(1)
        if last is None or (connection.execute(newest).scalar() or 0) >= last[0]:
            return None
        seq, digest = last
        key = self._store.keys.signing_key()
        document = {
            "kind": KIND,
            "seq": seq,
            "hash": digest,
            "at": self._clock.now().isoformat(timespec="milliseconds"),
            "key": public_text(key),
        }
        made = Checkpoint(document, sign(key, document))
        connection.execute(
            insert(CheckpointRow).values(
                seq=seq, document=canonical(document).decode(), signature=made.signature
            )
        )
        return made


def stored_checkpoints(store: Store) -> list[Checkpoint]:
    """Those of the store, the oldest first."""
    query = select(CheckpointRow.document, CheckpointRow.signature).order_by(CheckpointRow.seq)
    with store.reading() as connection:
        return [Checkpoint(json.loads(document), mark) for document, mark in connection.execute(query)]


def site_keys(keys: KeyRing) -> list[str]:
    """Public keys of the ring's versions, the newest last."""
    return [public_text(keys.signing_key(version)) for version in keys.versions]


def read_checkpoints(file: Path) -> list[Checkpoint]:
    """Those of a file, without lines that a full disk or a power cut tore.  InputError when it is none."""
    try:
        lines = file.read_bytes().split(b"\n")
        return [Checkpoint.of(json.loads(line)) for line in lines if line.strip() and not _is_torn(line)]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError("the checkpoints cannot be read", "Is it the file that runs write?", file) from None


def _is_torn(line: bytes) -> bool:
    """It begins as a checkpoint does, and does not end."""
    try:
        json.loads(line)
    except ValueError:
        return line.startswith(BEGINNING[: len(line)])
    return False


def _append(file: Path, made: Checkpoint) -> None:
    """On a line of its own, whatever became of the one before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as lines:
        end = lines.seek(0, os.SEEK_END)
        lines.seek(max(0, end - 1))
        torn = lines.read(1) not in (b"", b"\n")
        lines.write(b"\n" * torn + canonical(made.as_dict()) + b"\n")
        lines.flush()
        os.fsync(lines.fileno())
