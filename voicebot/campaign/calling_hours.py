"""When a campaign may dial: its own windows, its dates, and the calling hours of the policy packs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta

from voicebot.campaign.campaign_file import Campaign
from voicebot.policy.gate import Gate

SEARCH_DAYS = 15
"""How far ahead the next opening is looked for."""
STEP = timedelta(minutes=1)


class CallingHours:
    """Windows are local time in the campaign's zone on the local date of the call."""

    def __init__(self, campaign: Campaign, gate: Gate) -> None:
        self._campaign, self._gate = campaign, gate
        self._windows = [campaign.day_windows(day) for day in range(7)]

    def allows(self, at: datetime) -> bool:
        """Whether a call may be dialled at `at`."""
        local = at.astimezone(self._campaign.zone)
        if not self._in_dates(local):
            return False
        inside = any(window.holds(local.time()) for window in self._windows[local.weekday()])
        return inside and self._gate.hours_allow(local)

    def next_open(self, at: datetime) -> datetime | None:
        """The first instant from `at` on at which a call may be dialled; None when there is none in sight."""
        if self.allows(at):
            return at
        return next((moment for moment in self._minutes(at) if self.allows(moment)), None)

    def next_day(self, at: datetime) -> datetime | None:
        """The first opening on a later date than that of `at`."""
        local = at.astimezone(self._campaign.zone)
        midnight = datetime.combine(local.date() + timedelta(days=1), time(), local.tzinfo)
        return self.next_open(midnight)

    def left_today(self, at: datetime) -> timedelta:
        """How much dialling time the rest of this date still holds, to the minute."""
        local = at.astimezone(self._campaign.zone)
        end = datetime.combine(local.date() + timedelta(days=1), time(), local.tzinfo)
        minutes = int((end - local) / STEP)
        return sum((STEP for n in range(minutes) if self.allows(local + n * STEP)), timedelta())

    def _in_dates(self, local: datetime) -> bool:
        start, end = self._campaign.start, self._campaign.end
        return (start is None or local.date() >= start) and (end is None or local.date() <= end)

    def _minutes(self, at: datetime) -> Iterator[datetime]:
        """Whole minutes inside the campaign's windows, from the minute after `at`."""
        local = at.astimezone(self._campaign.zone)
        for ahead in range(SEARCH_DAYS):
            day = local.date() + timedelta(days=ahead)
            for start, end in sorted(self._windows[day.weekday()]):
                moment = datetime.combine(day, start, local.tzinfo)
                last = datetime.combine(day, end, local.tzinfo)
                while moment < last:
                    if moment > local:
                        yield moment
                    moment += STEP
