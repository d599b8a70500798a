"""Fixtures of the stores, and a ledger over each of them."""

from pathlib import Path

import pytest

from tests.campaign.site import LedgerSite, build
from tests.store.stores import clock, keys, postgresql, store, store_url
from voicebot.clock import ManualClock
from voicebot.store.database import Store

__all__ = ["clock", "keys", "postgresql", "store", "store_url"]


@pytest.fixture
def site(store: Store, clock: ManualClock, tmp_path: Path) -> LedgerSite:
    return build(store, clock, tmp_path, lambda: True)
