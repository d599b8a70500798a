"""The call worker: one process, one softphone, a few calls.

`python -m voicebot.call.worker --socket PATH --name w1`

It may die at any instant.  Everything that must survive is written by the supervisor before (the
permit precedes the INVITE) or after (the record); a worker owns nothing but its calls.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import signal
import sys
import threading
import traceback
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from dialogs.client import RasaPolicy
from dialogs.manifest import Manifest
from handoff import card as desk
from handoff.hold import hold_tone
from handoff.settings import load_queues
from sip.registering import TrunkStatus
from sip.softphone import PhoneSettings, Softphone
from voicebot.call.attempt import Attempt
from voicebot.call.equipment import Equipment
from voicebot.call.link import Link, LinkLost
from voicebot.call.order import DialOrder, Services
from voicebot.call.preparation import NotDialled
from voicebot.call.record import Engines
from voicebot.logs import configure
from voicebot.speech.asr.client import SpeechService
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.vad import TwoStageVad
from voicebot.store.encryption import KeyRing

log = structlog.get_logger()

SWITCH_INTERVAL_S = 0.0005
"""The media clock's callbacks need the interpreter within a fraction of a 20 ms frame."""
LAG_PROBE_S = 0.5
REPORT_WITHIN_S = 30.0
CONSULT_AND_SPARE = 2
REGISTERED_WITHIN_S = 5.0
STACK_ANSWERS_WITHIN_S = 1.2
END_WITHIN_S = 6.0
"""From the end of the line to the end of the process, whatever hangs: legs nobody leads must not stay up."""


