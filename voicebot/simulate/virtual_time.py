"""An event loop whose time passes only while everybody waits: calls of a minute run in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Never waits: the loop's time moves on instead."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and timeout:
            self.skipped_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.skipped_s


def on_virtual_time(call: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end.  What waits for a thread or a process needs a real loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(call)
