"""What a callee measures of a call, from both directions' levels on the callee's own 20 ms ticks.

Everything is computed after the call from two lists of levels, so that it can be checked on made ones.
All times are seconds since the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voicebot.simulate.bot_watch import AUDIBLE_DBFS, AUDIBLE_TICKS, TICK_S

VOICED_DBFS = -45.0
"""Own speech: rendered at -20 dBFS over noise of -55 or less."""
LATE_TICKS = 5
"""The word of a playback's start and end may come this much later than the audio in the ticks."""


@dataclass(frozen=True)
class Spoken:
    """One utterance as it was played: ticks at which its playback was asked for and reported over."""

    text: str
    asked: int
    over: int
    to_bot: bool = True
    "False for what is said to an agent, or by a machine: nothing of the bot is measured."
    greeting: bool = False
    "Said right after the answer, before the bot spoke."


@dataclass(frozen=True)
class Turn:
    """One of the callee's utterances and the bot's answer to it."""

    said: str
    start_s: float
    end_s: float
    "End of its last voiced tick."
    first_bot_s: float | None
    latency_ms: float | None
    "None when the bot never answered, or when both spoke at once."
    overlap: bool
    "The bot was sounding when the speech ended."


@dataclass(frozen=True)
class BargeIn:
    """Own speech while the bot spoke: how long after its onset the bot was silent."""

    said: str
    onset_s: float
    bot_silent_s: float | None
    silence_ms: float | None
    "None when the bot spoke on until the utterance was over."


@dataclass(frozen=True)
class Measured:
    first_bot_s: float | None
    "Answer → first bot audio."
    greeting: Turn | None
    turns: list[Turn]
    barge_ins: list[BargeIn]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def audible_from(levels: Sequence[float], tick: int, until: int | None = None) -> int | None:
    """The first of two audible ticks in a row, from `tick` on."""
    run = 0
    for number in range(max(0, tick), min(len(levels), until if until is not None else len(levels))):
        run = run + 1 if levels[number] > AUDIBLE_DBFS else 0
        if run == AUDIBLE_TICKS:
            return number - AUDIBLE_TICKS + 1
    return None


def voiced_span(levels: Sequence[float], spoken: Spoken) -> tuple[int, int] | None:
    """First and one-past-last voiced tick of an utterance in our own audio; None when it was never played."""
    until = min(len(levels), spoken.over + LATE_TICKS)
    voiced = [tick for tick in range(spoken.asked, until) if levels[tick] > VOICED_DBFS]
    return (voiced[0], voiced[-1] + 1) if voiced else None


def measure(
    theirs: Sequence[float], ours: Sequence[float], said: Sequence[Spoken], answered: int
) -> Measured:
    """`theirs` and `ours`: levels (dBFS) of each tick; `answered`: the tick of the 200 OK."""
    greeting: Turn | None = None
    turns: list[Turn] = []
    barge_ins: list[BargeIn] = []
    spans = [(one, voiced_span(ours, one)) for one in said]
    for number, (one, span) in enumerate(spans):
        if span is None or not one.to_bot:
            continue
        following = next((later[0] for _, later in spans[number + 1 :] if later is not None), len(theirs))
        turn = _turn(theirs, one, span, following, answered)
        if one.greeting:
            greeting = turn
        else:
            turns.append(turn)
        if (cut := _barge_in(theirs, one, span, answered)) is not None:
            barge_ins.append(cut)
    first = audible_from(theirs, answered)
    return Measured(None if first is None else _seconds(first - answered), greeting, turns, barge_ins)


def _turn(theirs: Sequence[float], one: Spoken, span: tuple[int, int], following: int, answered: int) -> Turn:
    start, end = span
    overlap = _sounding(theirs, end)
    first = audible_from(theirs, end, following)
    latency = None if first is None or overlap else round((first - end) * TICK_S * 1000)
    return Turn(
        said=one.text,
        start_s=_seconds(start - answered),
        end_s=_seconds(end - answered),
        first_bot_s=None if first is None else _seconds(first - answered),
        latency_ms=latency,
        overlap=overlap,
    )


def _barge_in(theirs: Sequence[float], one: Spoken, span: tuple[int, int], answered: int) -> BargeIn | None:
    """None when the bot was silent at the onset."""
    onset, end = span
    if not _sounding(theirs, onset):
        return None
    silent = _silent_from(theirs, onset)
    if silent is not None and silent > end:
        silent = None
    return BargeIn(
        said=one.text,
        onset_s=_seconds(onset - answered),
        bot_silent_s=None if silent is None else _seconds(silent - answered),
        silence_ms=None if silent is None else round((silent - onset) * TICK_S * 1000),
    )


_AROUND = 10
"""Ticks (0.2 s): a gap between two words is no silence."""


def _sounding(levels: Sequence[float], tick: int) -> bool:
    """True when there is audio both shortly before and from `tick` on: a stretch goes through it."""
    before = any(level > AUDIBLE_DBFS for level in levels[max(0, tick - _AROUND) : tick])
    after = any(level > AUDIBLE_DBFS for level in levels[tick : tick + AUDIBLE_TICKS])
    return before and after


def _silent_from(levels: Sequence[float], tick: int) -> int | None:
    """The first tick of 0.2 s without audio."""
    run = 0
    for number in range(tick, len(levels)):
        run = run + 1 if levels[number] <= AUDIBLE_DBFS else 0
        if run == _AROUND:
            return number - _AROUND + 1
    return None


def _seconds(ticks: int) -> float:
    return round(ticks * TICK_S, 3)
