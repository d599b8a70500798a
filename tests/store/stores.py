"""Fixtures: an empty store of each engine, keys, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.store.postgresql_server import PostgresqlServer
from voicebot.clock import ManualClock
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    with PostgresqlServer() as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    """A Monday morning."""
    return ManualClock(datetime(2026, 3, 2, 10, 15, tzinfo=SHANGHAI))


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys.json")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.url()


@pytest.fixture
def store(store_url: str, keys: KeyRing) -> Iterator[Store]:
    opened = Store.open(store_url, keys)
    yield opened
    opened.close()
