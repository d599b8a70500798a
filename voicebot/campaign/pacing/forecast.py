"""The risk of the next dial: will its debtor, if they ask for an agent, wait in vain?

A dial made now asks, if at all, some time later: after ringing and some turns with the bot.  For three such
moments (early, middle and late asks) two counts are compared: how many of the calls in flight will have asked
by then (those waiting now, and a Poisson count of those that may: never less spread than the true one), and
how many agents will have been free until the end of that wait (those free now, those whose wrap-up ends in
time, and each busy one with the odds learned from earlier talks of that length).  Every agent is counted for
one call: who takes two within that time is a reserve.  The dial is in vain when the first count reaches the
second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import pdtrc

from handoff.seats_now import SeatsNow
from voicebot.campaign.pacing.flow import CallFlow, Stage
from voicebot.campaign.pacing.odds import Floats
from voicebot.campaign.pacing.outlook import Outlook


@dataclass(frozen=True)
class Forecast:
    """The risk as a function of how many more are dialled now.  One row a moment."""

    taken: int
    "Agents that are not for the calls in flight: for those waiting now, and kept back."
    asks: Floats
    "Expected asks of the calls in flight, those waiting now left out."
    asks_of_new: Floats
    "The same of one further dial."
    seats: Floats
    "[moment, s]: the probability that s agents will have been free until the end of that wait."

    def risk(self, dials: int) -> float:
        """The probability that the last of `dials` further dials, if it asks, asks in vain."""
        mean = self.asks + (dials - 1) * self.asks_of_new
        left = np.arange(self.seats.shape[1]) - self.taken
        in_vain = np.where(left <= 0, 1.0, pdtrc(np.maximum(left - 1, 0)[None, :], mean[:, None]))
        return float((self.seats * in_vain).sum() / len(mean))

    def most(self, limit: int, risk: float) -> int:
        """The most dials, up to `limit`, whose risk stays at or below `risk`."""
        low, high = 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            if self.risk(middle) <= risk:
                low = middle
            else:
                high = middle - 1
        return low


def forecast(
    look: Outlook, flow: CallFlow, seats: SeatsNow, wrap_up_s: float, *, ahead: bool, spare: int
) -> Forecast:
    """Looks at the calls in flight.  `ahead`: talking agents count too, by their odds of being free; `spare`
    agents are kept back."""
    asks = look.ringing(flow.ages(Stage.GIVEN, Stage.DIALLED))
    talking = flow.ages(Stage.ANSWERED)
    if talking.size:
        asks = asks + look.want * flow.ask.within(talking[None, :], look.until_s[:, None]).sum(axis=1)
    until_s = look.until_s + look.patience_s
    free = _seats_until(flow, seats, until_s, wrap_up_s, ahead)
    return Forecast(int(flow.waits().size) + spare, asks, look.asks_of_new, free)


def _seats_until(flow: CallFlow, seats: SeatsNow, until_s: Floats, wrap_up_s: float, ahead: bool) -> Floats:
    """How many agents will have been free until each moment: [moment, s]."""
    several = np.zeros((len(until_s), seats.here + 1))
    soon = np.array(seats.soon_s)
    several[np.arange(len(until_s)), seats.free + (soon[None, :] <= until_s[:, None]).sum(axis=1)] = 1.0
    if ahead and seats.busy_s:
        ages = np.array(seats.busy_s)
        flow.busy.undecided(ages)
        for odds in flow.busy.within(ages[:, None], np.maximum(0.0, until_s - wrap_up_s)[None, :]):
            one_more = np.concatenate((np.zeros((len(until_s), 1)), several[:, :-1]), axis=1)
            several = several * (1 - odds)[:, None] + one_more * odds[:, None]
    return several
