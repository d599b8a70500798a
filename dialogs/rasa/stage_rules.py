"""RulePolicy for compiled tracks: hundreds of rules, each of one turn, with conditions that never overlap."""

from __future__ import annotations

import functools
import json

from rasa.core.policies.rule_policy import RulePolicy
from rasa.engine.recipes.default_recipe import DefaultV1Recipe


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=True)
class StageRules(RulePolicy):
    """Keeps every rule parsed: the base class keeps 1,000 and parses the others again at each turn."""

    @staticmethod
    @functools.cache
    def _rule_key_to_state(rule_key: str) -> list:
        return json.loads(rule_key)
