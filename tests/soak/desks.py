"""Where a dialling process gets its orders: a ledger of its own, or its machine's owner of the store.

Every answer comes from the production Ledger.  On an embedded store one owner process claims for all, over a
socket; when it dies, its workers die with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener, wait
from pathlib import Path
from typing import Any, Protocol

import structlog

from tests.campaign.site import PACK
from voicebot.campaign.ledger import Ledger, LostWorker, Outcome
from voicebot.campaign.store_owner import sole_owner
from voicebot.clock import SimulationClock
from voicebot.errors import NotReady
from voicebot.policy.gate import Gate
from voicebot.policy.overrides import with_overrides
from voicebot.store.database import Store, StoreDown
from voicebot.store.encryption import KeyRing
from voicebot.store.states import AttemptState

SEAL_EVERY_S = 0.5
AWAY_S = 30.0
"""No database takes longer to come back."""
RAISED = {one.__name__: one for one in (StoreDown, LostWorker)}
Order = tuple[str, str]
"""An attempt's id and its case's."""


class Desk(Protocol):
    """What a dialling process asks for.  StoreDown: ask again; LostWorker: come again as another."""

    def claim(self, campaign: str, n: int) -> list[Order]: ...

    def permit(self, attempts: Sequence[str]) -> set[str]: ...

    def answered(self, attempts: Sequence[str]) -> None: ...

    def close(self, outcomes: Sequence[Outcome]) -> set[str]: ...

    def renew(self) -> None: ...


@dataclass(frozen=True)
class Caps:
    """The caps of a day, as the pack has them or as an institution tightened them."""

    connected: int = 3
    "Connected calls a debtor."
    attempts: int = 6
    "Dials a number."
    dials_a_person: float = 3.2
    "What a person's cases come to, at the least, before caps and budgets end them."


def open_ledger(url: str, keys: KeyRing, clock: SimulationClock, caps: Caps) -> tuple[Store, Ledger]:
    """The production ledger.  Its log says what is expected here a hundred times: only errors are shown."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    store = _opened(url, keys)
    limits = {"freq.connected_debtor_day": caps.connected, "freq.attempts_point_day": caps.attempts}
    gate = Gate([with_overrides(PACK, limits)], clock)
    return store, Ledger(store, gate, clock, recorder_ready=lambda: True)


def _opened(url: str, keys: KeyRing) -> Store:
    """Waits for a store that is just away."""
    until = time.monotonic() + AWAY_S
    while True:
        try:
            return Store.open(url, keys)
        except NotReady:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


class LedgerDesk:
    """A worker of this process's ledger.  `ttl_s`: its lease, if it has one."""

    def __init__(self, ledger: Ledger, worker: str, ttl_s: float | None = None) -> None:
        self._ledger, self._worker, self._ttl_s = ledger, worker, ttl_s

    def claim(self, campaign: str, n: int) -> list[Order]:
        claims = self._ledger.claim(campaign, self._worker, n)
        return [(one.attempt_id, one.case_id) for one in claims]

    def permit(self, attempts: Sequence[str]) -> set[str]:
        decisions = self._ledger.permit_many(attempts, self._worker)
        return {attempt for attempt, decision in decisions.items() if decision.allowed}

    def answered(self, attempts: Sequence[str]) -> None:
        self._ledger.mark_many(attempts, AttemptState.ANSWERED)

    def close(self, outcomes: Sequence[Outcome]) -> set[str]:
        return self._ledger.close_many(outcomes)

    def renew(self) -> None:
        if self._ttl_s is not None:
            self._ledger.renew([self._worker], self._ttl_s)


class OwnersDesk:
    """The same, asked over the owner's socket.  EOFError or OSError when the owner is dead."""

    def __init__(self, socket: Path, worker: str) -> None:
        self._line = Client(str(socket), "AF_UNIX")
        self._line.send(worker)

    def claim(self, campaign: str, n: int) -> list[Order]:
        orders: list[Order] = self._ask("claim", campaign, n)
        return orders

    def permit(self, attempts: Sequence[str]) -> set[str]:
        allowed: set[str] = self._ask("permit", attempts)
        return allowed

    def answered(self, attempts: Sequence[str]) -> None:
        self._ask("answered", attempts)

    def close(self, outcomes: Sequence[Outcome]) -> set[str]:
        closed: set[str] = self._ask("close", outcomes)
        return closed

    def renew(self) -> None:
        """The owner sees it when this process dies."""

    def _ask(self, what: str, *about: Any) -> Any:
        self._line.send((what, about))
        fault, answer = self._line.recv()
        if fault is not None:
            raise RAISED[fault](answer)
        return answer


def own_the_store(url: str, keys: KeyRing, clock: SimulationClock, caps: Caps, socket: Path) -> None:
    """The owner's process: settles what the last one left, then claims for whoever connects."""
    store, ledger = open_ledger(url, keys, clock, caps)
    with sole_owner(store):
        ledger.settle_left_over()
        with Listener(str(socket), "AF_UNIX") as door:
            _serve(ledger, door)


def _serve(ledger: Ledger, door: Listener) -> None:
    knock = door._listener._socket  # type: ignore[attr-defined]
    desks: dict[Connection, tuple[str, LedgerDesk]] = {}
    sealed_at = time.monotonic()
    while True:
        for line in wait([knock, *desks], timeout=SEAL_EVERY_S):
            if line is knock:
                new = door.accept()
                worker = new.recv()
                desks[new] = (worker, LedgerDesk(ledger, worker))
                continue
            assert isinstance(line, Connection)
            worker, desk = desks[line]
            try:
                what, about = line.recv()
                line.send(_answer(desk, what, about))
            except (EOFError, OSError):  # the worker is dead
                del desks[line]
                ledger.lose_worker(worker)
        if time.monotonic() - sealed_at > SEAL_EVERY_S:
            ledger.seal()
            sealed_at = time.monotonic()


def _answer(desk: LedgerDesk, what: str, about: tuple[Any, ...]) -> tuple[str | None, Any]:
    try:
        return None, getattr(desk, what)(*about)
    except (StoreDown, LostWorker) as fault:
        return type(fault).__name__ if type(fault).__name__ in RAISED else StoreDown.__name__, str(fault)
