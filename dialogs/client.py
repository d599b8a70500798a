"""Rasa as a dialog policy, by HTTP on the loopback.  Nothing else in the project names Rasa's words.

Each turn has a time-out and one retry, which is safe because the channel knows (call, turn).  When the
engine stays away, the approved hand-over line is spoken and a human takes the call: never silence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import date
from typing import Any

import aiohttp
import structlog

from dialogs.policy import Command, DialogUnavailable, LineRef, Reply, TurnEvent

log = structlog.get_logger()

TURN_LIMIT_S = 1.5
"""A person on the line waits no longer than this for each of the two tries."""
OPEN_LIMIT_S = 20.0
"""The first call of a version loads its model."""
RETRY_STATUSES = frozenset({500, 502, 503, 504})
CALLBACK_SLOTS = ("callback_day", "callback_time")
FAULT_LINE, FAULT_FAREWELL, FAULT_REASON = "C.handover_fault", "C.fault_bye", "系统繁忙转人工"


class RasaPolicy:
    """Talks to one dialog service.  Use one object per process; it belongs to the running event loop."""

    def __init__(self, url: str, token: str, turn_limit_s: float = TURN_LIMIT_S) -> None:
        self._url, self._token, self._limit_s = url.rstrip("/"), token, turn_limit_s
        self._http: aiohttp.ClientSession | None = None

    async def open(
        self, call_id: str, digest: str, *, flags: Mapping[str, bool], slots: Mapping[str, str], today: date
    ) -> RasaConversation:
        """Pins the call to `digest`.  DialogUnavailable when the service is down or does not serve it.

        `slots`: callback_day (今天, 明天), callback_time (HH:MM), agent_eta, and call_time (HH:MM, now).
        """
        body = {
            "call_id": call_id,
            "digest": digest,
            "flags": dict(flags),
            "slots": dict(slots),
            "today": today.isoformat(),
        }
        try:
            await self._post("open", body, OPEN_LIMIT_S)
        except _Failed as fault:
            raise DialogUnavailable(
                f"the dialog service does not open calls of {digest[:12]}: {fault}"
            ) from None
        return RasaConversation(self, call_id, slots)

    async def digests(self) -> list[str]:
        """Digests of the versions that are built, newest first."""
        async with self._session().get(
            f"{self._url}/health", headers=self._headers, timeout=aiohttp.ClientTimeout(total=OPEN_LIMIT_S)
        ) as response:
            response.raise_for_status()
            return list((await response.json())["digests"])

    async def ready(self) -> bool:
        """True when a version answered a real turn just now, the newest that answers at all."""
        try:
            for digest in await self.digests():
                if await self.answers(digest):
                    return True
        except (aiohttp.ClientError, TimeoutError):
            return False
        return False

    async def answers(self, digest: str) -> bool:
        """True when that version answered a real turn just now."""
        call_id = f"ready-{digest[:12]}"
        try:
            probe = await self.open(call_id, digest, flags={}, slots={}, today=date.today())
        except DialogUnavailable:
            return False
        answers = [await probe.turn(TurnEvent("start")), await probe.turn(TurnEvent("speech", text="你好"))]
        await probe.close()
        return not any(answer.degraded for answer in answers)

    async def close(self) -> None:
        """Closes the connections."""
        if self._http is not None:
            await self._http.close()

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None or self._http.closed:
            self._http = aiohttp.ClientSession()
        return self._http

    async def _post(self, path: str, body: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
        """Two tries.  Raises _Failed with a reason that holds nothing of the body."""
        reason = ""
        for _ in range(2):
            try:
                async with self._session().post(
                    f"{self._url}/{path}",
                    json=body,
                    headers=self._headers,
                    timeout=aiohttp.ClientTimeout(total=limit_s),
                ) as response:
                    if response.status == 200:
                        answer: dict[str, Any] = await response.json()
                        return answer
                    reason = f"status {response.status}"
                    if response.status not in RETRY_STATUSES:
                        break
            except (TimeoutError, aiohttp.ClientError, ValueError) as fault:  # ValueError: no JSON
                reason = type(fault).__name__
        raise _Failed(reason)


class RasaConversation:
    """One call's turns, one in flight at a time."""

    def __init__(self, policy: RasaPolicy, call_id: str, slots: Mapping[str, str]) -> None:
        self._policy, self._call_id = policy, call_id
        self._offered = {name: slots[name] for name in CALLBACK_SLOTS if name in slots}
        self._seq = 0
        self._degraded = False
        self._lock = asyncio.Lock()
        self._last = Reply(lines=(), command=None, stage="start", level=0, listener="unknown")

    async def turn(self, event: TurnEvent) -> Reply:
        """The engine's reply, or the degraded one.  Once degraded, always: an engine that comes back
        missed a turn, and its answers would be to something else."""
        async with self._lock:
            if self._degraded:
                return self._without_engine(event, 0.0)
            began = time.perf_counter()
            body = {
                "call_id": self._call_id,
                "seq": self._seq,
                "kind": event.kind,
                "text": event.text,
                "values": dict(event.values),
                "digit": event.digit,
            }
            try:
                answer = await self._policy._post("turn", body, self._policy._limit_s)
                reply = _reply(answer, (time.perf_counter() - began) * 1000)
                self._seq += 1
            except _Failed as fault:
                log.error("dialog_turn_failed", call=self._call_id, kind=event.kind, fault=str(fault))
                self._degraded = True
                reply = self._without_engine(event, (time.perf_counter() - began) * 1000)
            self._last = reply
            return reply

    def _without_engine(self, event: TurnEvent, took_ms: float) -> Reply:
        """Hands over with the approved line; when nobody can be had, says so and ends."""
        lines: tuple[LineRef, ...] = (LineRef(FAULT_LINE),)
        command = Command("handoff", "HUMAN", reason=FAULT_REASON)
        if event.kind in ("handoff_failed", "returned"):
            lines, command = (LineRef(FAULT_FAREWELL),), Command("hangup", "CALLBACK", slots=self._offered)
        elif event.kind in ("hangup", "machine"):
            lines, command = (), Command("hangup", "HUNG_UP" if event.kind == "hangup" else "VOICEMAIL")
        return Reply(
            lines,
            command,
            self._last.stage,
            self._last.level,
            self._last.listener,
            took_ms=took_ms,
            degraded=True,
        )

    async def close(self) -> None:
        """The engine forgets the call; a failure does not matter, it forgets idle calls by itself."""
        try:
            await self._policy._post("close", {"call_id": self._call_id}, self._policy._limit_s)
        except _Failed as fault:
            log.warning("dialog_close_failed", call=self._call_id, fault=str(fault))


class _Failed(RuntimeError):
    """The service did not answer as it should."""


def _reply(answer: Mapping[str, Any], took_ms: float) -> Reply:
    """Raises _Failed when the answer is not a reply."""
    try:
        command = answer["command"]
        return Reply(
            lines=tuple(LineRef(line["id"], line["slots"]) for line in answer["lines"]),
            command=Command(**command) if command else None,
            stage=answer["stage"],
            level=answer["level"],
            listener=answer["listener"],
            expects=answer["expects"],
            persuading=answer["persuading"],
            keeps_open=answer["keeps_open"],
            asks=answer["asks"],
            intent=answer["intent"],
            confidence=answer["confidence"],
            took_ms=took_ms,
        )
    except (KeyError, TypeError) as fault:
        raise _Failed(type(fault).__name__) from None
