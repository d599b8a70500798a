"""Rendering before dialling: nothing is synthesised during a call.

Clauses with run-time values (the next 90 days, quarter hours, waits) are rendered once for all calls;
the clauses with a case's own values are rendered when its attempt was claimed and before it is dialled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import structlog

from dialogs.manifest import Manifest
from voicebot.call.prompt_book import LineRefused, PromptBook, run_clauses
from voicebot.speech.tts.cache import PromptCache

log = structlog.get_logger()

Progress = Callable[[int, int], None]
"""Told (rendered, wanted) now and then."""


class PromptsAhead:
    """Knows what a case needs and has it rendered in processes of their own."""

    def __init__(
        self,
        manifest: Manifest,
        cache: PromptCache,
        voice: str,
        models: Path,
        today: date,
        processes: int = 2,
    ) -> None:
        self._manifest, self._cache, self._voice = manifest, cache, voice
        self._models, self._today, self._processes = models, today, processes
        self._one_at_a_time = asyncio.Lock()

    def case_clauses(self, slots: Mapping[str, tuple[str, object]], flags: Mapping[str, bool]) -> list[str]:
        """Raises LineRefused when the ledger lacks a value that a line needs."""
        book = PromptBook(
            self._manifest,
            self._cache,
            self._voice,
            {name: (kind, str(value)) for name, (kind, value) in slots.items()},
            flags,
            self._today,
            Path(),
        )
        return book.clauses()

    def render(self, texts: list[str], progress: Progress = lambda done, wanted: None) -> int:
        """Renders what is missing (blocking, minutes for a new track).  Returns how many were new."""
        missing = self._cache.missing(self._voice, texts)
        if missing:
            self._cache.render(
                self._voice, missing, self._models, processes=self._processes, progress=progress
            )
        return len(missing)

    def shared_clauses(self) -> list[str]:
        """The run-time values of every slot, for all calls of this day."""
        return run_clauses(self._manifest, self._today)

    def render_shared(self, progress: Progress = lambda done, wanted: None) -> int:
        """Renders them."""
        return self.render(self.shared_clauses(), progress)

    async def render_for(
        self, slots: Mapping[str, tuple[str, object]], flags: Mapping[str, bool]
    ) -> str | None:
        """Before this case is dialled.  Returns None, or why it cannot be spoken to."""
        try:
            texts = self.case_clauses(slots, flags)
        except LineRefused as refused:
            return str(refused)
        if not self._cache.missing(self._voice, texts):
            return None
        async with self._one_at_a_time:
            await asyncio.get_running_loop().run_in_executor(None, self.render, texts)
        return None
