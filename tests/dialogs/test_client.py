"""The dialog client against a service that fails: a lost turn is the end of the engine for that call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from aiohttp import web

from dialogs.client import RasaConversation, RasaPolicy
from dialogs.policy import TurnEvent

ANSWER = {
    "lines": [{"id": "C.open", "slots": {}}],
    "command": None,
    "stage": "opening",
    "level": 0,
    "listener": "unknown",
    "expects": "open",
    "persuading": False,
    "keeps_open": False,
    "asks": 0,
    "intent": None,
    "confidence": None,
}


class Service:
    """Answers `open` with ok, and turns with whatever `answers` says next."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.turns = 0

    async def open(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def turn(self, request: web.Request) -> web.Response:
        self.turns += 1
        answer = self.answers.pop(0) if self.answers else ANSWER
        if isinstance(answer, int):
            return web.Response(status=answer)
        if isinstance(answer, str):
            return web.Response(text=answer, content_type="application/json")
        return web.json_response(answer)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def call(service: Service) -> AsyncIterator[RasaConversation]:
    app = web.Application()
    app.router.add_post("/voice/open", service.open)
    app.router.add_post("/voice/turn", service.turn)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    policy = RasaPolicy(f"http://127.0.0.1:{port}/voice", "token")
    slots = {"callback_day": "明天", "callback_time": "10:00", "agent_eta": "一分钟以内"}
    yield await policy.open("c1", "d" * 64, flags={}, slots=slots, today=date(2026, 3, 2))
    await policy.close()
    await runner.cleanup()


async def test_an_engine_that_comes_back_is_not_asked_again(call: RasaConversation, service: Service) -> None:
    assert not (await call.turn(TurnEvent("start"))).degraded
    service.answers = [503, 503]
    lost = await call.turn(TurnEvent("speech", text="你好"))
    assert lost.degraded
    assert lost.command is not None and lost.command.action == "handoff"
    asked = service.turns
    after = await call.turn(TurnEvent("speech", text="喂"))
    assert after.degraded
    assert service.turns == asked


async def test_the_fault_farewell_agrees_a_call_back_that_has_a_time(
    call: RasaConversation, service: Service
) -> None:
    service.answers = [503, 503]
    await call.turn(TurnEvent("start"))
    farewell = await call.turn(TurnEvent("handoff_failed"))
    assert [line.id for line in farewell.lines] == ["C.fault_bye"]
    assert farewell.command is not None
    assert farewell.command.disposition == "CALLBACK"
    assert farewell.command.slots == {"callback_day": "明天", "callback_time": "10:00"}


@pytest.mark.parametrize("broken", ["no JSON", "[]", '{"lines": []}'])
async def test_an_answer_that_is_no_reply_is_a_lost_turn(
    call: RasaConversation, service: Service, broken: str
) -> None:
    service.answers = [broken, broken]
    assert (await call.turn(TurnEvent("start"))).degraded
