"""What a worker answers when it is asked whether it is well."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from voicebot.call import worker
from voicebot.call.worker import Worker


class Stack:
    """A phone whose SIP thread answers, or stands still."""

    def __init__(self, hangs: bool) -> None:
        self._hangs = hangs

    async def beat(self) -> None:
        if self._hangs:
            await asyncio.get_running_loop().create_future()

    def slots_in_use(self) -> int:
        return 1


def working(hangs: bool) -> Worker:
    nobody: Any = None
    made = Worker("w1", nobody)
    made._phone = Stack(hangs)  # type: ignore[assignment]
    return made


async def test_a_worker_whose_stack_answers_is_well() -> None:
    health = await working(hangs=False).handle("health", {})
    assert health is not None and health["slots"] == 1 and health["calls"] == 0


async def test_a_worker_whose_sip_stack_stands_still_does_not_say_that_it_is_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its event loop alone would answer; the pool takes the fault for frozen."""
    monkeypatch.setattr(worker, "STACK_ANSWERS_WITHIN_S", 0.05)
    with pytest.raises(TimeoutError):
        await working(hangs=True).handle("health", {})
