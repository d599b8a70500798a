"""Toneless-pinyin n-grams as features: the homophone errors of a recogniser fall on the same features."""

from __future__ import annotations

from pypinyin import lazy_pinyin
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.featurizers.sparse_featurizer.count_vectors_featurizer import CountVectorsFeaturizer
from rasa.shared.nlu.constants import TEXT

_MERGED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"))
"""Pairs that many speakers and recognisers do not keep apart."""


def syllables(text: str) -> list[str]:
    """Toneless syllables of `text`, with the southern mergers."""
    found = []
    for syllable in lazy_pinyin(text):
        for said, written in _MERGED:
            syllable = syllable.replace(said, written)
        found.append(syllable)
    return found


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=True)
class PinyinFeaturizer(CountVectorsFeaturizer):
    """Counts syllable n-grams of the whole utterance."""

    @staticmethod
    def get_default_config() -> dict:
        return {
            **CountVectorsFeaturizer.get_default_config(),
            "analyzer": "word",
            "token_pattern": r"(?u)\S+",
            "min_ngram": 1,
            "max_ngram": 3,
        }

    @staticmethod
    def required_packages() -> list[str]:
        return ["sklearn", "pypinyin"]

    def _get_processed_message_tokens_by_attribute(self, message, attribute=TEXT):
        if message.get(attribute) is None:
            return []
        tokens = self._get_message_tokens_by_attribute(message, attribute)
        if attribute != TEXT:
            return tokens
        return [" ".join(syllables(token)) for token in tokens]
