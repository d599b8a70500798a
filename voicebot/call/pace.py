"""How one callee pauses while speaking: the endpointing waits for them as long as they need, no longer.

Learned within the call from the pauses after which they went on, and from the times we took a turn for
finished and they went on all the same.
"""

from __future__ import annotations

from collections import deque

KEPT_PAUSES = 6
"""The last ones count: people get quicker once they know what they want to say."""
MARGIN = 1.25
"""The next pause may be that much longer than the longest one known."""
WENT_ON_WITHIN_S = 1.0
"""Whoever speaks again so soon after a turn was ended had not finished it."""
MOST_MORE_S = 0.6
"""Patience grows by at most this much: everybody else on the line waits for it too."""


class Pace:
    """One voice's pauses, in seconds."""

    def __init__(self) -> None:
        self._pauses: deque[float] = deque(maxlen=KEPT_PAUSES)

    def went_on(self, pause_s: float) -> None:
        """Silence, then they went on with the same turn."""
        self._pauses.append(pause_s)

    def began(self, since_last_voice_s: float) -> None:
        """A new turn began so long after the last one's voice ended."""
        if since_last_voice_s <= WENT_ON_WITHIN_S:
            self._pauses.append(since_last_voice_s)

    def at_least(self, wanted_s: float) -> float:
        """`wanted_s`, longer for somebody who pauses longer than that while speaking."""
        needed = MARGIN * max(self._pauses, default=0.0)
        return min(max(wanted_s, needed), wanted_s + MOST_MORE_S)
