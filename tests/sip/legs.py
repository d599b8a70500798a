"""What tests ask of a leg and of the phone that has it."""

from __future__ import annotations

import asyncio

from sip.leg import Leg
from sip.softphone import Softphone


def kinds(leg: Leg) -> list[str]:
    """The kinds of the events that wait; takes them."""
    return [leg.events.get_nowait().kind for _ in range(leg.events.qsize())]


async def slots_are_free(phone: Softphone) -> None:
    for _ in range(100):
        if not phone.slots_in_use():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("a call slot is not given back")
