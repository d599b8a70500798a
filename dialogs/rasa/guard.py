"""Approved phrases that decide an intent whatever the classifier says.

For the duties (stop calling, a human, a complaint, self-harm, somebody else on the line), where a wrong
intent would break a rule.  A phrase matches by its characters or by its toneless sound.
"""

from __future__ import annotations

import re

from pypinyin import lazy_pinyin
from rasa.engine.graph import GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message

GAP = 4
"""The most syllables that `*` in a phrase stands for."""


def by_characters(phrase: str) -> str:
    """The phrase as a pattern over characters."""
    return f".{{0,{GAP}}}".join(re.escape(part) for part in phrase.split("*"))


def by_sound(phrase: str) -> str:
    """The phrase as a pattern over syllables, each with a space before and after."""
    parts = [
        "".join(f"{re.escape(syllable)} " for syllable in lazy_pinyin(part)) for part in phrase.split("*")
    ]
    return " " + rf"(?:\S+ ){{0,{GAP}}}".join(parts)


def sound_of(text: str) -> str:
    """` syllable syllable … `"""
    return f" {' '.join(lazy_pinyin(text))} "


class Phrases:
    """Several phrases as one pair of patterns."""

    def __init__(self, phrases: list[str]) -> None:
        self._characters = re.compile("|".join(map(by_characters, phrases))) if phrases else None
        self._sound = re.compile("|".join(map(by_sound, phrases))) if phrases else None

    def found_in(self, text: str, sound: str) -> bool:
        """True when one of the phrases was said."""
        if self._characters is None or self._sound is None:
            return False
        return bool(self._characters.search(text) or self._sound.search(sound))


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class IntentGuard(GraphComponent):
    """The first guard whose phrase was said, and none of its exceptions, wins with confidence 1."""

    @staticmethod
    def get_default_config() -> dict:
        return {"guards": [], "unsure_below": 0.3}

    def __init__(self, config: dict) -> None:
        self._unsure_below = float(config["unsure_below"])
        self._guards = [
            (
                guard["intent"],
                Phrases(guard["phrases"]),
                Phrases(guard.get("unless", [])),
                set(guard.get("over", [])),
            )
            for guard in config["guards"]
        ]

    @classmethod
    def create(cls, config, model_storage, resource, execution_context) -> IntentGuard:
        return cls(config)

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            if text := message.get(TEXT):
                self._decide(message, text)
        return messages

    def _decide(self, message: Message, text: str) -> None:
        best = message.get(INTENT) or {"name": None, "confidence": 0.0}
        sound = sound_of(text)
        for intent, phrases, exceptions, over in self._guards:
            overrules = not over or best["name"] in over or best["confidence"] < self._unsure_below
            if best["name"] != intent and not overrules:
                continue
            if phrases.found_in(text, sound) and not exceptions.found_in(text, sound):
                others = [one for one in message.get(INTENT_RANKING_KEY) or [] if one["name"] != intent]
                won = {"name": intent, "confidence": 1.0}
                message.set(INTENT, won, add_to_output=True)
                message.set(
                    INTENT_RANKING_KEY,
                    [won, *({**one, "confidence": 0.0} for one in others)],
                    add_to_output=True,
                )
                return
