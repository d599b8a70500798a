"""When a dial made now would ask for an agent: tables from the learned odds, made anew every few seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voicebot.campaign.pacing.flow import CallFlow
from voicebot.campaign.pacing.odds import Floats, Odds

MOMENTS = (0.2, 0.5, 0.8)
"""Quantiles of the time from dial to ask at which the risk is looked at; its mean counts."""
SPREAD = 1.65
"""Shares are taken at the upper end of their interval (one-sided 95 %): few calls seen, more agents kept."""


@dataclass(frozen=True)
class Outlook:
    """One row a moment."""

    until_s: Floats
    "Seconds from now to each moment."
    asks_of_new: Floats
    "Expected asks, until each moment, of one further dial."
    asks_of_ringing: Floats
    "The same of a call that rings, by its age in seconds: [moment, age]."
    want: float
    "Factor of caution for the calls that talk with the bot."
    patience_s: float
    "Of the longest wait, what is left for an agent to become free: an agent's phone has to ring too."

    def ringing(self, ages_s: Floats) -> Floats:
        """Expected asks of all ringing calls until each moment."""
        last = self.asks_of_ringing.shape[1] - 1
        places = np.minimum(ages_s.astype(int), last)
        total: Floats = self.asks_of_ringing[:, places].sum(axis=1)
        return total


def outlook(flow: CallFlow) -> Outlook:
    """From what was learned so far."""
    ring, ask = flow.ring, flow.ask
    answer, want = ring.upper(SPREAD), ask.upper(SPREAD)
    lead = np.cumsum(np.convolve(_by_second(ring), _by_second(ask)))
    # To the end of the bin: an ask is never placed behind the moment that it stands for.
    until_s = np.searchsorted(lead, np.array(MOMENTS) * lead[-1]).astype(np.float64) + ask.bin_s
    pick_up_s = flow.pick_up.quantile_s(0.9) or flow.max_wait_s / 2
    caution = _caution(answer, ring.share) * _caution(want, ask.share)
    asks = caution * _asks_of_ringing(ring, ask, until_s)
    return Outlook(
        until_s=until_s,
        asks_of_new=asks[:, 0],
        asks_of_ringing=asks,
        want=_caution(want, ask.share),
        patience_s=max(0.0, flow.max_wait_s - pick_up_s),
    )


def _caution(upper: float, share: float) -> float:
    return upper / share if share > 0 else 1.0


def _by_second(odds: Odds) -> Floats:
    """The distribution of its times by second, each bin's weight at its middle."""
    times = odds.times()
    seconds = np.zeros(math.ceil(len(times) * odds.bin_s) + 1)
    np.add.at(seconds, (odds.edges[:-1] + odds.bin_s / 2).astype(int), times)
    return seconds


def _asks_of_ringing(ring: Odds, ask: Odds, until_s: Floats) -> Floats:
    """[moment, age]: the odds that a call that has rung for `age` seconds asks until the moment."""
    ages = np.arange(int(ring.edges[-1]), dtype=np.float64)
    answers_s, times = ring.edges[:-1] + ring.bin_s / 2, ring.times()
    ahead_s = answers_s[None, :] - ages[:, None]  # [age, when it is answered]
    weights = np.where(ahead_s > 0, times[None, :], 0.0)
    sums = weights.sum(axis=1)
    odds = ring.within(ages, float(ring.edges[-1])) / np.where(sums > 0, sums, 1.0)
    rows = []
    for moment_s in until_s:
        left_s = np.where(ahead_s > 0, np.maximum(moment_s - ahead_s, 0.0), 0.0)
        asks = ask.within(np.zeros_like(left_s), left_s)
        by_answer = (weights * asks).sum(axis=1)
        # Nothing was ever answered so late: as if it were answered now.
        rows.append(odds * np.where(sums > 0, by_answer, ask.within(np.zeros(1), float(moment_s))[0]))
    return np.array(rows)
