"""Whether a rendering can be what its text says: engines swallow clauses, loop, stall and clip."""

from __future__ import annotations

import numpy as np

from voicebot.speech.audio import SAMPLE_RATE, Samples
from voicebot.speech.tts.clauses import spoken_length

LEAST_S_A_CHARACTER, LEAST_S = 0.05, 0.1
"""Nobody speaks faster than 20 syllables a second: some of the text was swallowed."""
MOST_S_A_CHARACTER, MOST_S = 0.75, 1.5
"""Slower than this it repeats itself, or drones."""
CLIPPED = 0.002
"""Share of samples at full scale; speech that was recorded or rendered well has none."""
LONGEST_HOLE_S = 1.2
"""A pause in a clause that no listener would take for one."""
_BLOCK_S = 0.02
_SILENT = 10 ** (-50 / 20)


def fault_of(raw: Samples, prompt: Samples, text: str) -> str:
    """What is wrong with it, or "".  `raw` is the engine's own audio, `prompt` the trimmed 8 kHz of it."""
    if not np.isfinite(raw).all():
        return "it holds broken samples"
    if prompt.size == 0:
        return "it is silent"
    seconds, characters = prompt.size / SAMPLE_RATE, spoken_length(text)
    hanzi = sum("\u4e00" <= character <= "\u9fff" for character in text)
    if seconds < max(LEAST_S, hanzi * LEAST_S_A_CHARACTER):  # of words in letters nobody knows the syllables
        return "it is too short for its text"
    if seconds > MOST_S + characters * MOST_S_A_CHARACTER:
        return "it is too long for its text"
    if float((np.abs(raw) >= 0.999).mean()) > CLIPPED:
        return "it is clipped"
    if _longest_hole_s(prompt) > LONGEST_HOLE_S:
        return "it has a hole"
    return ""


def _longest_hole_s(prompt: Samples) -> float:
    block = int(_BLOCK_S * SAMPLE_RATE)
    blocks = prompt[: prompt.size // block * block].reshape(-1, block)
    longest = run = 0
    for loud in (np.abs(blocks).max(axis=1) > _SILENT).tolist():
        run = 0 if loud else run + 1
        longest = max(longest, run)
    return longest * _BLOCK_S
