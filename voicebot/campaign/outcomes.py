"""What became of attempts, written to the store, or kept on the disk while the store is away.

Everything that touches the store during a run goes through the one thread of this class: SQLite has one
writer, and the event loop never waits for a database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import structlog

from voicebot.call.record import CallRecord
from voicebot.campaign.journal import Journal, is_away
from voicebot.campaign.ledger import Ledger
from voicebot.store.database import Store
from voicebot.store.records import save_record
from voicebot.store.states import Disposition, IllegalMove

log = structlog.get_logger()
T = TypeVar("T")

STORE = "the store"
"""What holds dialling up when nothing can be claimed, permitted or written."""


class Outcomes:
    """`on_away` is told once when the store does not answer any more; `settle` ends that."""

    def __init__(
        self, store: Store, ledger: Ledger, zone: ZoneInfo, journal: Journal, on_away: Callable[[], None]
    ) -> None:
        self._store, self._ledger, self._zone = store, ledger, zone
        self._journal, self._on_away = journal, on_away
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.away = False
        "The store did not answer; outcomes are kept."
        self.kept = 0
        "Outcomes that had to be kept, over the whole run."

    async def in_store(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Runs `work` on the store's thread.  A fault that means the store is away is noted, and raised."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, lambda: work(*arguments, **named)
            )
        except Exception as fault:
            if is_away(fault):
                self._note_away(fault)
            raise

    async def closed(self, record: CallRecord) -> None:
        """A call's record, its effects and its close."""
        await self._write(
            {"kind": "closed", "record": record.model_dump(mode="json"), "zone": self._zone.key}
        )

    async def unknown(self, attempt_id: str, reason: str) -> str:
        """A call that broke on the way: counted as answered; without a permit it certainly was not dialled.

        Returns what to show: unknown or not dialled.
        """
        entry = {"kind": "unknown", "attempt_id": attempt_id, "reason": reason}
        return str(await self._write(entry) or "unknown")

    async def not_dialled(self, attempt_id: str, reason: str) -> None:
        """An order that led to no INVITE."""
        await self._write({"kind": "not_dialled", "attempt_id": attempt_id, "reason": reason})

    async def lose_worker(self, worker: str) -> list[str] | None:
        """A worker died; returns the attempts that are unknown now, None when that is only kept."""
        lost: list[str] | None = await self._write({"kind": "lost_worker", "worker": worker})
        return lost

    async def settle(self) -> int:
        """Writes what was kept; afterwards the store counts as present.  Returns how many.

        Raises what the store raises when it is still away.
        """
        written = await self.in_store(self._journal.replay, self._replay)
        self.away = False
        if written:
            log.warning("kept_outcomes_written", outcomes=written)
        return written

    @property
    def waiting(self) -> int:
        """Outcomes that are only on this machine's disk."""
        return self._journal.waiting

    def close(self) -> None:
        """Waits for what the store still writes."""
        self._thread.shutdown(wait=True)
        self._journal.close()

    # ---- inside ----

    async def _write(self, entry: dict[str, Any]) -> Any:
        """Now, or kept.  A busy store gets a second try; a fault of the entry itself is raised."""
        if self.away:
            return self._keep(entry)
        try:
            return await self.in_store(self._apply, entry)
        except ValueError:
            raise
        except Exception as fault:
            log.warning("store_write_repeated", fault=type(fault).__name__)
        try:
            return await self.in_store(self._apply, entry)
        except Exception as fault:
            if not is_away(fault):
                raise
        return self._keep(entry)

    def _keep(self, entry: dict[str, Any]) -> None:
        self._journal.keep(entry)
        self.kept += 1
        log.warning("outcome_kept", kind=entry["kind"], waiting=self._journal.waiting)

    def _note_away(self, fault: Exception) -> None:
        if not self.away:
            self.away = True
            log.error("store_away", fault=type(fault).__name__)
            self._on_away()

    def _replay(self, entry: dict[str, Any]) -> None:
        replay_entry(self._store, self._ledger, entry)

    def _apply(self, entry: dict[str, Any]) -> Any:
        return apply_entry(self._store, self._ledger, entry)


def apply_entry(store: Store, ledger: Ledger, entry: dict[str, Any]) -> Any:
    """Writes one outcome.  ValueError when it is none."""
    match entry["kind"]:
        case "closed":
            return _close(store, ledger, CallRecord.model_validate(entry["record"]), ZoneInfo(entry["zone"]))
        case "unknown":
            return _unknown(ledger, entry["attempt_id"], entry["reason"])
        case "not_dialled":
            return ledger.not_dialled(entry["attempt_id"], entry["reason"])
        case "lost_worker":
            return ledger.lose_worker(entry["worker"])
        case other:
            raise ValueError(f"no outcome is called {other}")


def replay_entry(store: Store, ledger: Ledger, entry: dict[str, Any]) -> None:
    """The same for an outcome that was kept: what the ledger has no place for must not hold up the others."""
    try:
        apply_entry(store, ledger, entry)
    except (ValueError, LookupError, IllegalMove) as fault:
        about = {"kind": entry.get("kind"), "attempt_id": entry.get("attempt_id")}
        log.error("kept_outcome_refused", fault=type(fault).__name__, **about)


def _close(store: Store, ledger: Ledger, record: CallRecord, zone: ZoneInfo) -> None:
    save_record(store, record)
    # A stop-list wish that could not be written during the call: it is in the record, and written now.
    late = any(event.kind == "effects_late" for event in record.events)
    # A call-back is agreed in the campaign's local time.
    local = record.callback_at
    ledger.apply_outcome(
        record.attempt_id,
        stop_list=record.stop_list if late else None,
        hold=record.hold if late else None,
        promise_date=record.promise_date,
        callback_at=None if local is None else datetime.fromisoformat(local).replace(tzinfo=zone),
    )
    ledger.close(
        record.attempt_id,
        record.disposition,
        answered=record.answered_at is not None,
        sip_code=record.sip_code,
    )


def _unknown(ledger: Ledger, attempt_id: str, reason: str) -> str:
    try:
        ledger.close(attempt_id, Disposition.UNKNOWN, answered=True)
    except ValueError:  # the ledger: it was never dialled
        ledger.not_dialled(attempt_id, reason)
        return "not dialled"
    return "unknown"
