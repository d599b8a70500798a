"""Which processes work on a campaign: the heartbeat, numbers and carried-out wishes of each."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from voicebot.campaign.control import now_ms
from voicebot.store.database import Store
from voicebot.store.models import NodeRow

BEAT_S = 1.0
"""A node writes its heartbeat so often."""
SILENT_AFTER_MS = 5000
"""A node that was not seen for so long is shown as silent; nobody waits for it."""
DEAD = ("Z", "X")
"""States of a process in /proc."""


@dataclass(frozen=True)
class Node:
    """One node as others see it.  `age_ms` since its last heartbeat."""

    id: str
    machine: str
    process: str
    began_ms: int
    age_ms: int
    heard_seq: int
    ended: bool
    numbers: dict[str, Any]

    @property
    def alive(self) -> bool:
        """At work, as far as its heartbeat tells."""
        return not self.ended and self.age_ms < SILENT_AFTER_MS and not self.known_dead

    @property
    def known_dead(self) -> bool:
        """True when it was a process of this very machine that is gone."""
        return not self.ended and self.machine == this_machine() and not _runs(self.process)


class Nodes:
    """Writes this process's row and reads everybody's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, node_id: str, campaign_id: str) -> None:
        """Registers this process on a campaign."""
        with self._store.begin() as connection:
            at = now_ms(connection)
            connection.execute(
                insert(NodeRow).values(
                    id=node_id,
                    campaign_id=campaign_id,
                    machine=this_machine(),
                    process=this_process(),
                    began_ms=at,
                    seen_ms=at,
                    heard_seq=0,
                    ended_ms=None,
                    numbers={},
                )
            )

    def beat(self, node_id: str, heard_seq: int, numbers: Mapping[str, Any]) -> None:
        """It lives, this is how it stands, and it has carried out every wish up to `heard_seq`."""
        with self._store.begin() as connection:
            row = update(NodeRow).where(NodeRow.id == node_id)
            connection.execute(
                row.values(seen_ms=now_ms(connection), heard_seq=heard_seq, numbers=dict(numbers))
            )

    def end(self, node_id: str, numbers: Mapping[str, Any]) -> None:
        """It works no more."""
        with self._store.begin() as connection:
            at, row = now_ms(connection), update(NodeRow).where(NodeRow.id == node_id)
            connection.execute(row.values(seen_ms=at, ended_ms=at, numbers=dict(numbers)))

    def of(self, campaign_id: str) -> list[Node]:
        """Every node that ever worked on it, the newest first."""
        return self._select(NodeRow.campaign_id == campaign_id)

    def open(self) -> list[Node]:
        """Every node that did not end in order, on any campaign."""
        return self._select(NodeRow.ended_ms.is_(None))

    def _select(self, which: Any) -> list[Node]:
        with self._store.reading() as connection:
            at = now_ms(connection)
            rows = connection.execute(
                select(NodeRow.__table__).where(which).order_by(NodeRow.began_ms.desc(), NodeRow.id)
            )
            return [
                Node(
                    row.id,
                    row.machine,
                    row.process,
                    row.began_ms,
                    max(0, at - row.seen_ms),
                    row.heard_seq,
                    row.ended_ms is not None,
                    row.numbers,
                )
                for row in rows
            ]


def this_machine() -> str:
    """A name of this machine, its boot and its process namespace: process ids mean something only within."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"


def this_process() -> str:
    """Process id and the tick of its start, which no clock adjustment moves."""
    return f"{os.getpid()}@{_started(os.getpid())}"


def _runs(process: str) -> bool:
    pid, _, began = process.partition("@")
    return _started(int(pid)) == began


def _started(pid: int) -> str | None:
    """None when it is gone; one that is dead and not yet fetched by its parent is gone too."""
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in DEAD else numbers[18]
