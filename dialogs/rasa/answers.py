"""What a built track makes of texts: `python -m dialogs.rasa.answers FOLDER QUESTIONS ANSWERS`, JSON files.

Questions: {"texts": [...], "stage": "matter" or null, "doors": [...]}
Answers:   {"heard": [{"ranking": [[intent, weight], …], "understood": intent}, …],
            "doors": {stage: [[intent, level after the turn], …]}, "ms": CPU of one understanding}

`heard` is the reading of each of `texts`; `doors` the whole turn with each of `doors`, in a new call at every
stage in which nobody is verified yet.  The brain and the rules are those of a call.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from dialogs.rasa.brain import Brain
from dialogs.rasa.call_state import CallState
from dialogs.rasa.turn import turn

ANY_DAY = date(2026, 3, 2)
SHOWN = 3


async def answers(brain: Brain, asked: dict[str, Any]) -> dict[str, Any]:
    """KeyError for a stage that the track does not have."""
    heard: list[dict[str, Any]] = []
    began = time.process_time()
    for text in asked["texts"]:
        ranking = await brain.ranking(text, asked["stage"])
        shown = [[name, round(weight, 4)] for name, _, weight in ranking[:SHOWN]]
        heard.append({"ranking": shown, "understood": brain.chosen(ranking)[0]})
    spent = time.process_time() - began
    doors: dict[str, list[tuple[str, int]]] = {}
    for name in shut(brain) if asked["doors"] else ():
        doors[name] = [await _at_the_door(brain, name, text) for text in asked["doors"]]
    return {"heard": heard, "doors": doors, "ms": round(spent / max(1, len(heard)) * 1000, 2)}


def shut(brain: Brain) -> list[str]:
    """The stages in which somebody was asked something and nobody is verified."""
    return [name for name, stage in brain.plan["stages"].items() if stage.get("level") == 0 and stage["ask"]]


async def _at_the_door(brain: Brain, stage: str, text: str) -> tuple[str, int]:
    state = CallState(plan=brain.plan, flags={}, today=ANY_DAY, stage=stage)
    reply = await turn(brain, state, {"kind": "speech", "text": text})
    return reply["intent"], reply["level"]


def main(folder: Path, questions: Path, out: Path) -> None:
    """Reads the questions, writes the answers."""
    found = asyncio.run(answers(Brain(folder), json.loads(questions.read_text(encoding="utf-8"))))
    out.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
