"""A reviewers' office on SQLite; the record itself is tested on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts_review.office import Office, open_office
from tests.store.stores import clock, keys, postgresql, store, store_url
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

__all__ = ["clock", "keys", "postgresql", "store", "store_url"]


@pytest.fixture
def office(tmp_path: Path, keys: KeyRing, clock: ManualClock) -> Iterator[Office]:
    opened = Store.open(f"sqlite:///{tmp_path / 'office.db'}", keys)
    yield open_office(opened, clock, tmp_path / "office")
    opened.close()
