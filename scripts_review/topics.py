"""Topics that take a senior reviewer: law, credit records, fees (configs/policies/senior_topics.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dialogs.track import Track
from scripts_review.wording import Wording
from voicebot.yaml_document import YamlDocument

TOPICS_FILE = Path("configs/policies/senior_topics.yaml")


class Topic(BaseModel):
    """`words` show it, and so do the phrases of the lint's `rules`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    rules: list[str] = Field(default_factory=list)


class SeniorTopics:
    """Finds topics in lines as they are heard, so that no spelling slips past the senior reviewer."""

    def __init__(self, topics: Mapping[str, Topic], wording: Wording) -> None:
        self._topics, self._wording = topics, wording

    @classmethod
    def load(cls, path: Path = TOPICS_FILE) -> SeniorTopics:
        """InputError when the file is missing or is not topics with words."""
        document = YamlDocument.read(path)
        if not isinstance(document.data, dict) or not document.data:
            raise document.error("the file must hold topics with their words")
        wording, topics = Wording.load(), {}
        for name, topic in document.data.items():
            try:
                topics[str(name)] = Topic.model_validate(topic)
            except ValidationError as fault:
                first = fault.errors()[0]
                where = (str(name), *first["loc"])
                raise document.error(f"a topic holds words, and rules: {first['msg']}", where) from None
            if unknown := set(topics[str(name)].rules) - set(wording.phrases):
                raise document.error(f"no phrases of a rule {min(unknown)}", (str(name), "rules"))
        return cls(topics, wording)

    def of(self, track: Track) -> dict[str, tuple[str, ...]]:
        """Topic → the lines that touch it, for every topic that the track touches."""
        found: dict[str, tuple[str, ...]] = {}
        for name, topic in self._topics.items():
            lines = tuple(line.id for line in track.lines.values() if self._touches(topic, line.text))
            if lines:
                found[name] = lines
        return found

    def _touches(self, topic: Topic, text: str) -> bool:
        """Also when the line denies it: what is said of the topic must be true either way."""
        heard = self._wording.plainer.read(text).text
        phrases = (phrase for rule in topic.rules for phrase in self._wording.phrases.get(rule, ()))
        return any(word in heard for word in topic.words) or any(phrase.search(heard) for phrase in phrases)
