"""What reached the bot and is not decided upon yet: utterances, keys, the verdict of a machine.

Nothing is lost: what was said while the bot spoke waits here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from voicebot.call.listening import Utterance
from voicebot.store.states import Disposition


@dataclass(frozen=True)
class Key:
    """One key of the callee's phone."""

    digit: str


@dataclass(frozen=True)
class Machine:
    """No person answered; `kind`, for the talk track, is VOICEMAIL or ASSISTANT."""

    kind: str
    network: Disposition | None = None
    "What a network that answered by itself said (空号, 关机 …); it records no message."


@dataclass(frozen=True)
class Deaf:
    """Somebody spoke and the speech service could not say what."""


Heard = Utterance | Key | Machine | Deaf


class Inbox:
    """First in, first out, with futures for whoever waits on the event loop."""

    def __init__(self) -> None:
        self._items: deque[Heard] = deque()
        self._arrival: asyncio.Future[Any] | None = None
        self._onset: asyncio.Future[Any] | None = None
        self._wordless: asyncio.Future[Any] | None = None
        self._verdict: asyncio.Future[Any] | None = None

    def put(self, heard: Heard) -> None:
        self._items.append(heard)
        self._resolve("_arrival")
        if isinstance(heard, Machine):
            self._resolve("_verdict")

    def onset(self) -> None:
        """The callee begins to speak."""
        self._resolve("_onset")

    def wordless(self) -> None:
        """What began to sound came to no words: a cough, a door, music."""
        self._resolve("_wordless")

    def take(self) -> Heard | None:
        return self._items.popleft() if self._items else None

    def take_machine(self) -> Machine | None:
        """The verdict out of its turn: nothing that was said before it matters any more."""
        for item in self._items:
            if isinstance(item, Machine):
                self._items.remove(item)
                return item
        return None

    def __len__(self) -> int:
        return len(self._items)

    def wait(self) -> asyncio.Future[Any]:
        """Done when there is something to take."""
        if self._items:
            return _done()
        self._arrival = _open(self._arrival)
        return self._arrival

    def machine(self) -> asyncio.Future[Any]:
        """Done when the verdict of a machine waits to be taken."""
        if any(isinstance(item, Machine) for item in self._items):
            return _done()
        self._verdict = _open(self._verdict)
        return self._verdict

    def next_onset(self) -> asyncio.Future[Any]:
        """Done at the next onset of the callee's voice."""
        self._onset = _open(self._onset)
        return self._onset

    def next_wordless(self) -> asyncio.Future[Any]:
        """Done when a sound that began turns out to hold no words."""
        self._wordless = _open(self._wordless)
        return self._wordless

    def _resolve(self, name: str) -> None:
        future: asyncio.Future[Any] | None = getattr(self, name)
        if future is not None and not future.done():
            future.set_result(None)


def _done() -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def _open(future: asyncio.Future[Any] | None) -> asyncio.Future[Any]:
    """This one while it is waited for, then another."""
    if future is None or future.done():
        return asyncio.get_running_loop().create_future()
    return future
