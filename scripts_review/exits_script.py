"""A script with a call to every way out of a track, computed from its own rules (dialogs.exits)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import yaml

from dialogs.exits import Exit, Heard, Way, ways
from dialogs.track import Track
from scripts_review.rehearsal_script import ANY, ScriptedCall
from voicebot.speech.understanding import values_in

MOST_TEXTS = 12
"""So many of the texts of an intent stand in one place: one of them must come out as written."""
WIDTH = 110


class _Plain(yaml.SafeDumper):
    """Writes every value out, however often it comes."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def exit_calls(track: Track, today: date) -> tuple[dict[str, ScriptedCall], list[Exit]]:
    """A call to every way out, by its place in the files; and the ways out that nothing leads to."""
    found, missing = ways(track, today)
    return {_name(way.exit): _call(way, today) for way in found}, missing


def write(calls: dict[str, ScriptedCall], path: Path, title: str) -> None:
    """The script as `simulate --script` reads it."""
    plain = {name: _plain(call) for name, call in calls.items()}
    text = yaml.dump(
        plain, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=WIDTH, default_flow_style=None
    )
    path.write_text(f"# {title}\n{text}", encoding="utf-8")


def _name(exit: Exit) -> str:
    """Unique: a reply to a pattern of intents is a way out for each of them."""
    return f"{exit} after {exit.intent}"


def _call(way: Way, today: date) -> ScriptedCall:
    step = way.exit.step
    command = {
        "action": "hangup" if step.end else "handoff",
        "disposition": step.end or step.handoff,
        "stop_list": step.stop_list,
        "hold": step.hold,
    }
    if step.keeps_matter:  # what was asked for before is what the call comes to
        del command["disposition"]
    return ScriptedCall(
        flags=way.flags,
        today=today,
        said=tuple(_texts(heard, today) for heard in way.heard),
        intents=tuple(heard.intent for heard in way.heard),
        lines=(*[ANY] * (len(way.heard) - 1), "+".join(step.say)),
        command=command,
    )


def _texts(heard: Heard, today: date) -> tuple[str, ...]:
    """Texts that say no other date, time or amount than the reply asks for."""
    texts = [heard.script(choice) for choice in range(max(len(heard.texts), 1))]
    values = dict(heard.values)
    fitting = [
        text
        for text, said in zip(texts, heard.texts, strict=False)
        if not values_in(said, today).keys() - values
    ]
    return tuple((fitting or texts)[:MOST_TEXTS])


def _plain(call: ScriptedCall) -> dict[str, Any]:
    """As people write it: a single text is no list, and what is usual is left out."""
    data = call.model_dump(exclude_defaults=True)
    data["said"] = [one[0] if len(one) == 1 else list(one) for one in call.said]
    for name in ("flags", "intents", "lines"):
        if name in data:
            data[name] = list(data[name])
    return data
