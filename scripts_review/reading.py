"""A talk track as a person reads it: stage by stage, what is heard and what the bot says then."""

from __future__ import annotations

from collections.abc import Iterator

from dialogs.track import Track
from dialogs.track_file import StepModel, WhenModel

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
}


def conversation(track: Track) -> Iterator[str]:
    """Lines of text: the header, then every group and stage with its own replies."""
    yield f"{track.id}@{track.version}  {track.purpose}"
    yield f"digest {track.digest}"
    yield f"voices {', '.join(track.voices)}"
    for name, group in track.groups.items():
        if group:
            yield ""
            yield f"== 通用：{name}"
            yield from _replies(track, group)
    for name, stage in track.stages.items():
        level = "不变" if stage.level is None else f"v{stage.level}"
        yield ""
        yield f"== 环节：{name}（{level}，对 {stage.listener or '不变'}，通用 {stage.group}）"
        for line in stage.ask:
            yield f"   问：{track.lines[line].text}"
        yield from _replies(track, stage.replies)


def _replies(track: Track, replies: dict[str, list[StepModel]]) -> Iterator[str]:
    for intent, steps in replies.items():
        heard = EVENTS.get(intent) or "｜".join(track.bank.intents.get(intent, ())[:SAMPLES])
        yield f" 听：[{intent}] {heard}"
        for step in steps:
            yield f"   → {_when(step.when)}{_step(track, step)}"


def _when(when: WhenModel) -> str:
    given = when.model_dump(exclude_none=True)
    return f"若 {'、'.join(f'{name}={value}' for name, value in given.items())}：" if given else ""


def _step(track: Track, step: StepModel) -> str:
    parts = [track.lines[name].text for name in step.say]
    if step.ask:
        parts.append("（再问一遍）")
    if step.handoff:
        parts.append(f"［转人工 {step.handoff}：{step.reason}］")
    if step.end:
        parts.append(f"［结束 {step.end}］")
    if step.stop_list:
        parts.append(f"［停呼名单 {step.stop_list}］")
    if step.hold:
        parts.append(f"［冻结 {step.hold}］")
    if step.go:
        parts.append(f"［到 {step.go}］")
    return "".join(parts) or "（不说话）"
