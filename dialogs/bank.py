"""The utterance bank: what people say, by intent.  `intent: [texts]`, in one or more YAML files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dialogs.wording import spoken
from dialogs.yaml_lines import YamlFile

FEWEST = 8
"""Below this many utterances an intent cannot be told from its neighbours."""


@dataclass(frozen=True)
class Bank:
    """`intents`: id → utterances without punctuation, in file order, each once."""

    intents: dict[str, tuple[str, ...]]
    files: tuple[YamlFile, ...]

    @classmethod
    def load(cls, paths: Sequence[Path]) -> Bank:
        """TrackError when an intent is thin, or one utterance stands under two intents."""
        files = [YamlFile(path) for path in dict.fromkeys(paths)]
        intents: dict[str, list[str]] = {}
        owner: dict[str, str] = {}
        for file in files:
            for intent, texts in file.data.items():
                if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                    raise file.error("an intent holds a list of texts", (intent,), "Quote numbers.")
                for at, text in enumerate(texts):
                    said = spoken(text)
                    if not said:
                        raise file.error("nothing is said here", (intent, at))
                    if owner.setdefault(said, intent) != intent:
                        raise file.error(
                            f"{text!r} also stands under {owner[said]}",
                            (intent, at),
                            "Keep it in one intent.",
                        )
                    known = intents.setdefault(intent, [])
                    if said not in known:
                        known.append(said)
        for file in files:
            for intent in file.data:
                if len(intents[intent]) < FEWEST:
                    raise file.error(f"fewer than {FEWEST} utterances", (intent,), "Write more.")
        return cls({intent: tuple(texts) for intent, texts in intents.items()}, tuple(files))
