"""The lint rules as data (configs/policies/lint_rules.yaml): what may be said to whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from scripts_review.homophones import straddles
from scripts_review.plain_line import SLOT, PlainLine
from scripts_review.wording import Wording
from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

RULES_FILE = Path("configs/policies/lint_rules.yaml")
Severity = Literal["error", "warn"]
SLOT_LENGTH = 4
"""A slot is counted as this many characters when a line's length is judged."""
_SENTENCE_ENDS = "。！？；"


@dataclass(frozen=True)
class Meta:
    """Who says the line to whom, at which level, and what the ledger vouches for."""

    actor: str = "bot"
    listener: str = "unknown"
    verified: int = 0
    flags: frozenset[str] = frozenset()


class LineRule(BaseModel):
    """One rule on a single line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    severity: Severity
    applies: str = ""
    slots: str = ""
    pattern: str = ""
    unless: str = ""
    max_chars: int = 0
    why: str = ""

    def applies_to(self, meta: Meta) -> bool:
        """The three conditions that the rule file uses; InputError for any other."""
        if not self.applies:
            return True
        if self.applies == "not (listener=debtor and verified>=2)":
            return not (meta.listener == "debtor" and meta.verified >= 2)
        if self.applies == "actor=bot":
            return meta.actor == "bot"
        if flag := re.fullmatch(r"flag (\w+) missing", self.applies):
            return flag[1] not in meta.flags
        raise InputError(f"unknown condition {self.applies!r}", "", RULES_FILE, key=self.id)

    def found_in(self, line: PlainLine, wording: Wording, forbidden: frozenset[str]) -> str | None:
        """What in the line breaks the rule, or None.  `forbidden`: the slots of the rule's slot type."""
        if self.slots:
            return next((f"{{{name}}}" for name in SLOT.findall(line.written) if name in forbidden), None)
        if self.max_chars:
            length = len(SLOT.sub("x" * SLOT_LENGTH, line.written))
            return f"{length} characters" if length > self.max_chars else None
        for pattern in (re.compile(self.pattern), *wording.phrases.get(self.id, ())):
            for match in pattern.finditer(line.text):
                if not self._excused(line.text, match, wording):
                    return line.quote(*match.span())
        return None

    def _excused(self, text: str, match: re.Match[str], wording: Wording) -> bool:
        """Words that run into others (一起|诉说), a negation, or the rule's own exception in the sentence."""
        if not match[0]:
            return True
        if self.unless:
            start = max(text.rfind(stop, 0, match.start()) for stop in _SENTENCE_ENDS) + 1
            ends = [place for stop in _SENTENCE_ENDS if (place := text.find(stop, match.end())) >= 0]
            if re.search(self.unless, text[start : min(ends, default=len(text))]):
                return True
        return wording.negation.takes_back(self.id, text, *match.span()) or straddles(text, *match.span())


@dataclass(frozen=True)
class LintRules:
    """All rules of one version."""

    version: int
    lines: tuple[LineRule, ...]
    slot_types: dict[str, frozenset[str]]
    track: dict[str, str]
    "Rules on whole tracks: id → what it asks for."
    severities: dict[str, Severity]
    examples: dict[str, list[dict[str, Any]]]
    wording: Wording

    @classmethod
    def load(cls, path: Path = RULES_FILE) -> LintRules:
        """With the site's wording lists.  InputError when a file is missing or malformed."""
        document = YamlDocument.read(path)
        data = document.data
        try:
            return cls(
                version=int(data["schema_version"]),
                lines=tuple(LineRule.model_validate(rule) for rule in data["line_rules"]),
                slot_types={name: frozenset(slots) for name, slots in data["slot_types"].items()},
                track={rule["id"]: rule["rule"] for rule in data["track_rules"]},
                severities={rule["id"]: rule.get("severity", "error") for rule in data["track_rules"]},
                examples=data["examples"],
                wording=Wording.load(),
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise InputError(f"these are no lint rules: {type(fault).__name__} {fault}", "", path) from None

    def broken_by(self, text: str, meta: Meta) -> list[tuple[LineRule, str]]:
        """The rules that a line breaks, each with what was found."""
        line = self.wording.plainer.read(text)
        broken = []
        for rule in self.lines:
            if rule.applies_to(meta):
                found = rule.found_in(line, self.wording, self.slot_types.get(rule.slots, frozenset()))
                if found is not None:
                    broken.append((rule, found))
        return broken
