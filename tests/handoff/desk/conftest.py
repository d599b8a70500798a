"""A desk with its store, and whoever works there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.handoff.desk.office import Office, agent_of
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    keys = KeyRing.create(tmp_path / "keys.json")
    opened = Store.open(f"sqlite:///{tmp_path / 'desk.db'}", keys)
    yield opened
    opened.close()


@pytest.fixture
async def office(tmp_path: Path, store: Store) -> AsyncIterator[Office]:
    agents = [
        agent_of("wang", "sip:a@127.0.0.1"),
        agent_of("li", "sip:b@127.0.0.1"),
        agent_of("zhou", "sip:c@127.0.0.1", "supervisor"),
    ]
    made = Office(tmp_path, store, agents)
    for agent in agents:
        made.employ(agent.id, agent.role)
    made.employ("lin", "operations")
    async with made:
        yield made
