"""The voice channel: typed events of a call in, ids of approved lines and a command out.

    POST open   {call_id, digest, flags, slots, today}
    POST turn   {call_id, seq, kind, text, values, digit}
    POST close  {call_id}
    GET  health

Bearer token on every request.  A repeated (call_id, seq) gets the stored answer.  Neither texts nor slot
values are logged.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from dataclasses import dataclass, field
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any

from rasa.core.channels.channel import InputChannel
from sanic import Blueprint, response
from sanic.request import Request

from dialogs.rasa.brain import Brain, WrongModel
from dialogs.rasa.call_state import CallState
from dialogs.rasa.turn import turn

log = logging.getLogger("voice_channel")

IDLE_LIMIT_S = 2 * 3600.0
"""A call whose worker died is forgotten after this time."""


@dataclass
class Call:
    """A call in progress."""

    brain: Brain
    state: CallState
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    seq: int = -1
    answer: dict[str, Any] = field(default_factory=dict)
    touched: float = field(default_factory=time.monotonic)


class VoiceChannel(InputChannel):
    """Serves every built version under `tracks`; a call is pinned to the one it was opened with."""

    def __init__(self, tracks: Path, token: str) -> None:
        self._tracks, self._token = tracks, token
        self._brains: dict[str, Brain] = {}
        self._calls: dict[str, Call] = {}
        self._loading = asyncio.Lock()

    @classmethod
    def name(cls) -> str:
        return "voice"

    def blueprint(self, on_new_message: Any) -> Blueprint:
        """The routes; `on_new_message` stays unused, for each turn is decided here."""
        routes = Blueprint("voice")
        for path, handler in (("/open", self._open), ("/turn", self._turn), ("/close", self._close)):
            routes.add_route(self._guarded(handler), path, methods=["POST"])
        routes.add_route(self._guarded(self._health), "/health", methods=["GET"])
        return routes

    def _guarded(self, handler: Any) -> Any:
        @wraps(handler)
        async def checked(request: Request) -> Any:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                return response.json({"error": "wrong token"}, status=401)
            return await handler(request)

        return checked

    async def _health(self, request: Request) -> Any:
        manifests = sorted(self._tracks.glob("*/manifest.json"), key=lambda path: -path.stat().st_mtime)
        built = [path.parent.name for path in manifests]
        return response.json({"digests": built, "loaded": sorted(self._brains), "calls": len(self._calls)})

    async def _open(self, request: Request) -> Any:
        body = request.json
        brain = await self._brain(body["digest"])
        if brain is None:
            return response.json({"error": "this digest is not served"}, status=404)
        self._forget_idle()
        state = CallState(
            plan=brain.plan,
            flags=body["flags"],
            today=date.fromisoformat(body["today"]),
            slots=dict(body["slots"]),
        )
        self._calls[body["call_id"]] = Call(brain, state)
        return response.json({"digest": body["digest"]})

    async def _brain(self, digest: str) -> Brain | None:
        """Loads a version at its first call; None when it is not built or not the one that was built."""
        async with self._loading:
            folder = self._tracks / digest
            if digest not in self._brains and "/" not in digest and (folder / "manifest.json").exists():
                loop = asyncio.get_running_loop()
                try:
                    self._brains[digest] = await loop.run_in_executor(None, Brain, folder)
                except (WrongModel, OSError, ValueError, KeyError) as fault:
                    log.error("version %s refused: %s", digest[:12], type(fault).__name__)
        return self._brains.get(digest)

    async def _turn(self, request: Request) -> Any:
        body = request.json
        call = self._calls.get(body["call_id"])
        if call is None:
            return response.json({"error": "this call is not open"}, status=404)
        async with call.lock:
            if body["seq"] == call.seq:
                return response.json(call.answer)
            if body["seq"] != call.seq + 1:
                return response.json({"error": "turns out of order"}, status=409)
            began = time.perf_counter()
            try:
                answer = await turn(call.brain, call.state, body)
            except Exception as fault:  # the caller must get an answer, whatever broke
                log.error("turn failed in stage %s: %s", call.state.stage, type(fault).__name__)
                return response.json({"error": type(fault).__name__}, status=500)
            answer["ms"] = round((time.perf_counter() - began) * 1000, 2)
            call.seq, call.answer, call.touched = body["seq"], answer, time.monotonic()
        return response.json(answer)

    async def _close(self, request: Request) -> Any:
        self._calls.pop(request.json["call_id"], None)
        return response.json({})

    def _forget_idle(self) -> None:
        limit = time.monotonic() - IDLE_LIMIT_S
        for call_id in [one for one, call in self._calls.items() if call.touched < limit]:
            del self._calls[call_id]
