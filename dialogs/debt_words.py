"""What tells of a debt: the words and slots that nobody but the verified debtor may hear.

They stand in the lint rules of the policy packs, as data; lint and compile read the same file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dialogs.yaml_lines import YamlFile

RULES_FILE = Path(__file__).resolve().parent.parent / "configs" / "policies" / "lint_rules.yaml"
RULE, SLOTS = "DEBT_WORD", "DEBT_SLOT"
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class DebtWords:
    """`pattern` finds a debt word; `slots` are the names of slots that hold debt data."""

    pattern: re.Pattern[str]
    slots: frozenset[str]

    @classmethod
    def load(cls, path: Path = RULES_FILE) -> DebtWords:
        """TrackError when the rules are missing or have no such entries."""
        file = YamlFile(path)
        try:
            words = next(rule["pattern"] for rule in file.data["line_rules"] if rule["id"] == RULE)
            return cls(re.compile(words), frozenset(file.data["slot_types"][SLOTS]))
        except (KeyError, TypeError, StopIteration, re.error):
            raise file.error(
                f"the lint rules have no {RULE} pattern or no {SLOTS} list", (), "Restore them."
            ) from None

    def found_in(self, text: str) -> str | None:
        """The first debt slot or debt word of a line's text, or None."""
        for name in _SLOT.findall(text):
            if name in self.slots:
                return f"{{{name}}}"
        found = self.pattern.search(_SLOT.sub("", text))
        return found[0] if found else None
