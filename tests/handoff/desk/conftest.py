"""The store of a desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    keys = KeyRing.create(tmp_path / "keys.json")
    opened = Store.open(f"sqlite:///{tmp_path / 'desk.db'}", keys)
    yield opened
    opened.close()
