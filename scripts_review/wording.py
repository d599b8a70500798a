"""What the lint reads behind the letters of a line (configs/policies/lint_wording.yaml)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from scripts_review.negation import Negation
from scripts_review.plain_line import Plainer
from voicebot.errors import InputError
from voicebot.yaml_document import YamlDocument

WORDING_FILE = Path("configs/policies/lint_wording.yaml")
_NAME = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Wording:
    """`plainer` brings a line to plain spelling; `phrases`: rule → its further patterns on the plain line."""

    plainer: Plainer
    phrases: dict[str, tuple[re.Pattern[str], ...]]
    negation: Negation

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
                Negation(data["negation"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, re.error) as fault:
            raise InputError(
                f"this is no wording of the lint: {type(fault).__name__} {fault}", "", path
            ) from None
