"""The processes that dial in a chaos run, and on SQLite the owner of the store: started, killed, frozen."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from multiprocessing.context import ForkServerProcess

from tests.soak import dialler
from tests.soak.desks import own_the_store
from tests.soak.dialler import Post, dial
from tests.soak.invariants import Happened

PROCESSES = 4
FREEZE_S = dialler.LEASE_S + 0.7


class Crew:
    """`happened` is told who died when, and how often what was done."""

    def __init__(self, post: Post, dice: random.Random, happened: Happened) -> None:
        self._post, self._dice, self._happened = post, dice, happened
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([dialler.__name__])
        self._lives = 0
        self._at_work: dict[str, ForkServerProcess] = {}
        self._owner: ForkServerProcess | None = None
        self._thawing: list[threading.Timer] = []

    def start(self) -> None:
        """All of them; the owner first."""
        if self._post.owner is not None:
            self._post.owner.unlink(missing_ok=True)
            post = self._post
            self._owner = self._context.Process(
                target=own_the_store,
                args=(post.url, post.keys, post.clock, post.caps, post.owner),
                daemon=True,
            )
            self._owner.start()
            while not self._post.owner.exists():
                if not self._owner.is_alive():
                    raise RuntimeError("the store's owner did not start")
                time.sleep(0.01)
            time.sleep(0.05)
        for _ in range(PROCESSES):
            self.start_one()

    def start_one(self) -> None:
        """One more that dials."""
        self._lives += 1
        name = f"p{self._lives}"
        process = self._context.Process(
            target=dial, args=(self._post, name, self._dice.getrandbits(32)), daemon=True
        )
        process.start()
        self._at_work[name] = process

    def kill_one(self) -> str:
        """Kills somebody, waits until it is dead, and returns its name."""
        name = self._any()
        self._at_work[name].kill()
        self._gone(name)
        self._happened.counts["processes killed"] += 1
        return name

    def kill_owner(self) -> None:
        """With the owner of the store everybody dies; then they start again."""
        self._end_owner()
        for name in list(self._at_work):
            self._gone(name)
        self._happened.counts["owners killed"] += 1
        self.start()

    def freeze_one(self) -> None:
        """For longer than its lease."""
        pid = self._at_work[self._any()].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        self._happened.counts["processes frozen"] += 1
        thaw = threading.Timer(FREEZE_S, _thaw, [pid])  # also while the store keeps everybody waiting
        thaw.daemon = True
        thaw.start()
        self._thawing.append(thaw)

    def look(self) -> None:
        """RuntimeError when one ended by itself."""
        for name, process in list(self._at_work.items()):
            if not process.is_alive():
                raise RuntimeError(f"{name} ended by itself with {process.exitcode}")

    def thaw(self) -> None:
        """Waits until nobody is frozen."""
        for thaw in self._thawing:
            thaw.join()

    def dismiss(self) -> None:
        """Waits for everybody's own end, which `post.stop` asks for; the owner's is not waited for."""
        for name in list(self._at_work):
            self._gone(name)
        if self._owner is not None:
            self._end_owner()

    def _any(self) -> str:
        return self._dice.choice(sorted(self._at_work))

    def _gone(self, name: str) -> None:
        """Waits until it is dead: its calls end with it."""
        process = self._at_work.pop(name)
        process.join()
        self._happened.died[name] = time.monotonic()

    def _end_owner(self) -> None:
        assert self._owner is not None
        self._owner.kill()
        self._owner.join()


def _thaw(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:  # killed in its sleep
        return
