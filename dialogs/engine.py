"""Which engine a build is made for: the code that plans and models are made with and read by, as it is here.

What was built with other code is not served, for it would fail in the middle of a call: it is built again
first.  Imported by both environments.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent
CODE = (
    "compile.py",
    "rasa/pinyin.py",
    "rasa/homophones.py",
    "rasa/meaning.py",
    "rasa/neighbours.py",
    "rasa/intents.py",
    "rasa/background.txt",
    "rasa/guard.py",
    "rasa/stage_rules.py",
    "rasa/call_state.py",
)


@functools.cache
def engine() -> str:
    """Hex digest of that code."""
    hashed = hashlib.sha256()
    for name in CODE:
        hashed.update((FOLDER / name).read_bytes())
    return hashed.hexdigest()
