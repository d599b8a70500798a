"""Which engine a model is made for: its components, as they are on this machine.

A model built with other components is not served, for it would fail in the middle of a call: it is built
again first.  Imported by both environments.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

FOLDER = Path(__file__).with_name("rasa")
COMPONENTS = (
    "pinyin.py",
    "homophones.py",
    "meaning.py",
    "neighbours.py",
    "intents.py",
    "background.txt",
    "guard.py",
    "stage_rules.py",
    "call_state.py",
)


@functools.cache
def engine() -> str:
    """Hex digest of what a model is made with, and of the steps that it decides."""
    hashed = hashlib.sha256()
    for name in COMPONENTS:
        hashed.update((FOLDER / name).read_bytes())
    return hashed.hexdigest()
