"""Topics that take a senior reviewer: law, credit records, fees (configs/policies/senior_topics.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dialogs.track import Track
from voicebot.yaml_document import YamlDocument

TOPICS_FILE = Path("configs/policies/senior_topics.yaml")


class SeniorTopics:
    """`words`: topic → words that show it."""

    def __init__(self, words: Mapping[str, tuple[str, ...]]) -> None:
        self._words = words

    @classmethod
    def load(cls, path: Path = TOPICS_FILE) -> SeniorTopics:
        """InputError when the file is missing or is not topics with words."""
        document = YamlDocument.read(path)
        if not isinstance(document.data, dict) or not document.data:
            raise document.error("the file must hold topics with their words")
        for topic, words in document.data.items():
            if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
                raise document.error("a topic holds a list of words", (str(topic),))
        return cls({str(topic): tuple(words) for topic, words in document.data.items()})

    def of(self, track: Track) -> dict[str, tuple[str, ...]]:
        """Topic → the lines that touch it, for every topic that the track touches."""
        found: dict[str, tuple[str, ...]] = {}
        for topic, words in self._words.items():
            lines = tuple(
                line.id for line in track.lines.values() if any(word in line.text for word in words)
            )
            if lines:
                found[topic] = lines
        return found
