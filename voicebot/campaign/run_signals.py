"""Ctrl-C and SIGTERM of a run: while it starts, while it calls, while it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog

log = structlog.get_logger()


def obey(stop_dialling: Callable[[], None] | None = None) -> None:
    """While it starts (without `stop_dialling`) a signal ends this task.  Later the first stops dialling and
    lets calls end, the second ends the task at once."""
    task = asyncio.current_task()
    assert task is not None

    def first() -> None:
        assert stop_dialling is not None
        stop_dialling()
        _handle(task.cancel)

    _handle(task.cancel if stop_dialling is None else first)


def end_in_order() -> None:
    """Each part ends within its deadline; one more Ctrl-C would only leave processes behind."""
    _handle(lambda: log.warning("already_ending"))


def _handle(do: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, do)
