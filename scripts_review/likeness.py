"""What a line reads like: lines that reviewers refused, or lines that stand close to them and are fine.

A linear model over strings of one or two characters of the plain line and marks of what it speaks of (family,
work, a denial before them), fitted to the lines of
configs/policies/lint_lines.yaml by regularised least squares: one small system of equations, the same result
on every machine.  It knows a tone, not a meaning; a line that is fine and reads badly is added to the
`good` ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

LONGEST = 2
"""Characters of the longest strings that are counted."""
SMOOTHING = 0.3
"""Weight of the regularisation; figures on lines kept apart hardly move between 0.1 and 3."""
LINES_FILE = Path("configs/policies/lint_lines.yaml")
ONLY_TO_OTHERS = "DEBT_WORD"
"""The rule of lines that are wrong only because somebody else hears them."""

Vector = NDArray[np.float64]
Marks = Callable[[str], Iterable[str]]
"""Of a plain text: names of what it speaks of, none of them longer strings of its own."""


@dataclass(frozen=True)
class Example:
    """A line of the file: `text` plain; `rule`: what a refused one breaks, empty for a good one."""

    text: str
    written: str
    rule: str


class Likeness:
    """Fitted to examples of both kinds."""

    def __init__(self, examples: Sequence[Example], marks: Marks) -> None:
        """`marks`: what else to count in a text.  ValueError without examples of both kinds."""
        self._marks = marks
        self._refused = [example for example in examples if example.rule]
        if not self._refused or len(self._refused) == len(examples):
            raise ValueError("lines of both kinds are needed")
        counts = [self._counted(example.text) for example in examples]
        seen = Counter(string for one in counts for string in one)
        self._column = {string: column for column, string in enumerate(sorted(seen))}
        self._rarity = np.array([1 + math.log((1 + len(counts)) / (1 + seen[s])) for s in self._column])
        rows = np.stack([self._vector(one) for one in counts])
        refused = np.array([bool(example.rule) for example in examples])
        share = np.where(refused, refused.mean(), 1 - refused.mean())
        weights = np.linalg.solve(
            rows @ rows.T + 1 + SMOOTHING * np.diag(2 * share), np.where(refused, 1.0, -1.0)
        )
        self._slope, self._offset = rows.T @ weights, float(weights.sum())
        self._refused_rows = rows[refused]

    def score(self, text: str) -> float:
        """Above 0: rather like refused lines, up to about 1; below: rather like good ones."""
        return float(self._vector(self._counted(text)) @ self._slope + self._offset)

    def nearest(self, text: str) -> str:
        """The refused example that shares most with the line, and its rule."""
        alike = self._refused_rows @ (self._vector(self._counted(text)) * np.abs(self._slope))
        example = self._refused[int(np.argmax(alike))]
        return f"{example.written} {example.rule}"

    def _counted(self, text: str) -> Counter[str]:
        whole = f"^{text}$"
        strings = Counter(
            whole[start : start + length]
            for length in range(1, LONGEST + 1)
            for start in range(len(whole) - length + 1)
        )
        strings.update(self._marks(text))
        return strings

    def _vector(self, strings: Counter[str]) -> Vector:
        vector = np.zeros(len(self._column))
        for string, count in strings.items():
            if (column := self._column.get(string)) is not None:
                vector[column] = (1 + math.log(count)) * self._rarity[column]
        length = float(np.linalg.norm(vector))
        return vector / length if length else vector


@dataclass(frozen=True)
class Likenesses:
    """What is refused to the debtor who passed the identity check, and what to anybody else."""

    debtor: Likeness
    others: Likeness

    @classmethod
    def load(cls, plain: Callable[[str], str], marks: Marks, path: Path = LINES_FILE) -> Likenesses:
        """`plain`: the text of a line as it is heard.  InputError when the file is missing or malformed."""
        document = YamlDocument.read(path)
        try:
            refused = [
                Example(plain(line["text"]), line["text"], line["rule"]) for line in document.data["evasive"]
            ]
            good = [Example(plain(line["text"]), line["text"], "") for line in document.data["good"]]
            heard = [line.get("listener", "debtor") for line in document.data["good"]]
            return cls(
                Likeness([*(one for one in refused if one.rule != ONLY_TO_OTHERS), *good], marks),
                Likeness(
                    [*refused, *(one for one, by in zip(good, heard, strict=True) if by != "debtor")], marks
                ),
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise InputError(f"these are no lines: {type(fault).__name__} {fault}", "", path) from None
