"""At most two asks for a promise a call: followed through the track, whatever way a call takes."""

from __future__ import annotations

from collections.abc import Iterator

from dialogs.errors import TrackError
from dialogs.rules import START_STAGE, Rule
from dialogs.track import Track

MOST_COUNTED = 2
"""Rules tell 0, 1, and 2 or more asks apart."""


def asked_too_often(track: Track, found: list[Rule]) -> Iterator[TrackError]:
    """Every reply by which a call can come to more asks than `limits.asks`.

    All pairs of stage and number of asks are followed that a call can be in.  A question that is put again
    by `ask` counts too, and is left out once the limit is reached.
    """
    most = track.limits["asks"]
    by_stage: dict[str, list[Rule]] = {}
    for rule in found:
        by_stage.setdefault(rule.stage, []).append(rule)
    seen, todo = {(START_STAGE, 0)}, [(START_STAGE, 0)]
    while todo:
        stage, asks = todo.pop()
        for rule in by_stage.get(stage, ()):
            if dict(rule.facts).get("asks", asks) != min(asks, MOST_COUNTED) or rule.step.end:
                continue
            goes = rule.step.go or ("handoff" if rule.step.handoff else stage)
            after = asks + _asking(track, rule.step.say)
            if after > most:
                yield track.error(
                    f"in stage {stage}, {rule.intent} asks for a promise for the {after}. time",
                    rule.loc,
                    f"Give a step for `asks: {most}` before it, which closes the call.",
                )
            if rule.step.ask and goes in track.stages:
                after += _asking(track, track.stages[goes].ask)
            place = (goes, min(after, most))
            if goes in track.stages and place not in seen:
                seen.add(place)
                todo.append(place)


def _asking(track: Track, lines: list[str]) -> int:
    return sum(track.lines[name].asks for name in lines)
