"""There is a way to every exit of every track; tests/scripts_review/test_simulate goes them all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dialogs.exits import ways
from dialogs.track import Track
from tests.dialogs.conftest import NAMES, TODAY


@pytest.mark.parametrize("name", NAMES)
def test_there_is_a_way_to_every_exit(name: str):
    """An exit without one can never happen: its reply is dead, and a reviewer would read it in vain."""
    found, missing = ways(Track.load(Path(f"dialogs/talktracks/{name}.yaml")), TODAY)
    assert not missing, [str(exit) for exit in missing]
    kinds = Counter(way.exit.step.end or way.exit.step.handoff for way in found)
    assert {"COMPLAINT", "DISPUTE", "VULNERABLE", "HUMAN", "CONTACT_REFUSED", "WRONG_PARTY"} <= set(kinds)
