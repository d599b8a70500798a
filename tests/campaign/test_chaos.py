"""Processes are killed, the store dies and comes back, campaigns are paused, numbers are stopped; the books
agree all the same.  The short form of `make soak`."""

from __future__ import annotations

import pytest

from tests.soak.chaos import SHORT, TIGHT, chaos

ATTEMPTS = 400
MOST_S = 150.0


@pytest.mark.parametrize(
    ("store", "restarts"), [("sqlite", "owners killed"), ("postgresql", "databases restarted")]
)
def test_whatever_dies_the_dial_log_and_the_ledger_agree(store: str, restarts: str) -> None:
    faults, counts = chaos(store, ATTEMPTS, seed=11, pace=SHORT, limit_s=MOST_S, caps=TIGHT)
    assert faults == []
    assert counts["processes killed"] >= 1
    assert counts[restarts] >= 1
    assert counts["pauses"] >= 1
    assert counts["numbers stopped"] >= 1
    assert counts["dials"] >= ATTEMPTS
    assert counts["  for FREQ_CONNECTED"] + counts["  for FREQ_ATTEMPTS"] >= 1
