"""A process that dials: some lines, on each a call that rings, is answered or not, and ends.

A dial is one line of the dial log, right after its permission.  The process may die at any point.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.soak.desks import Caps, Desk, LedgerDesk, Order, OwnersDesk, open_ledger
from tests.soak.dial_log import Dial, DialLog, End
from voicebot.campaign.ledger import LostWorker, Outcome
from voicebot.campaign.reports import STORE_AWAY
from voicebot.clock import SimulationClock
from voicebot.store.database import StoreDown
from voicebot.store.encryption import KeyRing
from voicebot.store.states import Disposition, IllegalMove

LINES = 12
STALE_S = 1.0
"""A permission that is older is not dialled by: the process was frozen meanwhile."""
LEASE_S = 2.0
IDLE_S = 0.01
AGAIN_AFTER_S = (0.3, 1.5)
SHORTEST_S, LONGEST_S = 0.02, 0.12
UNREADY, REPEATED, SLOW = 0.03, 0.1, 0.2
"""How often a trunk is not ready, a report is sent twice, or claimed attempts wait for their permission."""
SLOWEST_S = 0.2
ENDS = (Disposition.PTP, Disposition.HUNG_UP, Disposition.CALLBACK, Disposition.VOICEMAIL)
UNANSWERED = (Disposition.NO_ANSWER, Disposition.NO_ANSWER, Disposition.NO_ANSWER, Disposition.BUSY)


@dataclass(frozen=True)
class Post:
    """Where a process works: a store of its own access, or the owner's socket."""

    url: str
    keys: KeyRing
    clock: SimulationClock
    caps: Caps
    campaigns: tuple[str, ...]
    log: Path
    owner: Path | None
    stop: Path
    "Appears when nothing more is to be claimed."


@dataclass
class Call:
    """One under way."""

    attempt: str
    until: float
    answered: bool
    marked: bool = False


@dataclass
class Dialler:
    """One life of a process."""

    post: Post
    process: str
    desk: Desk
    dice: random.Random
    calls: list[Call] = field(default_factory=list)
    unreported: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = DialLog(self.post.log)
        self.renewed_at = float("-inf")

    def run(self) -> None:
        """Until it is to stop and all its calls are closed.  Raises LostWorker when it was given up."""
        while True:
            stopping = self.post.stop.exists()
            if stopping and not self.calls and not self.unreported:
                return
            try:
                self._renew()
                self._mark()
                self._end()
                if not stopping:
                    self._dial()
            except StoreDown:
                time.sleep(0.1)
            time.sleep(IDLE_S)

    def _renew(self) -> None:
        if time.monotonic() - self.renewed_at > LEASE_S / 4:
            self.desk.renew()
            self.renewed_at = time.monotonic()

    def _mark(self) -> None:
        """Who answers is heard of before the call ends; whether it was written, only the store knows."""
        new = [one for one in self.calls if one.answered and not one.marked]
        for one in new:
            one.marked = True
            try:
                self.desk.answered([one.attempt])
            except IllegalMove:  # given up meanwhile
                continue

    def _end(self) -> None:
        now = time.monotonic()
        over = [one for one in self.calls if one.until <= now]
        self.log.ended([End(one.attempt, one.answered, now) for one in over])
        self.calls = [one for one in self.calls if one.until > now]
        self.unreported += [self._outcome(one) for one in over]
        if self.unreported:
            self.log.closed(self.desk.close(self.unreported))
            if self.dice.random() < REPEATED:
                self.log.closed(self.desk.close(self.unreported))
            self.unreported = []

    def _outcome(self, call: Call) -> Outcome:
        if call.answered:
            return Outcome(call.attempt, self.dice.choice(ENDS), True, 200)
        again = self.post.clock.now() + timedelta(seconds=self.dice.uniform(*AGAIN_AFTER_S))
        return Outcome(call.attempt, self.dice.choice(UNANSWERED), False, 480, again)

    def _dial(self) -> None:
        free = LINES - len(self.calls)
        orders = self.desk.claim(self.dice.choice(self.post.campaigns), free) if free else []
        if not orders:
            return
        if self.dice.random() < SLOW:
            time.sleep(self.dice.uniform(0, SLOWEST_S))
        if self.dice.random() < UNREADY:
            unready = orders.pop()
            self.unreported.append(Outcome(unready[0], Disposition.NOT_DIALLED, False, why="stopped"))
        asked = time.monotonic()
        try:
            allowed = self.desk.permit([attempt for attempt, _case in orders])
        except StoreDown:
            self._unsent(orders, STORE_AWAY)
            raise
        fresh = [one for one in orders if one[0] in allowed]
        if time.monotonic() - asked > STALE_S:
            self._unsent(fresh, "stopped")
            return
        self.log.dialled(
            [Dial(attempt, case, self.process, asked, time.monotonic()) for attempt, case in fresh]
        )
        for attempt, _case in fresh:
            until = time.monotonic() + self.dice.uniform(SHORTEST_S, LONGEST_S)
            self.calls.append(Call(attempt, until, self.dice.random() < 0.35))

    def _unsent(self, orders: Sequence[Order], why: str) -> None:
        self.unreported += [
            Outcome(attempt, Disposition.NOT_DIALLED, False, why=why) for attempt, _case in orders
        ]


def dial(post: Post, process: str, seed: int) -> None:
    """The process.  Fenced, it goes on under another name, with the calls that it has on its lines."""
    dice = random.Random(seed)
    if post.owner is not None:
        try:
            Dialler(post, process, OwnersDesk(post.owner, process), dice).run()
        except (EOFError, OSError):  # the owner is dead, and so is whoever it claimed for
            return
        return
    calls: list[Call] = []
    unreported: list[Outcome] = []
    while True:
        store, ledger = open_ledger(post.url, post.keys, post.clock, post.caps)
        life = Dialler(post, process, LedgerDesk(ledger, process, LEASE_S), dice, calls, unreported)
        life.log.works(process, ledger.node)
        try:
            life.run()
            return
        except LostWorker:
            calls, unreported = life.calls, life.unreported
        finally:
            store.close()
