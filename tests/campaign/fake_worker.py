"""A call worker without a phone, in a process of its own: it speaks the real line and does as it is told.

    python -m tests.campaign.fake_worker ACT --socket PATH --name NAME

`ACT` says what becomes of each order; several with commas are those of w1, w2, …, the last of all others.
`ring-R-T-A`: rings R seconds, a share A is answered and talks T seconds; a call ends when it is told to.
Each INVITE is a line in the file that FAKE_DIALS names: real time, case, attempt, process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from datetime import datetime
from typing import Any

from handoff import card
from voicebot.call.link import Link, LinkLost


def record(order: dict[str, Any], worker: str, disposition: str = "BUSY", **more: Any) -> dict[str, Any]:
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
        "disposition": disposition,
        "engines": engines,
        **more,
    }


def note_invite(path: str, order: dict[str, Any]) -> None:
    """One write, so that lines of several processes never mix."""
    line = {"at": time.time(), "case": order["case_id"], "attempt": order["attempt_id"], "pid": os.getpid()}
    with open(path, "ab", 0) as file:
        file.write(json.dumps(line).encode() + b"\n")


class FakeWorker:
    def __init__(self, act: str, name: str, link: Link) -> None:
        self.act, self.name, self.link = act, name, link
        self.calls: set[asyncio.Task[None]] = set()
        self.told: dict[str, asyncio.Future[str]] = {}
        self.acts: dict[str, asyncio.Queue[dict[str, Any]]] = {}

    async def handle(self, kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if kind == "dial":
            self.told[body["attempt_id"]] = asyncio.get_running_loop().create_future()
            call = asyncio.get_running_loop().create_task(self.call(body))
            self.calls.add(call)
            call.add_done_callback(self.calls.discard)
        elif kind == "end":
            told = self.told.get(body["attempt_id"])
            if told is not None and not told.done():
                told.set_result(body["reason"])
        elif kind == card.ACT:
            self.acts[body["attempt_id"]].put_nowait(body)
            return {"done": True}
        elif kind == "stop":
            os._exit(0)
        return {}

    async def ask(self, kind: str, **body: Any) -> dict[str, Any]:
        return await self.link.ask(kind, within_s=30, **body)

    async def call(self, order: dict[str, Any]) -> None:
        attempt_id = order["attempt_id"]
        with contextlib.suppress(LinkLost, TimeoutError):
            await self.placed(order)
        self.told.pop(attempt_id, None)

    async def placed(self, order: dict[str, Any]) -> None:
        attempt_id = order["attempt_id"]
        if self.act == "fail_before_permit":
            await self.ask("failed", attempt_id=attempt_id, reason="ValueError")
            return
        try:
            permit = await self.ask("permit", attempt_id=attempt_id)
        except (TimeoutError, RuntimeError) as fault:
            await self.ask("not_dialled", attempt_id=attempt_id, reason=f"no permission: {fault}")
            return
        if not permit["allowed"]:
            await self.ask("not_dialled", attempt_id=attempt_id, reason=permit["reason"], refused=True)
            return
        if path := os.environ.get("FAKE_DIALS"):
            note_invite(path, order)
        self.link.tell("invited", attempt_id=attempt_id)
        match self.act.partition("-")[0]:
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
            case "hand_over":
                await self.ask("closed", record=await self.handed_over(order))
            case "ring":
                await self.ask("closed", record=await self.rung(order))
            case _:
                await self.ask("closed", record=record(order, self.name))

    async def rung(self, order: dict[str, Any]) -> dict[str, Any]:
        """A whole call, with times drawn at random around those that were asked for."""
        ring_s, talk_s, answered = (float(part) for part in self.act.split("-")[1:])
        told, attempt_id = self.told[order["attempt_id"]], order["attempt_id"]
        self.link.tell("progress", attempt_id=attempt_id, state="ringing")
        if await self.happens(told, ring_s * random.uniform(0.5, 1.5)):
            return self.ended(order, "NO_ANSWER", told.result(), sip_code=487)
        if random.random() >= answered:
            return record(order, self.name)
        self.link.tell("progress", attempt_id=attempt_id, state="answered")
        now = datetime.now().astimezone().isoformat()
        if await self.happens(told, talk_s * random.uniform(0.5, 1.5)):
            return self.ended(order, "NOT_UNDERSTOOD", told.result(), sip_code=200, answered_at=now)
        return record(order, self.name, "DECLINED_TO_PAY", sip_code=200, answered_at=now)

    async def handed_over(self, order: dict[str, Any]) -> dict[str, Any]:
        """The words of a handoff, as a call tells them; the agent accepts and ends it on the desk."""
        attempt_id, acts = order["attempt_id"], asyncio.Queue[dict[str, Any]]()
        self.acts[attempt_id] = acts
        self.link.tell("progress", attempt_id=attempt_id, state="answered")
        shown = card.Card(
            attempt_id=attempt_id,
            campaign=order["campaign"],
            case_id=order["case_id"],
            phone_masked=order["phone_masked"],
            name_masked="张*",
            to_contact=False,
            queue="general",
            reason="客户要投诉",
            priority=False,
            level=2,
            disposition="HUMAN",
            turns=(card.CardTurn(speaker="debtor", at_s=3.0, text="我要投诉。"),),
        )
        name = order["slots"]["debtor_name"]["value"]
        self.link.tell(card.BRIEFING, **card.Briefing(card=shown, name=name).model_dump(mode="json"))
        seat = None
        while seat is None:
            seat = (await self.ask("reserve", queue="general", attempt_id=attempt_id, exclude=[]))["seat"]
        for state in ("ringing", "whisper"):
            self.link.tell(card.STEP, attempt_id=attempt_id, state=state, detail=seat["agent_id"])
        while (await acts.get())["act"] != "accept":
            pass
        self.link.tell("bridged", reservation=seat["reservation"])
        self.link.tell(card.STEP, attempt_id=attempt_id, state="bridged", detail=seat["agent_id"])
        turn = {"speaker": "agent", "at_s": 9.0, "text": "您好，请讲。"}
        self.link.tell(card.TURNS, attempt_id=attempt_id, turns=[turn])
        while (await acts.get())["act"] != "hang_up":
            pass
        self.link.tell("release", reservation=seat["reservation"], outcome="talked")
        now = datetime.now().astimezone().isoformat()
        return record(order, self.name, "HUMAN", sip_code=200, answered_at=now)

    def ended(self, order: dict[str, Any], disposition: str, reason: str, **more: Any) -> dict[str, Any]:
        event = {"at_s": 0.0, "kind": "ended_by_order", "detail": reason}
        return record(order, self.name, disposition, events=[event], ended_by="bot", **more)

    async def happens(self, told: asyncio.Future[str], within_s: float) -> bool:
        await asyncio.wait((told,), timeout=within_s)
        return told.done()


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
