"""The shortest call to each way out of a talk track: the track as dialogues that a person can read aloud."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from dialogs.rules import START_STAGE, Rule, rules
from dialogs.track import Track
from scripts_review.reading import heard, spoken

RARE = 0.6
"""What a condition costs beside the turn itself: plain calls are shown before those with special facts."""
USUAL = (("nth", 1), ("asks", 0))


@dataclass(frozen=True)
class Call:
    """`way_out`: the disposition that it ends with, or the handoff; `turns` from the start to there."""

    way_out: str
    turns: tuple[Rule, ...]


def shortest_calls(track: Track) -> list[Call]:
    """One call for each way out, the short ones first.  TrackError when the track does not hold together."""
    edges: dict[str, list[Rule]] = {}
    for rule in rules(track):
        edges.setdefault(rule.stage, []).append(rule)
    found: dict[str, Call] = {}
    best: dict[str, float] = {}
    order = itertools.count()
    queue: list[tuple[float, int, str, tuple[Rule, ...]]] = [(0.0, next(order), START_STAGE, ())]
    while queue:
        cost, _, stage, turns = heapq.heappop(queue)
        if best.setdefault(stage, cost) < cost:
            continue
        for rule in edges.get(stage, ()):
            way = (*turns, rule)
            spent = cost + 1 + RARE * _rare(rule)
            if rule.step.end or rule.step.handoff:
                heapq.heappush(queue, (spent, next(order), _way_out(rule), way))
            if rule.step.go and not rule.step.end:
                heapq.heappush(queue, (spent, next(order), rule.step.go, way))
        if turns and _way_out(turns[-1]) == stage:
            found.setdefault(stage, Call(stage, turns))
    return list(found.values())


def dialogues(track: Track) -> Iterator[str]:
    """The calls as lines of text."""
    for number, call in enumerate(shortest_calls(track), start=1):
        yield ""
        yield f"== 通话 {number}：{call.way_out}"
        for rule in call.turns:
            facts = "、".join(f"{name}={value}" for name, value in rule.facts if value not in (False, "none"))
            said = heard(track, rule.intent).split("｜")[0]
            yield f"  {'' if said.startswith('（') else '客户：'}{said}{f'  〔{facts}〕' if facts else ''}"
            lines = [*rule.step.say]
            if rule.step.ask:
                lines += track.stages[rule.step.go or rule.stage].ask
            for line in lines:
                yield f"  机器人：{spoken(track, line)}"
        yield f"  ［{call.way_out}］"


def _rare(rule: Rule) -> int:
    return sum(fact not in USUAL and fact[1] not in (False, "none") for fact in rule.facts)


def _way_out(rule: Rule) -> str:
    if rule.step.end:
        return f"结束 {rule.step.end}"
    return f"转人工 {rule.step.handoff}" if rule.step.handoff else ""
