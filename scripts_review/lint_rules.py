"""The lint rules as data (configs/policies/lint_rules.yaml): what may be said to whom."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

RULES_FILE = Path("configs/policies/lint_rules.yaml")
Severity = Literal["error", "warn"]
SLOT_LENGTH = 4
"""A slot is counted as this many characters when a line's length is judged."""
_SLOT = re.compile(r"\{(\w+)\}")
_KEPT = "，。！？：；（）"
"""Full-width punctuation, which NFKC would turn into ASCII."""


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

    def found_in(self, text: str, forbidden: frozenset[str]) -> str | None:
        """What in `text` breaks the rule, or None.  `forbidden`: the slots of the rule's slot type."""
        if self.slots:
            return next((f"{{{name}}}" for name in _SLOT.findall(text) if name in forbidden), None)
        if self.max_chars:
            length = len(_SLOT.sub("x" * SLOT_LENGTH, text))
            return f"{length} characters" if length > self.max_chars else None
        words = _SLOT.sub("", text) if "{" in text else text
        found = re.search(self.pattern, words)
        if found is None or (self.unless and re.search(self.unless, words)):
            return None
        return found[0]


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

    @classmethod
    def load(cls, path: Path = RULES_FILE) -> LintRules:
        """InputError when the file is missing or a rule is malformed."""
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
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise InputError(f"these are no lint rules: {type(fault).__name__} {fault}", "", path) from None

    def broken_by(self, text: str, meta: Meta) -> list[tuple[LineRule, str]]:
        """The rules that a line breaks, each with what was found."""
        said = normalised(text)
        broken = []
        for rule in self.lines:
            found = rule.found_in(said, self.slot_types.get(rule.slots, frozenset()))
            if found is not None and rule.applies_to(meta):
                broken.append((rule, found))
        return broken


def normalised(text: str) -> str:
    """NFKC, with full-width punctuation kept."""
    return "".join(char if char in _KEPT else unicodedata.normalize("NFKC", char) for char in text)
