"""When a campaign may dial: its windows, dates and holidays, and the calling hours of the policy packs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from voicebot.campaign.calling_windows import DAYS, HOLIDAY, MAKEUP, Window, parse_window
from voicebot.campaign.campaign_file import Campaign
from voicebot.campaign.holidays import DayKind, calendar
from voicebot.policy.gate import Gate

SEARCH_DAYS = 15
"""How far ahead the next opening is looked for."""
STEP = timedelta(minutes=1)


class CallingHours:
    """Windows are local time in the campaign's zone on the local date of the call.

    The host's zone plays no part; where a zone changes its clock, an hour that does not exist is never open.
    InputError when the campaign's calendar file cannot be read.
    """

    def __init__(self, campaign: Campaign, gate: Gate) -> None:
        self._campaign, self._gate, self._zone = campaign, gate, campaign.zone
        self.calendar = calendar(campaign.holidays)
        self._by_day = {
            day: tuple(sorted(map(parse_window, windows))) for day, windows in campaign.windows.items()
        }
        self.windows_on = lru_cache(maxsize=64)(self._windows_on)

    def allows(self, at: datetime) -> bool:
        """Whether a call may be dialled at `at`."""
        local = at.astimezone(self._zone)
        now = local.time()
        return any(window.holds(now) for window in self.windows_on(local.date())) and self._gate.hours_allow(
            local
        )

    def _windows_on(self, day: date) -> tuple[Window, ...]:
        """The campaign's windows of a date, in order; none outside of its dates or its calendar."""
        start, end = self._campaign.start, self._campaign.end
        if (start is not None and day < start) or (end is not None and day > end):
            return ()
        match self.calendar.kind(day):
            case DayKind.HOLIDAY:
                return self._by_day.get(HOLIDAY, ())
            case DayKind.MAKEUP:
                return self._by_day.get(MAKEUP, self._by_day.get(DAYS[0], ()))
            case DayKind.UNKNOWN:
                return ()
        return self._by_day.get(DAYS[day.weekday()], ())

    def next_open(self, at: datetime) -> datetime | None:
        """The first instant from `at` on at which a call may be dialled; None when there is none in sight."""
        if self.allows(at):
            return at
        return next((moment for moment in self._minutes(at) if self.allows(moment)), None)

    def next_day(self, at: datetime) -> datetime | None:
        """The first opening on a later date than that of `at`."""
        local = at.astimezone(self._zone)
        return self.next_open(self._instant(local.date() + timedelta(days=1), time()))

    def left_today(self, at: datetime) -> timedelta:
        """How much dialling time the rest of this date still holds, to the minute."""
        day = at.astimezone(self._zone).date()
        moment, end = at.astimezone(UTC), self._instant(day + timedelta(days=1), time()).astimezone(UTC)
        minutes = int((end - moment) / STEP)
        return sum((STEP for n in range(minutes) if self.allows(moment + n * STEP)), timedelta())

    def unknown_within(self, at: datetime) -> date | None:
        """The first date in sight that the calendar does not cover: nobody is called on it."""
        today = at.astimezone(self._zone).date()
        days = (today + timedelta(days=n) for n in range(SEARCH_DAYS))
        return next((day for day in days if self.calendar.kind(day) is DayKind.UNKNOWN), None)

    def _instant(self, day: date, at: time) -> datetime:
        """A local time of a date; one that the zone skips becomes the instant after the gap."""
        return datetime.combine(day, at, self._zone).astimezone(UTC).astimezone(self._zone)

    def _minutes(self, at: datetime) -> Iterator[datetime]:
        """Whole minutes inside the campaign's windows, from the minute after `at`."""
        begin = at.astimezone(UTC)
        first = at.astimezone(self._zone).date()
        for ahead in range(SEARCH_DAYS):
            day = first + timedelta(days=ahead)
            for start, end in self.windows_on(day):
                moment = self._instant(day, start).astimezone(UTC)
                last = self._instant(day, end).astimezone(UTC)
                if moment <= begin < last:
                    moment += ((begin - moment) // STEP + 1) * STEP
                while moment < last:
                    if moment > begin:
                        yield moment.astimezone(self._zone)
                    moment += STEP
