"""The phone at the other end: a process of its own, told what to do by JSON lines.

    peer.py FOLDER [TRUNK-AS-JSON]
    > {"n": 1, "op": "answer", "leg": -1, "code": 200}
    < {"n": 1, "result": null}
    < {"event": "answered", "leg": -1}

What each leg hears and sends is written to FOLDER/<leg>.theirs.raw and FOLDER/<leg>.ours.raw.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sip.bridge import hear
from sip.leg import Leg, LegState, Playback
from sip.softphone import PhoneSettings, Softphone
from sip.trunk import Trunk


def tell(**fields: Any) -> None:
    print(json.dumps(fields, ensure_ascii=False), flush=True)


class Peer:
    def __init__(self, folder: Path, phone: Softphone, files: ExitStack) -> None:
        self._folder, self._phone, self._files = folder, phone, files
        self._legs: dict[int, Leg] = {}
        self._playback: Playback | None = None
        self._watching: set[asyncio.Task[None]] = set()

    def _watch(self, leg: Leg) -> None:
        self._legs[leg.id] = leg
        task = asyncio.get_running_loop().create_task(self._follow(leg))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _follow(self, leg: Leg) -> None:
        # flushed at the end of the leg, before the far end is told of it
        heard = self._files.enter_context((self._folder / f"{leg.id}.theirs.raw").open("wb"))
        sent = self._files.enter_context((self._folder / f"{leg.id}.ours.raw").open("wb"))

        def keep(theirs: bytes, ours: bytes) -> None:
            heard.write(theirs)
            sent.write(ours)

        leg.on_tick = keep
        while leg.state is not LegState.ENDED or not leg.events.empty():
            event = await leg.events.get()
            cause = event.cause
            if event.kind == "ended":
                heard.flush()
                sent.flush()
            tell(
                event=event.kind,
                leg=leg.id,
                digit=event.digit,
                kind=cause.kind if cause else None,
                code=cause.code if cause else None,
                remote=cause.remote if cause else None,
            )

    async def take_calls(self) -> None:
        while True:
            leg = await self._phone.incoming.get()
            self._watch(leg)
            tell(event="incoming", leg=leg.id, headers=leg.headers, call_id=leg.sip_call_id)

    async def do(self, op: str, leg: int = 0, **given: Any) -> Any:
        if op == "dial":
            dialled = await self._phone.dial(given["uri"])
            self._watch(dialled)
            return dialled.id
        if op == "slots":
            return self._phone.slots_in_use()
        if op == "hangup_all":
            for each in self._legs.values():
                await each.hangup()
            return None
        target = self._legs[leg]
        if op == "answer":
            return await target.answer(given.get("code", 200), given.get("reason", ""))
        if op == "hangup":
            return await target.hangup(given.get("code", 0))
        if op == "play":
            self._playback = await target.play(Path(given["wav"]), loop=given.get("loop", False))
            return self._playback.seconds
        if op == "dtmf":
            return await target.send_dtmf(given["digits"])
        if op == "packets":
            return await target.received_packets()
        if op == "echo":
            return await hear(target, target)
        if op == "hold":
            return await target.hold()
        if op == "unhold":
            return await target.unhold()
        raise ValueError(op)


def far_trunk(settings: str) -> Trunk:
    """Calls to sip:far@127.0.0.1 are taken by its account: with its SRTP, timers and transport."""
    login = {"user": "far", "secret_env": "FAR_SECRET"}
    return Trunk(name="far", gateways=("127.0.0.1:9",), login=login, **json.loads(settings))


async def main(folder: Path, trunk: Trunk | None) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with ExitStack() as files:
        async with Softphone(PhoneSettings(trunk=trunk)) as phone:
            await serve(Peer(folder, phone, files), reader, phone)


async def serve(peer: Peer, reader: asyncio.StreamReader, phone: Softphone) -> None:
    taking = asyncio.get_running_loop().create_task(peer.take_calls())
    tell(event="ready", port=phone.sip_port, trunk_port=phone.trunk_port)
    while line := await reader.readline():
        order = json.loads(line)
        number = order.pop("n")
        try:
            tell(n=number, result=await peer.do(**order))
        except Exception as fault:
            tell(n=number, fault=f"{type(fault).__name__}: {fault}")
    taking.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), far_trunk(sys.argv[2]) if len(sys.argv) > 2 else None))
