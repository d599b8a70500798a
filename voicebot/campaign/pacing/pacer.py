"""How many calls may be dialled now, so that hardly anybody who asks for an agent waits in vain.

| mode        | counts on                                          | risk taken per ask                    |
|-------------|----------------------------------------------------|---------------------------------------|
| fixed       | nothing: all lines are used                        | whatever comes; the cap only alarms   |
| progressive | agents who are free, or will be by their wrap-up   | small; smaller after abandoned calls  |
| predictive  | these, and talking agents by the odds of their end | steered by the abandoned calls so far |

The bot speaks first: only some answered calls ask for an agent, and only after a while.  The forecast says
what the next dial's risk is, the credit which risk the campaign can afford: each ask whose wait is over earns
`AIM` of the cap, each abandoned one costs 1.  Without credit the risk allowed is `AIM` of the cap itself; it
shrinks with every debt, and grows with savings in the predictive mode only, where two more abandoned calls
would fit into the cap.

As long as not even one would fit (at the start, and after each one in a small campaign) the pacing is
careful: one agent stays spare, for the one who leaves or does not pick up, and one more for each abandoned
call above the cap.  As long as nothing is known every call in flight counts as if it asked, and only free
agents count for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from handoff.seats_now import SeatsNow
from voicebot.campaign.pacing.flow import CallFlow, Stage, Totals
from voicebot.campaign.pacing.forecast import forecast
from voicebot.campaign.pacing.outlook import Outlook, outlook
from voicebot.campaign.pacing_settings import Pacing

AIM = 0.7
"""Steers towards this share of the cap: what is left is for what no forecast sees, such as a sudden break."""
BANK = 1.0
"""Abandoned calls that may be saved up at most: a quiet morning does not pay for an hour of long waits."""
STEEPNESS = 0.9
"""The risk allowed is multiplied by e to the power of this for each abandoned call in credit."""
REFRESH_S = 2.0
"""So long the tables of the outlook are used before they are made anew."""
TEAM_REMEMBERED_S = 3600.0
"""Whoever is alone now but was not within this time waits for the others when an agent is to stay spare."""
KNOWN_ANSWERS = 10
"""Answered calls whose end was seen before the odds are used at all; until then every call may ask."""
KNOWN_TALKS = 10
"""Talks whose end was seen before talking agents are counted on."""


class WhyNot(StrEnum):
    """Why nothing more is dialled now."""

    LINES_FULL = "lines_full"
    TOO_FAST = "too_fast"
    TRUNK_OPEN = "trunk_open"
    PROBING = "probing"
    AGENTS_BUSY = "agents_busy"
    NO_AGENT = "no_agent"
    NO_NUMBER = "no_number"


@dataclass(frozen=True)
class Allowance:
    """So many calls may be dialled now; if none, why, and in how many seconds to ask again."""

    calls: int
    why: WhyNot | None = None
    again_s: float = 0.1


class Pacer:
    """`before` are the campaign's counts from earlier runs and other machines."""

    def __init__(
        self,
        settings: Pacing,
        lines: int,
        wrap_up_s: float,
        flow: CallFlow,
        monotonic: Callable[[], float],
    ) -> None:
        self.settings, self.lines = settings, lines
        self._wrap_up_s, self._flow, self._now = wrap_up_s, flow, monotonic
        self.before = Totals()
        self._outlook: tuple[float, Outlook] | None = None
        self._several_at: float | None = None
        self._credit = 0.0
        self._credited = Totals()

    @property
    def totals(self) -> Totals:
        """The campaign's counts, earlier ones included."""
        return self.before + self._flow.run

    def allowance(self, seats: SeatsNow) -> Allowance:
        """How many further calls may be given out now."""
        flow = self._flow
        flow.sweep()
        free_lines = self.lines - len(flow.calls)
        if free_lines <= 0:
            return Allowance(0, WhyNot.LINES_FULL)
        if self.settings.mode == "fixed":
            return Allowance(free_lines)
        if seats.here == 0:
            return Allowance(0, WhyNot.NO_AGENT, 1.0)
        most = min(free_lines, int(self.settings.most_lines_per_agent * seats.here) - len(flow.calls))
        spare = self._spare(seats)
        risk = self.risk_allowed()
        calls = self._sure(seats) - spare
        if flow.ask.seen >= KNOWN_ANSWERS and most > max(calls, 0):
            ahead = self.settings.mode == "predictive" and flow.busy.seen >= KNOWN_TALKS
            view = forecast(self._look(), flow, seats, self._wrap_up_s, ahead=ahead, spare=spare)
            calls = max(calls, view.most(most, risk))
        calls = min(most, calls)
        return Allowance(calls) if calls > 0 else Allowance(0, WhyNot.AGENTS_BUSY, 0.5)

    def _sure(self, seats: SeatsNow) -> int:
        """Dials that would find a free agent even if every call in flight asked."""
        may_ask = self._flow.count(Stage.GIVEN, Stage.DIALLED, Stage.ANSWERED, Stage.WAITING)
        return seats.free - may_ask

    def _spare(self, seats: SeatsNow) -> int:
        """Agents in reserve: one for each abandoned call that the cap has no room for, the next one included.

        Never all of a team, and none of a campaign with a single agent.
        """
        now = self._now()
        if seats.here > 1:
            self._several_at = now
        several = self._several_at is not None and now - self._several_at < TEAM_REMEMBERED_S
        missing = 1 - self._room()
        return min(math.ceil(missing), max(1, seats.here - 1)) if several and missing > 0 else 0

    def _room(self) -> float:
        """So many more abandoned calls fit into the cap after the next ask; may be negative."""
        totals = self.totals
        return self.settings.abandon_cap * (totals.wanted + 1) - totals.abandoned - self._likely()

    def _likely(self) -> int:
        """Those who have waited for half the longest wait are counted as abandoned already."""
        return int((self._flow.waits() > self._flow.max_wait_s / 2).sum())

    def risk_allowed(self) -> float:
        """The risk that the next dial may have, 0…1."""
        self._settle()
        credit = self._credit - self._likely()
        if self.settings.mode == "progressive" or self._room() < 2:
            credit = min(0.0, credit)
        return AIM * self.settings.abandon_cap * math.exp(STEEPNESS * credit)

    def _look(self) -> Outlook:
        now = self._now()
        if self._outlook is None or now - self._outlook[0] >= REFRESH_S:
            self._flow.look_at_undecided()
            self._outlook = (now, outlook(self._flow))
        return self._outlook[1]

    def _settle(self) -> None:
        """Books what was counted since."""
        totals = self.totals
        wanted, abandoned = totals.wanted - self._credited.wanted, totals.abandoned - self._credited.abandoned
        self._credited = totals
        self._credit = min(BANK, self._credit + AIM * self.settings.abandon_cap * wanted - abandoned)
