"""A talk track as a person reads it: stage by stage, what is heard and what the bot says then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dialogs.track import Track
from dialogs.track_file import StepModel

SAMPLES = 3
"""So many utterances stand for an intent."""
EVENTS = {
    "event.start": "（接通）",
    "event.silence": "（没有声音）",
    "event.not_understood": "（没听懂）",
    "event.key": "（按了别的键）",
    "event.machine": "（语音信箱或电话助手）",
    "event.verified": "（核身通过）",
    "event.not_verified": "（核身不符）",
    "event.handoff_failed": "（没有坐席）",
    "event.returned": "（坐席交回）",
    "event.hangup": "（对方挂机）",
    "event.time_up": "（时间到）",
}
LISTENERS = {"unknown": "任何人", "debtor": "本人", "contact": "联系人", "agent": "坐席"}
_WORDS = {
    "ask": "（再问一遍）",
    "repeat": "（重复上一句）",
    "handoff": "［转人工 {value}］",
    "reason": "［交接原因：{value}］",
    "queue": "［队列 {value}］",
    "priority": "［优先］",
    "end": "［结束 {value}］",
    "stop_list": "［停呼名单 {value}］",
    "hold": "［冻结 {value}］",
    "go": "［到 {value}］",
}
"""How a step's parts are said; what is not listed is said by its name."""


def header(track: Track) -> Iterator[str]:
    """Lines of text: which version, what for, in which voices, within which limits."""
    yield f"{track.id}@{track.version}  {track.purpose}"
    yield f"digest  {track.digest}"
    yield f"voices  {', '.join(track.voices)}"
    if track.limits:
        yield f"limits  {', '.join(f'{name} {value}' for name, value in track.limits.items())}"


def conversation(track: Track) -> Iterator[str]:
    """Lines of text: every group and stage with its own replies."""
    for name, group in track.groups.items():
        if group:
            yield ""
            yield f"== 通用：{name}"
            yield from _replies(track, group)
    for name, stage in track.stages.items():
        level = "不变" if stage.level is None else f"v{stage.level}"
        listener = LISTENERS.get(stage.listener or "", "不变")
        yield ""
        yield f"== 环节：{name}（核身 {level}，对{listener}，通用 {', '.join(groups_of(stage.group))}）"
        for line in stage.ask:
            yield f"   问：{spoken(track, line)}"
        yield from _replies(track, stage.replies)


def as_data(track: Track) -> dict[str, Any]:
    """The same for --json: lines by id, stages with what is heard and what is said then."""

    def replies(given: Mapping[str, Sequence[StepModel]]) -> dict[str, Any]:
        return {
            intent: {"heard": heard(track, intent), "steps": [step_of(track, one) for one in steps]}
            for intent, steps in given.items()
        }

    return {
        "track": track.id,
        "version": track.version,
        "purpose": track.purpose,
        "institution": track.institution,
        "digest": track.digest,
        "voices": list(track.voices),
        "limits": track.limits,
        "lines": {
            line.id: {
                "text": line.text,
                "listener": line.listener,
                "level": line.level,
                "flags": list(line.flags),
            }
            for line in track.lines.values()
        },
        "groups": {name: replies(group) for name, group in track.groups.items()},
        "stages": {
            name: {
                "level": stage.level,
                "listener": stage.listener,
                "groups": list(groups_of(stage.group)),
                "asks": [track.lines[line].text for line in stage.ask],
                "replies": replies(stage.replies),
            }
            for name, stage in track.stages.items()
        },
    }


def groups_of(group: str | Sequence[str]) -> tuple[str, ...]:
    """The groups of a stage, in order."""
    return (group,) if isinstance(group, str) else tuple(group)


def heard(track: Track, intent: str) -> str:
    """What an intent or event sounds like."""
    return EVENTS.get(intent) or "｜".join(track.bank.intents.get(intent, ())[:SAMPLES])


def spoken(track: Track, line_id: str) -> str:
    """A line with its id, and whom it needs."""
    line = track.lines[line_id]
    needs = "".join(f"，须 {flag}" for flag in line.flags)
    return f"{line.text}〔{line_id}，v{line.level} 对{LISTENERS.get(line.listener, line.listener)}{needs}〕"


def condition(step: StepModel) -> str:
    """When a step is taken; empty when always."""
    given = step.when.model_dump(exclude_defaults=True)
    parts = [
        f"{name}={'+'.join(value) if isinstance(value, list | tuple) else value}"
        for name, value in given.items()
    ]
    return "、".join(parts)


def step_of(track: Track, step: StepModel) -> dict[str, Any]:
    """A step as data: when it is taken, the texts that are said, and what it does."""
    does = step.model_dump(exclude_defaults=True, exclude={"when", "say"})
    texts = [track.lines[name].text if name in track.lines else name for name in step.say]
    return {"when": condition(step), "say": list(step.say), "texts": texts, **does}


def step_line(track: Track, step: StepModel) -> str:
    """A step as one line for a person."""
    when = condition(step)
    parts = [f"若 {when}：" if when else ""]
    parts += [spoken(track, name) if name in track.lines else name for name in step.say]
    parts += effects(step)
    return "".join(parts) or "（不说话）"


def effects(step: StepModel) -> list[str]:
    """What a step does beside speaking."""
    does = step.model_dump(exclude_defaults=True, exclude={"when", "say"})
    return [_WORDS.get(name, f"［{name} {{value}}］").format(value=value) for name, value in does.items()]


def _replies(track: Track, replies: Mapping[str, Sequence[StepModel]]) -> Iterator[str]:
    for intent, steps in replies.items():
        yield f" 听：[{intent}] {heard(track, intent)}"
        for step in steps:
            yield f"   → {step_line(track, step)}"
