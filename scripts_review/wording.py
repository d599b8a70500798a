"""What the lint reads behind the letters of a line (configs/policies/lint_wording.yaml)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from scripts_review.homophones import straddles
from scripts_review.likeness import Likeness
from scripts_review.negation import Negation
from scripts_review.plain_line import Plainer, PlainLine, sentence_around
from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

WORDING_FILE = Path("configs/policies/lint_wording.yaml")
READS_WELL = -0.4
"""Likeness below which a sentence is good: 2 in 100 refused lines are there, 70 in 100 good ones."""
_NAME = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Wording:
    """`plainer` brings a line to plain spelling; `phrases`: rule → its further patterns on the plain line;
    `groups`: the words that phrases and likeness take for one."""

    plainer: Plainer
    phrases: dict[str, tuple[re.Pattern[str], ...]]
    groups: dict[str, re.Pattern[str]]
    negation: Negation

    def found(self, rule: str, pattern: str, line: PlainLine, tone: Likeness) -> str | None:
        """What in the line matches the rule's own pattern or one of its phrases, and is not taken back.

        Phrases are broad: they are not believed in a sentence that reads well.
        """
        for match in re.finditer(pattern, line.text) if pattern else ():
            if self._stands(rule, line.text, *match.span()):
                return line.quote(*match.span())
        for phrase in self.phrases.get(rule, ()):
            for match in phrase.finditer(line.text):
                sentence = sentence_around(line.text, *match.span())
                if self._stands(rule, line.text, *match.span()) and tone.score(sentence) > READS_WELL:
                    return line.quote(*match.span())
        return None

    def marks(self, text: str) -> Iterator[str]:
        """The groups that a plain text speaks of, and whether it denies what it says of them."""
        for name, group in self.groups.items():
            if match := group.search(text):
                yield f"<{name}>"
                yield f"<{name}-denied>" if self.negation.denied(text, match.start()) else f"<{name}-said>"

    def _stands(self, rule: str, text: str, start: int, end: int) -> bool:
        if start == end or straddles(text, start, end):
            return False
        return not self.negation.takes_back(rule, text, start, end)

    @classmethod
    @lru_cache(maxsize=4)
    def load(cls, path: Path = WORDING_FILE) -> Wording:
        """InputError when the file is missing or malformed."""
        document = YamlDocument.read(path)
        data = document.data
        try:
            words = {name: "(?:" + "|".join(group) + ")" for name, group in data["words"].items()}
            return cls(
                Plainer(data["spellings"], data["sounds"]),
                {
                    rule: tuple(
                        re.compile(_NAME.sub(lambda name: words[name[1]], pattern)) for pattern in patterns
                    )
                    for rule, patterns in data["phrases"].items()
                },
                {name: re.compile(group) for name, group in words.items()},
                Negation(data["negation"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, re.error) as fault:
            raise InputError(
                f"this is no wording of the lint: {type(fault).__name__} {fault}", "", path
            ) from None
