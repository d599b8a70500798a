"""Work on the store beside the event loop, one after the other: what happened first is written first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from voicebot.errors import InputError
from voicebot.store.encryption import Unreadable

log = structlog.get_logger()
T = TypeVar("T")


class Writer:
    """One thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desk-store")

    async def written(self, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` gives, or raises: an InputError when the store is down."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def kept(self, work: Callable[..., T], *arguments: Any) -> T | None:
        """None when the store does not take or give it: said in the log, and the desk goes on."""
        try:
            return await self.written(work, *arguments)
        except (InputError, Unreadable) as fault:
            log.error("not_written", work=work.__name__, fault=type(fault).__name__)
            return None

    def stop(self) -> None:
        """After what was begun."""
        self._thread.shutdown()
