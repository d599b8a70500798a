"""The speech of the simulated world, rendered before any call, in voices other than the bot's.

python -m voicebot.simulate.voices --models DIR --prompts DIR [--scenarios DIR] [--agents DIR]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from voicebot.errors import InputError
from voicebot.simulate.agent_script import AGENTS, load_agents
from voicebot.simulate.scenario import SCENARIOS, load_scenarios
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.tts.engine import RenderError

_TELL_EVERY_S = 2.0

Speech = dict[str, list[str]]
"""Texts by voice, each once."""


def speech_of(lines: Iterable[tuple[str, str]]) -> Speech:
    """(voice, text) pairs gathered by voice."""
    by_voice: Speech = {}
    for voice, text in lines:
        texts = by_voice.setdefault(voice, [])
        if text not in texts:
            texts.append(text)
    return by_voice


def needed(scenarios: Path = SCENARIOS, agents: Path = AGENTS) -> Speech:
    """All that callees and agents say.  Raises InputError for a bad file."""
    lines = [line for scenario in load_scenarios(scenarios).values() for line in scenario.speech()]
    lines += [line for agent in load_agents(agents).values() for line in agent.speech()]
    return speech_of(lines)


def missing(speech: Speech, prompts: Path) -> int:
    """How many texts are not rendered yet."""
    cache = PromptCache(prompts)
    return sum(len(cache.missing(voice, texts)) for voice, texts in speech.items())


def render(speech: Speech, models: Path, prompts: Path) -> int:
    """Renders what is missing, with its progress on stderr; gives how many texts that were.

    Raises InputError or NotReady when a voice is not installed, RenderError when an engine fails.
    """
    cache = PromptCache(prompts)
    total = missing(speech, prompts)
    if not total:
        return 0
    before, told_at = 0, 0.0

    def progress(done: int, of_this_voice: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _TELL_EVERY_S or done == of_this_voice:
            told_at = time.monotonic()
            print(f"voices of the simulated world: {before + done} of {total}", file=sys.stderr, flush=True)

    for voice, texts in speech.items():
        todo = len(cache.missing(voice, texts))
        cache.render(voice, texts, models, progress=progress)
        before += todo
    return total


def main(
    models: Annotated[Path, typer.Option(help="Folder of the installed models.")],
    prompts: Annotated[Path, typer.Option(help="Folder of the prompt cache.")],
    scenarios: Annotated[Path, typer.Option(help="Folder of the scenario files.")] = SCENARIOS,
    agents: Annotated[Path, typer.Option(help="Folder of the simulated agents' files.")] = AGENTS,
) -> None:
    """Renders everything that simulated callees and agents say; what is there already is skipped."""
    try:
        rendered = render(needed(scenarios, agents), models, prompts)
    except (InputError, RenderError) as fault:
        print(fault, file=sys.stderr)
        raise typer.Exit(2) from None
    print(f"rendered {rendered} texts" if rendered else "all voices are there", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
