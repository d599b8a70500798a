"""The lint rules as data (configs/policies/lint_rules.yaml): what may be said to whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from scripts_review.likeness import Likeness, Likenesses
from scripts_review.plain_line import SLOT, PlainLine
from scripts_review.wording import Wording
from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

RULES_FILE = Path("configs/policies/lint_rules.yaml")
Severity = Literal["error", "warn"]
SLOT_LENGTH = 4
"""A slot is counted as this many characters when a line's length is judged."""


@dataclass(frozen=True)
class Meta:
    """Who says the line to whom, at which level, and what the ledger vouches for."""

    actor: str = "bot"
    listener: str = "unknown"
    verified: int = 0
    flags: frozenset[str] = frozenset()

    @property
    def knows_the_debt(self) -> bool:
        """The debtor after the identity check."""
        return self.listener == "debtor" and self.verified >= 2


class LineRule(BaseModel):
    """One rule on a single line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    severity: Severity
    applies: str = ""
    slots: str = ""
    pattern: str = ""
    max_chars: int = 0
    likeness: float = 0
    "How much a sentence must read like refused ones; only in lines that break no other rule."
    why: str = ""
    mend: str = ""

    def applies_to(self, meta: Meta) -> bool:
        """The three conditions that the rule file uses; InputError for any other."""
        if not self.applies:
            return True
        if self.applies == "not (listener=debtor and verified>=2)":
            return not meta.knows_the_debt
        if self.applies == "actor=bot":
            return meta.actor == "bot"
        if flag := re.fullmatch(r"flag (\w+) missing", self.applies):
            return flag[1] not in meta.flags
        raise InputError(f"unknown condition {self.applies!r}", "", RULES_FILE, key=self.id)

    def found_in(
        self, line: PlainLine, wording: Wording, tone: Likeness, forbidden: frozenset[str]
    ) -> str | None:
        """What in the line breaks the rule, or None.

        `tone`: how lines read that are refused to this listener.  `forbidden`: the rule's slots.
        """
        if self.slots:
            return next((f"{{{name}}}" for name in SLOT.findall(line.written) if name in forbidden), None)
        if self.max_chars:
            length = len(SLOT.sub("x" * SLOT_LENGTH, line.written))
            return f"{length} characters" if length > self.max_chars else None
        if self.likeness:
            sentence = max(line.sentences(), key=tone.score, default="")
            alike = sentence and tone.score(sentence) > self.likeness
            return f"{sentence}（读来像：{tone.nearest(sentence)}）" if alike else None
        return wording.found(self.id, self.pattern, line, tone)


class TrackRule(BaseModel):
    """What a whole track must hold to (scripts_review.track_rules)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    severity: Severity = "error"
    rule: str
    mend: str = ""
    source: str = ""


@dataclass(frozen=True)
class LintRules:
    """All rules of one version."""

    version: int
    lines: tuple[LineRule, ...]
    slot_types: dict[str, frozenset[str]]
    track: dict[str, TrackRule]
    examples: dict[str, list[dict[str, Any]]]
    wording: Wording
    likenesses: Likenesses

    @classmethod
    @lru_cache(maxsize=4)
    def load(cls, path: Path = RULES_FILE) -> LintRules:
        """With the site's wording lists.  InputError when a file is missing or malformed."""
        document = YamlDocument.read(path)
        data = document.data
        wording = Wording.load()
        likenesses = Likenesses.load(lambda text: wording.plainer.read(text).text, wording.marks)
        try:
            return cls(
                version=int(data["schema_version"]),
                lines=tuple(LineRule.model_validate(rule) for rule in data["line_rules"]),
                slot_types={name: frozenset(slots) for name, slots in data["slot_types"].items()},
                track={rule["id"]: TrackRule.model_validate(rule) for rule in data["track_rules"]},
                examples=data["examples"],
                wording=wording,
                likenesses=likenesses,
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise InputError(f"these are no lint rules: {type(fault).__name__} {fault}", "", path) from None

    def broken_by(self, text: str, meta: Meta) -> list[tuple[LineRule, str]]:
        """The rules that a line breaks, each with what was found."""
        line = self.wording.plainer.read(text)
        tone = self.likenesses.debtor if meta.knows_the_debt else self.likenesses.others
        broken: list[tuple[LineRule, str]] = []
        for rule in self.lines:
            if not rule.applies_to(meta) or (rule.likeness and broken):
                continue
            found = rule.found_in(line, self.wording, tone, self.slot_types.get(rule.slots, frozenset()))
            if found is not None:
                broken.append((rule, found))
        return broken