class Worker:
    """Takes orders from the supervisor until the line breaks or it is told to stop."""

    def __init__(self, name: str, link: Link) -> None:
        self.name, self._link = name, link
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._attempts: dict[str, Attempt] = {}
        self._tools: Equipment | None = None
        self._policy: RasaPolicy | None = None
        self._phone: Softphone | None = None
        self._stopping = asyncio.Event()
        self._worst_lag_s = 0.0

    async def handle(self, kind: str, body: dict[str, Any]) -> dict[str, Any] | None:
        match kind:
            case "services":
                return await self._start(Services.model_validate(body))
            case "dial":
                self._dial(DialOrder.model_validate(body))
            case "end":
                if (attempt := self._attempts.get(body["attempt_id"])) is not None:
                    attempt.end(body["reason"])
            case desk.ACT:
                return {"done": self._act(desk.Deed.model_validate(body))}
            case "stop":
                self._stopping.set()
            case "health":
                return await self._health()
            case _:
                raise ValueError(f"unknown message {kind}")
        return None

    async def _start(self, services: Services) -> dict[str, Any]:
        self._phone = Softphone(
            PhoneSettings(
                ip=services.sip_ip,
                ports=services.sip_ports,
                max_calls=services.calls + CONSULT_AND_SPARE,
                trunk=services.trunk,
                takes_calls=False,
            )
        )
        self._phone.on_trunk = lambda status: self._link.tell("trunk", **_facts(status))
        await self._phone.start()
        if self._phone.registering is not None:  # not registered is no reason not to start: it goes on trying
            await self._phone.registering.settled(REGISTERED_WITHIN_S)
        keys = KeyRing.load(services.key_file)
        manifest = lru_cache(lambda digest: Manifest.load(services.tracks / digest / "manifest.json"))
        self._policy = RasaPolicy(services.dialog_url, services.dialog_token)
        hold = services.prompts / "hold.wav"
        hold_tone(hold)
        self._tools = Equipment(
            phone=self._phone,
            speech=SpeechService(services.speech_socket),
            policy=self._policy,
            cache=PromptCache(services.prompts),
            link=self._link,
            manifest=manifest,
            new_vad=lambda: TwoStageVad(services.silero, services.trunk.gate_dbfs),
            mac_of=keys.tail_mac,
            recordings=services.recordings,
            recording_format=services.recording_format,
            keys=keys,
            hold=hold,
            queues=load_queues(services.queues_file),
            engines=Engines(asr=services.asr_engine, tts="", vad="webrtcvad+silero"),
            worker=self.name,
            lead_in_s=services.trunk.lead_in_s,
            now=lambda: datetime.now().astimezone(),
        )
        return {
            "call_limit": self._phone.call_limit,
            "sip_port": self._phone.sip_port,
            **_facts(self._phone.trunk_status),
        }

    def _dial(self, order: DialOrder) -> None:
        task = asyncio.get_running_loop().create_task(self._run(order))
        self._calls[order.attempt_id] = task
        task.add_done_callback(lambda _: self._calls.pop(order.attempt_id, None))

    def _act(self, deed: desk.Deed) -> bool:
        attempt = self._attempts.get(deed.attempt_id)
        return attempt is not None and attempt.act(deed)

    async def _run(self, order: DialOrder) -> None:
        assert self._tools is not None
        tools = _for_order(self._tools, order)
        try:
            attempt = self._attempts[order.attempt_id] = Attempt(order, tools)
            record = await attempt.run()
        except NotDialled as reason:
            await self._report(
                "not_dialled", attempt_id=order.attempt_id, reason=str(reason), refused=reason.refused
            )
        except LinkLost:
            return
        except Exception as fault:
            # No text and no traceback: they may hold values of the case.
            log.error(
                "call_failed", attempt_id=order.attempt_id, fault=type(fault).__name__, at=_place(fault)
            )
            await self._report("failed", attempt_id=order.attempt_id, reason=type(fault).__name__)
        else:
            await self._report("closed", record=record.model_dump(mode="json"))
        finally:
            self._attempts.pop(order.attempt_id, None)

    async def _report(self, kind: str, **body: Any) -> None:
        try:
            await self._link.ask(kind, within_s=REPORT_WITHIN_S, **body)
        except (LinkLost, TimeoutError, RuntimeError) as fault:
            log.error("report_failed", kind=kind, fault=type(fault).__name__)

    async def _health(self) -> dict[str, Any]:
        """Raises TimeoutError when the SIP stack stands still."""
        if self._phone is not None:
            async with asyncio.timeout(STACK_ANSWERS_WITHIN_S):
                await self._phone.beat()
        lag, self._worst_lag_s = self._worst_lag_s, 0.0
        return {
            "calls": len(self._calls),
            "slots": self._phone.slots_in_use() if self._phone else 0,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "loop_lag_ms": round(lag * 1000, 1),
        }

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_PROBE_S
            await asyncio.sleep(LAG_PROBE_S)
            self._worst_lag_s = max(self._worst_lag_s, loop.time() - due)

    async def live(self) -> None:
        """Until the supervisor is gone or says stop; then every leg is hung up within seconds."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stopping.set)
        lag = loop.create_task(self._watch_lag())
        serving = loop.create_task(self._link.serve())
        stopping = loop.create_task(self._stopping.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        lag.cancel()
        _end_by_force(END_WITHIN_S)
        for call in list(self._calls.values()):
            call.cancel()
        await asyncio.gather(*self._calls.values(), return_exceptions=True)
        if self._phone is not None:
            await self._phone.stop()
        if self._policy is not None:
            await self._policy.close()
        self._link.close()
        serving.cancel()
        stopping.cancel()


def _facts(status: TrunkStatus) -> dict[str, Any]:
    """What the supervisor is told of the registration."""
    return {"trunk_ready": status.ready, "trunk_text": status.text, "trunk_losses": status.losses}


def _place(fault: Exception) -> str:
    """Where it was raised, as file:line."""
    last = traceback.extract_tb(fault.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _end_by_force(within_s: float) -> None:
    """From a thread: a phone that hangs in its own stop blocks the event loop; the supervisor may be dead."""
    timer = threading.Timer(within_s, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _for_order(tools: Equipment, order: DialOrder) -> Equipment:
    """The order's clock and voice: a simulated campaign has a date of its own."""
    now = tools.now
    if order.simulated_now is not None:
        zone, offset = order.simulated_now.tzinfo, order.simulated_now - datetime.now().astimezone()

        def now() -> datetime:
            return datetime.now(zone) + offset

    engines = tools.engines.model_copy(update={"tts": order.voice})
    return replace(tools, now=now, engines=engines)


async def main(socket: Path, name: str) -> None:
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=4 << 20)
    link = Link(reader, writer)
    worker = Worker(name, link)
    link.handler = worker.handle
    link.tell("hello", name=name)
    await worker.live()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--name", required=True)
    arguments = parser.parse_args()
    configure()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()  # what is loaded now lives for ever: no full collection may walk it in mid-call
    asyncio.run(main(arguments.socket, arguments.name))
