"""A registration's own loop: how long it waits before it tries again, and that it ends when it is told to."""

from __future__ import annotations

import asyncio
from typing import Any

from sip.registering import Answer, Registering, TrunkStatus
from sip.trunk import Trunk

TRUNK = Trunk(name="t", gateways=("h:1",))


def test_pauses_grow_up_to_twenty_seconds() -> None:
    keeper = Registering(TRUNK, None, lambda _: None)  # type: ignore[arg-type]
    silent = Answer(1, 0, "no answer")
    pauses = [keeper._retry_after(silent, failures) for failures in range(1, 12)]
    assert 0.8 <= pauses[0] <= 1.2 and all(pause <= 24 for pause in pauses) and pauses[-1] >= 16
    assert keeper._retry_after(Answer(1, 403, "Forbidden"), 1) == 60
    assert keeper._retry_after(Answer(1, 503, "Busy", retry_after_s=7), 1) == 7


async def test_it_ends_though_its_answer_comes_at_the_same_moment() -> None:
    """A cancellation that meets an answer must not be lost: the loop would go on for ever."""
    asked = asyncio.Event()

    async def ask(what: str, *_: Any) -> int:
        asked.set()
        return 1

    def told(_: TrunkStatus) -> None:
        """Nobody listens."""

    keeper = Registering(TRUNK, ask, told)
    keeper.start()
    await asked.wait()
    await asyncio.sleep(0)
    keeper.answered(Answer(1, 200, "OK", expires_s=60))
    async with asyncio.timeout(3):
        await keeper.close()
