"""How long the bot has talked and persuaded: limits of the talk track, held at every turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dialogs.policy import Reply

PERSUADING, CALL = "persuading_s", "call_s"
"""Names of the limits in a talk track, seconds."""


class TalkTime:
    """One call's clocks.  They run while the bot leads the call and stand still while people talk.

    `now` counts seconds; `limits` are the track's, a missing one is no limit.
    """

    def __init__(self, limits: Mapping[str, int], now: Callable[[], float]) -> None:
        self._limits, self._now = limits, now
        self._spent = {PERSUADING: 0.0, CALL: 0.0}
        self._since: float | None = None
        self._persuading = False
        self._told: set[str] = set()

    def go_on(self) -> None:
        """The bot leads the call: from its answer, and again when a person gave it back."""
        self._since = self._now()

    def pause(self) -> None:
        """People talk now, or are being brought together."""
        self._settle()
        self._since, self._persuading = None, False

    def decided(self, reply: Reply) -> str | None:
        """Counts the turn that `reply` answers.  The limit that is over, told once each; None: go on."""
        self._settle()
        self._persuading = reply.persuading
        if reply.command is not None or reply.keeps_open:
            return None
        if reply.persuading and self._is_over(PERSUADING):
            return PERSUADING
        return CALL if self._is_over(CALL) else None

    def _settle(self) -> None:
        now = self._now()
        if self._since is not None:
            self._spent[CALL] += now - self._since
            if self._persuading:
                self._spent[PERSUADING] += now - self._since
            self._since = now

    def _is_over(self, limit: str) -> bool:
        if limit in self._told or self._spent[limit] < self._limits.get(limit, float("inf")):
            return False
        self._told.add(limit)
        return True
