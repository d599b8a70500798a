"""The risk of the next dial: will its debtor, if they ask for an agent, wait in vain?

A dial made now asks, if at all, some time later: after ringing and some turns with the bot.  For three such
moments (early, middle and late asks) two counts are compared: how many of the calls in flight will have asked
by then (those waiting now, and a Poisson count of those that may: never fewer spread than the true one), and
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

MOMENTS = (0.2, 0.5, 0.8)
"""Quantiles of the time from dial to ask at which the risk is looked at; its mean counts."""
SPREAD = 1.65
"""Shares are taken at the upper end of their interval (one-sided 95 %): few calls seen, more agents kept."""


@dataclass(frozen=True)
class Moment:
    """One time at which the next dial's debtor may ask."""

    asks: float
    "Expected asks of the calls in flight until then, those waiting now left out."
    asks_of_new: float
    "The same of one further dial."
    seats: Floats
    "seats[s]: the probability that s agents will have been free until the end of that wait."


@dataclass(frozen=True)
class Forecast:
    """The risk as a function of how many more are dialled now."""

    waiting: int
    moments: tuple[Moment, ...]

    def risk(self, dials: int) -> float:
        """The probability that the last of `dials` further dials, if it asks, asks in vain."""
        return float(np.mean([self._at(moment, dials) for moment in self.moments]))

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

    def _at(self, moment: Moment, dials: int) -> float:
        mean = moment.asks + (dials - 1) * moment.asks_of_new
        seats = np.arange(len(moment.seats)) - self.waiting
        reached = np.where(seats <= 0, 1.0, pdtrc(np.maximum(seats - 1, 0), mean))
        return float(moment.seats @ reached)


def forecast(flow: CallFlow, seats: SeatsNow, wrap_up_s: float, *, ahead: bool) -> Forecast:
    """Looks at the calls in flight.  `ahead`: talking agents count too, by their odds of being free."""
    ring, ask = flow.ring, flow.ask
    answer = _cautious(ring.upper(SPREAD), ring.share)
    want = _cautious(ask.upper(SPREAD), ask.share)
    lead = np.cumsum(np.convolve(_by_second(ring.times(), ring.bin_s), _by_second(ask.times(), ask.bin_s)))
    pick_up_s = flow.pick_up.quantile_s(0.9) or flow.max_wait_s / 2
    patience_s = max(0.0, flow.max_wait_s - pick_up_s)
    ringing, talking = flow.ages(Stage.GIVEN, Stage.DIALLED), flow.ages(Stage.ANSWERED)
    moments = []
    for quantile in MOMENTS:
        until_s = float(np.searchsorted(lead, quantile * lead[-1]))
        asks = want * float(ask.within(talking, until_s).sum()) if talking.size else 0.0
        if ringing.size:
            asks += answer * want * _asks_of_ringing(flow, ringing, until_s)
        asks_of_new = min(1.0, ring.upper(SPREAD)) * ask.upper(SPREAD) * quantile
        free = _seats_until(flow, seats, until_s + patience_s, wrap_up_s, ahead)
        moments.append(Moment(asks, asks_of_new, free))
    return Forecast(int(flow.waits().size), tuple(moments))


def _cautious(upper: float, share: float) -> float:
    return upper / share if share > 0 else 1.0


def _by_second(times: Floats, bin_s: float) -> Floats:
    """A distribution by bin as one by second, each bin's weight at its middle."""
    seconds = np.zeros(int(len(times) * bin_s) + 1)
    np.add.at(seconds, ((np.arange(len(times)) + 0.5) * bin_s).astype(int), times)
    return seconds


def _asks_of_ringing(flow: CallFlow, ages: Floats, until_s: float) -> float:
    """Expected asks within `until_s` of calls that ring for `ages` seconds."""
    ring, ask = flow.ring, flow.ask
    answers_s = ring.edges[:-1] + ring.bin_s / 2
    bins, counts = np.unique((ages / ring.bin_s).astype(int), return_counts=True)
    total = 0.0
    for place, count in zip(bins, counts, strict=True):
        now_s = min(float(place) * ring.bin_s, float(ring.edges[-2]))
        still = answers_s > now_s
        left_s = np.maximum(until_s - (answers_s[still] - now_s), 0.0)
        times = ring.times()[still]
        asks = ask.within(np.zeros_like(left_s), left_s)
        weight = float(times.sum())
        odds = float(ring.within(np.array([now_s]), float(ring.edges[-1]))[0])
        total += count * odds * (float(times @ asks) / weight if weight > 0 else float(asks.max(initial=0.0)))
    return total


def _seats_until(flow: CallFlow, seats: SeatsNow, until_s: float, wrap_up_s: float, ahead: bool) -> Floats:
    """How many agents will have been free within `until_s`: its distribution."""
    sure = seats.free + sum(one <= until_s for one in seats.soon_s)
    several = np.zeros(sure + 1)
    several[sure] = 1.0
    if not ahead or not seats.busy_s:
        return several
    ages = np.array(seats.busy_s)
    for odds in flow.busy.within(ages, max(0.0, until_s - wrap_up_s)):
        several = np.convolve(several, (1 - odds, odds))
    return several
