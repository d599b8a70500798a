"""One prompt on one leg: played on the C side, paused and resumed at the same sample."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip.media import CLOCK_RATE, SAMPLES_PER_TICK, TICK_MS

if TYPE_CHECKING:
    from sip.leg import Leg

END_MARGIN_S = 0.04
"""Two ticks: the last one must have left the bridge."""
CLOCK_LATE_S = 0.02
"""When the bridge's clock lags behind ours, we look again after what is left, but not sooner than this."""


class Playback:
    """A prompt.  `seconds` is its length; `done` is True when played to its end, False when stopped.

    The end is timed from the length and confirmed by the player's position: pjmedia's own end-of-file
    callback comes on another thread and may outlive the player.
    """

    def __init__(self, leg: Leg, number: int, samples: int, *, loop: bool) -> None:
        self.seconds = samples / CLOCK_RATE
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._leg, self.number, self._samples, self._loop = leg, number, samples, loop
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.Task[None] | None = None
        self._position = 0
        "Last known sample."
        self._running_since: float | None = None
        self._known_at: float | None = None
        "When the last known sample was played, while it goes on from there."

    @property
    def played(self) -> int:
        """Samples played so far, as last known: exact once it has been stopped or has ended by itself."""
        return self._position

    async def position(self) -> float:
        """Seconds played so far."""
        if not self.done.done():
            self._note(await self._leg.ask("position", self.number))
        return self._position / CLOCK_RATE

    async def pause(self) -> float:
        """Falls silent within a tick.  Returns the position in seconds."""
        self._disarm()
        if not self.done.done():
            position = await self._leg.ask("pause", self.number, True)
            self._disarm()  # the prompt may have begun while we asked
            self._note(position)
            self._running_since = self._known_at = None
        return self._position / CLOCK_RATE

    async def resume(self) -> None:
        """Goes on at the sample where it was paused."""
        if not self.done.done():
            await self._leg.ask("pause", self.number, False)

    async def stop(self) -> float:
        """Ends the prompt for good.  Returns the position in seconds; twice does no harm."""
        self._disarm()
        if not self.done.done():
            position = await self._leg.ask("stop_player", self.number)
            self._note(position)
            if position is not None:
                self._known_at = None
            self.finish(False)
        return self._position / CLOCK_RATE

    # ---- told by the leg ----

    def running(self, sample: int) -> None:
        """The bridge pulls the player from now on, beginning with this sample."""
        if self.done.done():
            return
        self._position = sample
        self._running_since = self._known_at = asyncio.get_running_loop().time()
        if not self._loop:
            self._arm((self._samples - sample) / CLOCK_RATE + END_MARGIN_S)

    def finish(self, to_the_end: bool) -> None:
        self._disarm()
        if not self.done.done():
            if to_the_end:
                self._position = self._samples
            elif self._known_at is not None:  # the leg ended under it: by the clock
                on_s = asyncio.get_running_loop().time() - self._known_at
                self._position = min(self._samples, self._position + int(on_s * CLOCK_RATE))
            self.done.set_result(to_the_end)

    # ---- the end ----

    def _note(self, sample: int | None) -> None:
        """Takes over a position of the player; after the last sample pjmedia says 0 again."""
        if sample is None or self.done.done():
            return
        if sample == 0 and not self._loop and self._has_run_s() > 2 * TICK_MS / 1000 and self._near_end():
            sample = self._samples
        self._position = sample
        if self._known_at is not None:
            self._known_at = asyncio.get_running_loop().time()

    def _has_run_s(self) -> float:
        if self._running_since is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._running_since

    def _near_end(self) -> bool:
        return self._position + (self._has_run_s() + 0.1) * CLOCK_RATE >= self._samples

    def _arm(self, after_s: float) -> None:
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(after_s, self._look_for_end)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_for_end(self) -> None:
        self._timer = None
        self._look = asyncio.get_running_loop().create_task(self._end_or_wait())

    async def _end_or_wait(self) -> None:
        since = self._running_since
        sample = await self._leg.ask("position", self.number)
        if self.done.done() or since is None or self._running_since != since or sample is None:
            return
        if sample == 0 or sample >= self._samples:
            self.finish(True)
        else:
            left = (self._samples - sample + SAMPLES_PER_TICK) / CLOCK_RATE
            self._arm(max(left, CLOCK_LATE_S))
