"""What a call came to, and what was agreed in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from voicebot.call.transcript import EndedBy
from voicebot.store.states import Disposition

TOMORROW = "明天"
"""The value of the track's run-time slot callback_day that is not today."""


@dataclass
class Outcome:
    """What the call came to, as far as the conversation knows."""

    disposition: Disposition
    ended_by: EndedBy
    promise_date: str | None = None
    callback_at: str | None = None


class Agreement:
    """The track's run-time slots as they stood when the call was closed."""

    def __init__(self, today: date) -> None:
        self._today = today
        self._slots: dict[str, str] = {}
        self.network: Disposition | None = None
        "What a network that answered by itself said of the number: no mailbox, then."

    def update(self, slots: Mapping[str, str]) -> None:
        self._slots.update(slots)

    def outcome(self, disposition: Disposition, ended_by: EndedBy) -> Outcome:
        """With the date that was promised, or the time to call back, where the call came to that."""
        if disposition is Disposition.VOICEMAIL and self.network is not None:
            disposition = self.network
        return Outcome(
            disposition,
            ended_by,
            promise_date=self._slots.get("promise_date") if disposition is Disposition.PTP else None,
            callback_at=self._callback_at() if disposition is Disposition.CALLBACK else None,
        )

    def _callback_at(self) -> str | None:
        """Local time of the agreed call-back, ISO to the minute; None when no time was agreed."""
        time = self._slots.get("callback_time")
        if time is None:
            return None
        day = self._today + timedelta(days=1 if self._slots.get("callback_day") == TOMORROW else 0)
        return f"{day.isoformat()}T{time}"
