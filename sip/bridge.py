"""Legs that hear each other: on the conference bridge of the process, without a media server."""

from __future__ import annotations

from sip.leg import Leg


async def hear(source: Leg, listener: Leg, on: bool = True) -> None:
    """`listener` hears `source` (one way), or no longer.  Nothing happens when either has ended.

    May be asked before audio flows: the link is made when both legs have it, and again after every
    re-INVITE.
    """
    await listener.ask("hear_from", source.id, on)


async def join(a: Leg, b: Leg) -> None:
    """Both hear each other."""
    await hear(a, b)
    await hear(b, a)


async def part(a: Leg, b: Leg) -> None:
    """Neither hears the other any more; their other links stay."""
    await hear(a, b, on=False)
    await hear(b, a, on=False)
