"""Logistic regression with a settable C: Rasa's own drops it, and its confidences stay low."""

from __future__ import annotations

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.classifiers.logistic_regression_classifier import LogisticRegressionClassifier


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class LogisticClassifier(LogisticRegressionClassifier):
    """`C` is the inverse strength of the regularisation."""

    @staticmethod
    def get_default_config() -> dict:
        return {**LogisticRegressionClassifier.get_default_config(), "C": 10.0, "ranking_length": 0}

    def __init__(self, config, name, model_storage, resource) -> None:
        super().__init__(config, name, model_storage, resource)
        self.clf.C = float(self.config["C"])
