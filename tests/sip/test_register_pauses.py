"""How long a registration waits before it tries again."""

from __future__ import annotations

from sip.registering import Answer, Registering
from sip.trunk import Trunk


def test_pauses_grow_up_to_twenty_seconds() -> None:
    keeper = Registering(Trunk(name="t", gateways=("h:1",)), None, lambda _: None)  # type: ignore[arg-type]
    silent = Answer(1, 0, "no answer")
    pauses = [keeper._retry_after(silent, failures) for failures in range(1, 12)]
    assert 0.8 <= pauses[0] <= 1.2 and all(pause <= 24 for pause in pauses) and pauses[-1] >= 16
    assert keeper._retry_after(Answer(1, 403, "Forbidden"), 1) == 60
    assert keeper._retry_after(Answer(1, 503, "Busy", retry_after_s=7), 1) == 7
