"""When a line takes back what it names: 我们不会上门 threatens nobody, 不是不上门 does.

The words stand in configs/policies/lint_wording.yaml under `negation`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scripts_review.plain_line import STOPS, sentence_around


class Negation:
    """Raises KeyError, TypeError or re.error for a malformed mapping; the caller names the file."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._reach = int(data["reach"])
        self._before = _pattern(data["before"])
        self._inside = _pattern(data["inside"])
        self._cancelled = _pattern(data["cancelled"])
        self._hedges = _pattern(data["hedges"])
        self._after = _pattern(data["after"])
        self._promise = _pattern(data["promise"])
        self._rules = frozenset(data["rules"])
        self._after_rules = frozenset(data["after_rules"])
        self._disclaims = _pattern(data["disclaims"])
        self._disclaimed_rules = frozenset(data["disclaimed_rules"])
        self._warns = _pattern(data["warns"])
        self._ourselves = _pattern(data["ourselves"])
        self._hedged = frozenset(data["hedged"])

    def denied(self, text: str, start: int) -> bool:
        """Whether a denial stands before `start` in its clause."""
        return bool(self._before.search(_clause_before(text, start)))

    def takes_back(self, rule: str, text: str, start: int, end: int) -> bool:
        """Whether the clause around `start`..`end` of a plain line says that it is not so, as far as the rule
        lets itself be taken back at all."""
        clause = _clause_before(text, start)
        rest = text[end:]
        sentence = sentence_around(text, start, end)
        of_ourselves = bool(self._ourselves.search(clause + text[start:end]))
        if self._warns.search(sentence) and not of_ourselves:
            return rule in self._after_rules or rule in self._rules or rule == "FALSE_PROMISE"
        if rule == "FALSE_PROMISE":
            return bool(self._promise.search(sentence))
        if rule in self._disclaimed_rules and self._disclaims.search(sentence) and not of_ourselves:
            return True
        if rule in self._after_rules and self._after.search(rest):
            return True
        if self._cancelled.search(clause):
            return False
        if rule in self._after_rules and self._inside.search(text[start:end]):
            return True
        if rule not in self._rules or (rule in self._hedged and self._hedges.search(clause)):
            return False
        # a negation may run into the match: 不(联系您的家人)
        return any(
            one.start() < len(clause) and len(clause) - one.end() <= self._reach
            for one in self._before.finditer(clause + text[start:end])
        )


def _clause_before(text: str, start: int) -> str:
    return text[max(text.rfind(stop, 0, start) for stop in STOPS) + 1 : start]


def _pattern(words: str) -> re.Pattern[str]:
    """A pattern that the file breaks over lines."""
    return re.compile(re.sub(r"\s+", "", words))
