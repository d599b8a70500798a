"""A store that outlives its runs has one run at a time, which settles what the last one left open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.site import LedgerSite, row
from voicebot.campaign.ledger import Ledger
from voicebot.campaign.store_owner import sole_owner
from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing


def test_a_second_run_on_an_embedded_store_is_refused_in_one_line(tmp_path: Path) -> None:
    keys = KeyRing.create(tmp_path / "keys.json")
    first, second = (Store.open(f"sqlite:///{tmp_path / 'store.db'}", keys) for _ in range(2))
    with sole_owner(first) as alone:
        assert alone
        with pytest.raises(InputError, match="another run works on this store"), sole_owner(second):
            pass
    with sole_owner(second) as alone:
        assert alone
    first.close()
    second.close()


def test_only_a_sole_owner_settles_what_was_left_over(site: LedgerSite) -> None:
    with sole_owner(site.store) as alone:
        assert alone is not site.store.is_postgresql
    campaign = site.enrol(row(1))
    site.dial(site.claim_one(campaign))
    later = Ledger(site.store, site.gate, site.clock, recorder_ready=lambda: True)
    assert len(later.settle_left_over()) == 1
    assert site.ledger.progress(campaign).dispositions == {"UNKNOWN": 1}


def test_a_faults_text_holds_no_value(site: LedgerSite) -> None:
    with pytest.raises(Exception, match="hide_parameters") as fault, site.store.begin() as connection:
        connection.exec_driver_sql("SELECT 1 FROM nowhere WHERE a = 1", {"phone": "13800002001"})
    assert "13800002001" not in str(fault.value)
