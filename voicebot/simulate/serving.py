"""The life of a simulated phone's process: ready line, a task a call, an orderly end at SIGTERM."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable

import structlog

from sip.leg import Leg
from sip.softphone import Softphone

log = structlog.get_logger()

FINISH_S = 2.0
"""After SIGTERM the calls are hung up and have this long to write their results."""


async def serve(phone: Softphone, take: Callable[[Leg], Awaitable[None]]) -> None:
    """Starts `phone`, prints {"port": N}, gives each incoming leg to `take`, until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    calls: dict[asyncio.Task[None], Leg] = {}

    async def take_one(leg: Leg) -> None:
        try:
            await take(leg)
        except Exception as fault:  # one call's fault must not end the others
            log.error("simulated_call_failed", leg=leg.id, fault=type(fault).__name__, exc_info=True)
            await leg.hangup(500)

    async with phone:
        print(json.dumps({"port": phone.sip_port}), flush=True)
        stop = asyncio.ensure_future(stopping.wait())
        while not stopping.is_set():
            coming = asyncio.ensure_future(phone.incoming.get())
            await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                break
            task = asyncio.ensure_future(take_one(coming.result()))
            calls[task] = coming.result()
            task.add_done_callback(calls.pop)
        stop.cancel()
        for leg in list(calls.values()):
            await leg.hangup()
        if calls:
            await asyncio.wait(set(calls), timeout=FINISH_S)
