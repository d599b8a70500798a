"""A call worker without a phone, in a process of its own: it speaks the real line and does as it is told.

    python -m tests.campaign.fake_worker ACT --socket PATH --name NAME

`ACT` says what becomes of each order; several with commas are those of w1, w2, …, the last of all others.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from datetime import datetime
from typing import Any

from voicebot.call.link import Link


def record(order: dict[str, Any], worker: str) -> dict[str, Any]:
    now = datetime.now().astimezone().isoformat()
    kept = {name: order[name] for name in ("attempt_id", "campaign", "case_id", "phone_masked", "digest")}
    engines = {"asr": "none", "tts": "none", "vad": "none"}
    return kept | {
        "pack": order["pack"],
        "caller": order["caller"],
        "worker": worker,
        "dialled_at": now,
        "ended_at": now,
        "sip_code": 486,
        "disposition": "BUSY",
        "engines": engines,
    }


class FakeWorker:
    def __init__(self, act: str, name: str, link: Link) -> None:
        self.act, self.name, self.link = act, name, link
        self.calls: set[asyncio.Task[None]] = set()

    async def handle(self, kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if kind == "dial":
            call = asyncio.get_running_loop().create_task(self.call(body))
            self.calls.add(call)
        elif kind == "stop":
            os._exit(0)
        return {}

    async def ask(self, kind: str, **body: Any) -> dict[str, Any]:
        return await self.link.ask(kind, within_s=10, **body)

    async def call(self, order: dict[str, Any]) -> None:
        attempt_id = order["attempt_id"]
        if self.act == "fail_before_permit":
            await self.ask("failed", attempt_id=attempt_id, reason="ValueError")
            return
        permit = await self.ask("permit", attempt_id=attempt_id)
        if not permit["allowed"]:
            await self.ask("not_dialled", attempt_id=attempt_id, reason=permit["reason"], refused=True)
            return
        match self.act:
            case "freeze":
                os.kill(os.getpid(), signal.SIGSTOP)  # frozen as a whole
            case "die":
                os._exit(3)
            case "hold":
                return
            case "fail":
                await self.ask("failed", attempt_id=attempt_id, reason="ValueError")
            case "bad_record":
                await self.ask("closed", record={"attempt_id": attempt_id})
            case _:
                await self.ask("closed", record=record(order, self.name))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("act")
    parser.add_argument("--socket", required=True)
    parser.add_argument("--name", required=True)
    asked = parser.parse_args()
    acts = asked.act.split(",")
    act = acts[min(int(asked.name.removeprefix("w")), len(acts)) - 1]
    if act == "refuse_to_start":
        sys.exit(4)
    if act == "start_slowly":
        await asyncio.sleep(1.5)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    link = Link(*await asyncio.open_unix_connection(asked.socket, limit=4 << 20))
    link.handler = FakeWorker(act, asked.name, link).handle
    link.tell("hello", name=asked.name)
    await link.serve()


if __name__ == "__main__":
    asyncio.run(main())
