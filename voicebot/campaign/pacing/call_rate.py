"""Calls per second: a token bucket.  It limits how fast is dialled, not how much."""

from __future__ import annotations

from collections.abc import Callable

BURST_S = 0.25
"""So much of a second's calls may go out at once after a quiet moment; never less than one call."""


class CallRate:
    """At most `per_second` calls a second in the long run."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._per_second, self._now = per_second, monotonic
        self._tokens, self._at = self._depth, monotonic()

    @property
    def _depth(self) -> float:
        return max(1.0, self._per_second * BURST_S)

    def change(self, per_second: float) -> None:
        """Another rate from now on."""
        self._fill()
        self._per_second = per_second
        self._tokens = min(self._tokens, self._depth)

    @property
    def available(self) -> int:
        """Calls that may go out now."""
        self._fill()
        return int(self._tokens + 1e-9)

    @property
    def next_s(self) -> float:
        """Seconds until one more may go out; 0 when one may now."""
        self._fill()
        return max(0.0, (1 - self._tokens) / self._per_second)

    def take(self) -> None:
        """One call goes out.  More than are available are a debt that the next ones wait for."""
        self._fill()
        self._tokens -= 1

    def _fill(self) -> None:
        now = self._now()
        self._tokens = min(self._depth, self._tokens + max(0.0, now - self._at) * self._per_second)
        self._at = now
