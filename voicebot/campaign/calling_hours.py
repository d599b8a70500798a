"""When a campaign may dial: its windows, dates and holidays, and the calling hours of the policy packs."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from voicebot.campaign.calling_windows import DAYS, HOLIDAY, MAKEUP, Window, by_day
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
        self._by_day = by_day(campaign.windows)
        self._windows_on = lru_cache(maxsize=64)(self._windows_of)
        self._open_on = lru_cache(maxsize=64)(self._stretches_of)

    def allows(self, at: datetime) -> bool:
        """Whether anybody may be called at `at`: without an agreement."""
        return self.within_windows(at) and self._gate.hours_allow(at.astimezone(self._zone))

    def within_windows(self, at: datetime) -> bool:
        """Whether `at` lies in the campaign's own windows: debtors may be called then who agreed to it."""
        local = at.astimezone(self._zone)
        now = local.time()
        return any(window.holds(now) for window in self._windows_on(local.date()))

    def next_within_windows(self, at: datetime) -> datetime | None:
        """The first instant from `at` on in the campaign's own windows; None when there is none in sight."""
        if self.within_windows(at):
            return at
        today = at.astimezone(self._zone).date()
        days = (today + timedelta(days=ahead) for ahead in range(SEARCH_DAYS))
        starts = (self._instant(day, window[0]) for day in days for window in self._windows_on(day))
        return next((start for start in starts if start > at), None)

    def _windows_of(self, day: date) -> tuple[Window, ...]:
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
        today, begin = at.astimezone(self._zone).date(), at.astimezone(UTC)
        for ahead in range(SEARCH_DAYS):
            for start, _ in self._open_on(today + timedelta(days=ahead)):
                if start > begin:
                    return start.astimezone(self._zone)
        return None

    def next_day(self, at: datetime) -> datetime | None:
        """The first opening on a later date than that of `at`."""
        local = at.astimezone(self._zone)
        return self.next_open(self._instant(local.date() + timedelta(days=1), time()))

    def left_today(self, at: datetime) -> timedelta:
        """How much dialling time the rest of this date still holds."""
        moment = at.astimezone(UTC)
        stretches = self._open_on(at.astimezone(self._zone).date())
        return sum((end - max(start, moment) for start, end in stretches if end > moment), timedelta())

    def _stretches_of(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """When a call may be dialled on a date: from (inside) to (outside), UTC, to the minute."""
        found: list[tuple[datetime, datetime]] = []
        for start, end in self._windows_on(day):
            moment = self._instant(day, start).astimezone(UTC)
            last = self._end(day, end).astimezone(UTC)
            while moment < last:
                if self.allows(moment):
                    if found and found[-1][1] == moment:
                        found[-1] = found[-1][0], moment + STEP
                    else:
                        found.append((moment, moment + STEP))
                moment += STEP
        return tuple(found)

    def unknown_within(self, at: datetime) -> date | None:
        """The first date in sight that the calendar does not cover: nobody is called on it."""
        today = at.astimezone(self._zone).date()
        days = (today + timedelta(days=n) for n in range(SEARCH_DAYS))
        return next((day for day in days if self.calendar.kind(day) is DayKind.UNKNOWN), None)

    def _instant(self, day: date, at: time) -> datetime:
        """A local time of a date; one that the zone skips becomes the instant after the gap."""
        return datetime.combine(day, at, self._zone).astimezone(UTC).astimezone(self._zone)

    def _end(self, day: date, at: time) -> datetime:
        """The end of a window; that of 24:00 is the next date's midnight."""
        return self._instant(day + timedelta(days=1), time()) if at == time.max else self._instant(day, at)
