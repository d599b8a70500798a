"""The examples that mean nearly the same as what was said, and what they are examples of.

A linear classifier draws one border an intent; an intent that is many small clusters of meaning (他在开会,
手机落家里了) is better seen by those of its examples that lie near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAREST = 30
SHARPNESS = 20.0
"""How much more a near example counts than one that is farther: the factor of the cosine in the exponent."""
FLOOR = 0.01
"""The share of the votes below which an intent loses nothing more."""
AT_ONCE = 512


@dataclass
class Neighbours:
    """`examples`: (examples, 384), centred and of length 1; `owners`: the number of each one's intent."""

    examples: np.ndarray
    owners: np.ndarray
    intents: int

    @classmethod
    def fitted(cls, meanings: np.ndarray, centre: np.ndarray, owners: np.ndarray) -> Neighbours:
        """`owners` counts from 0."""
        return cls(_directions(meanings, centre), owners, int(owners.max()) + 1)

    def votes(self, meanings: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """(texts, intents): the logarithm of each intent's share among the nearest examples."""
        found = np.zeros((len(meanings), self.intents))
        nearest = min(NEAREST, len(self.owners))
        for start in range(0, len(meanings), AT_ONCE):
            alike = _directions(meanings[start : start + AT_ONCE], centre) @ self.examples.T
            best = np.argpartition(-alike, nearest - 1, axis=1)[:, :nearest]
            for at, those in enumerate(best):
                weights = np.exp(SHARPNESS * alike[at, those])
                np.add.at(found[start + at], self.owners[those], weights / weights.sum())
        return np.log(found + FLOOR)


def _directions(meanings: np.ndarray, centre: np.ndarray) -> np.ndarray:
    moved = meanings - centre
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return (moved / np.maximum(lengths, 1e-6)).astype(np.float32)
