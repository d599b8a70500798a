"""How a line is cut into clauses that are rendered once and joined for each call.

Clauses without slots are shared by all calls, clauses with case slots are rendered per case before dialling,
and run-time slots stand alone, so that each of their values is rendered once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MIN_CHARACTERS = 2
"""A shorter static clause cannot be rendered well: it joins its neighbour."""

_CLAUSE = re.compile(r"[^，。！？；：,!?;]*[，。！？；：,!?;]+|[^，。！？；：,!?;]+$")
_SLOT = re.compile(r"\{(\w+)\}")
_SENTENCE_END = "。！？!?"


def slots_in(text: str) -> tuple[str, ...]:
    """Names of the slots of a template, in order."""
    return tuple(_SLOT.findall(text))


def spoken(text: str) -> str:
    """The characters that are spoken: no punctuation, no blanks."""
    return re.sub(r"[^\w{}]", "", text)


def spoken_length(text: str) -> int:
    """How many characters are spoken."""
    return len(spoken(text))


def split(template: str, runtime: frozenset[str]) -> tuple[str, ...]:
    """Parts of a line template, in order; joined they are the template.

    Each run-time slot is a part "{name}" of its own.  Other parts either have no slot (shared between calls;
    the clauses of one sentence stay together) or hold a clause with case slots.
    """
    parts: list[str] = []
    for clause in _CLAUSE.findall(template.strip()):
        for piece in _pieces(clause, runtime):
            _append(parts, piece, runtime)
    return tuple(parts)


def _pieces(clause: str, runtime: frozenset[str]) -> Iterable[str]:
    """Cuts a clause at its run-time slots."""
    start = 0
    for match in _SLOT.finditer(clause):
        if match[1] in runtime:
            if clause[start : match.start()]:
                yield clause[start : match.start()]
            yield match[0]
            start = match.end()
    if clause[start:]:
        yield clause[start:]


def _append(parts: list[str], piece: str, runtime: frozenset[str]) -> None:
    if not parts or _alone(piece, runtime) or _alone(parts[-1], runtime):
        if parts and spoken_length(piece) == 0 and not _alone(parts[-1], runtime):
            parts[-1] += piece
            return
        parts.append(piece)
        return
    last = parts[-1]
    both_static = not slots_in(last) and not slots_in(piece)
    same_sentence = last[-1] not in _SENTENCE_END
    too_short = min(spoken_length(last), spoken_length(piece)) < MIN_CHARACTERS
    if (both_static and same_sentence) or too_short:
        parts[-1] += piece
    else:
        parts.append(piece)


def _alone(part: str, runtime: frozenset[str]) -> bool:
    match = _SLOT.fullmatch(part)
    return match is not None and match[1] in runtime


def gap_after(text: str) -> float:
    """Seconds of silence between a clause and the next one, by its last punctuation mark (the clauses' own
    80 ms come on top)."""
    mark = text.rstrip()[-1:]
    if mark in "。！？!?；;":
        return 0.26
    if mark in "，,：:、":
        return 0.12
    return 0.0


def fill(part: str, values: dict[str, str]) -> str:
    """A part with the spoken forms of its slots put in.  KeyError names a slot without a value."""
    return _SLOT.sub(lambda m: values[m[1]], part)
