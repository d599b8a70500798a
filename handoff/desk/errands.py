"""What goes on beside the requests: tasks that the desk holds, and whose faults are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class Errands:
    """Of one part of the desk."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Begins it; a fault is said in the log."""
        task = asyncio.get_running_loop().create_task(work, name=what)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def stop(self) -> None:
        """Ends all of them."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("errand_failed", errand=task.get_name(), fault=type(fault).__name__)


async def attempted(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """One round of what goes on for ever: a fault ends the round, not the rounds."""
    try:
        await work()
    except Exception as fault:  # its type only: a fault's text may hold values of a case
        log.error("round_failed", what=what, fault=type(fault).__name__)
