"""Attempts that the gate refused: for good, or planned again for when time will have healed it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from voicebot.campaign import attempts
from voicebot.campaign.attempts import Due, Held, Plan
from voicebot.campaign.events import Events
from voicebot.campaign.running import RunningCampaign
from voicebot.policy.gate import Decision
from voicebot.store.audit import moment_ms
from voicebot.store.bulk import Bulk

log = structlog.get_logger()


class Refused:
    """Those of one campaign and one transaction."""

    def __init__(self, running: RunningCampaign, now: datetime) -> None:
        self._running, self._now = running, now
        self._rows: list[tuple[Any, ...]] = []
        self._plans: list[Plan] = []
        self._finished: list[tuple[str, str, int]] = []
        self._next_day: list[datetime | None] = []

    def add(self, one: Due | Held, decision: Decision, bix: bytes | None, caller: str | None) -> None:
        about, first = one.about, decision.refusals[0]
        now_ms = moment_ms(self._now)
        self._rows.append((first.rule, first.reason, bix, caller, now_ms, about.attempt_id))
        again = self._tomorrow() if all(refusal.passes_by for refusal in decision.refusals) else None
        if again is None:
            self._finished.append(("done", first.reason, about.contact_id))
        else:
            self._plans.append(
                Plan(
                    self._running.id,
                    about.case_pk,
                    about.contact_id,
                    about.debtor_id,
                    about.number,
                    moment_ms(again),
                    one.rank,
                )
            )
        log.info("attempt_refused", attempt=about.attempt_id, rule=first.rule, reason=first.reason)

    def _tomorrow(self) -> datetime | None:
        if not self._next_day:
            self._next_day.append(self._running.hours.next_day(self._now))
        return self._next_day[0]

    def write(self, bulk: Bulk, events: Events, old: str) -> None:
        """Writes them; they were in state `old`."""
        attempts.refuse(bulk, self._rows)
        attempts.plan(bulk, self._plans, moment_ms(self._now))
        attempts.finish(bulk, self._finished)
        events.moved(self._running.id, old, "refused", len(self._rows))
        events.moved(self._running.id, None, "planned", len(self._plans))
        for _rule, reason, *_rest in self._rows:
            events.count(self._running.id, f"reason {reason}")
