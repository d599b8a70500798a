"""Whole calls through the real Rasa process: what people say in, ids of approved lines and commands out."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path

import aiohttp
import pytest
import yaml

from dialogs.client import RasaConversation, RasaPolicy
from dialogs.manifest import Manifest
from dialogs.policy import DialogUnavailable, Reply, TurnEvent
from dialogs.rehearsal import Rehearsal, event_of
from dialogs.service import DialogService
from tests.dialogs.conftest import TODAY

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

SLOTS = {"callback_day": "今天", "callback_time": "16:30", "call_time": "14:30", "agent_eta": "一两分钟"}
CALLS = yaml.safe_load((Path(__file__).parent / "calls.yaml").read_text(encoding="utf-8"))


async def opened(service: DialogService, manifest: Manifest, **flags: bool) -> RasaConversation:
    call = await service.policy().open(
        uuid.uuid4().hex, manifest.digest, flags=flags, slots=SLOTS, today=TODAY
    )
    first = await call.turn(TurnEvent("start"))
    assert first.lines[0].id in ("C.open", "C.open_agency", "D.open") and first.level == 0
    return call


def spoken(reply: Reply) -> str:
    return "+".join(line.id for line in reply.lines)


@pytest.mark.parametrize("name", CALLS)
async def test_a_call(service: DialogService, manifests: dict[str, Manifest], name: str):
    about = CALLS[name]
    manifest = manifests[about.get("track", "reminder")]
    flags = dict.fromkeys(about.get("flags", ()), True)
    async with Rehearsal(service.policy(), manifest, today=TODAY, flags=flags, slots=SLOTS) as talk:
        for said in about["said"]:
            await talk.hear(said)
        answers = talk.answers[1:]
    for answer, lines in zip(answers, about["lines"], strict=True):
        assert lines is None or answer.ids == lines, (answer.heard, answer.intent)
    assert not any(answer.reply.degraded for answer in answers)
    given = answers[-1].command
    if about["command"] is None:
        assert given is None
    else:
        assert given is not None
        assert {key: getattr(given, key) for key in about["command"]} == about["command"]
    assert all(answer.command is None or answer.command.action == "handoff" for answer in answers[:-1])
    for answer in answers:  # what the player refuses must never be asked of it
        for line in (manifest.lines[one.id] for one in answer.lines):
            assert line.level <= answer.level
            assert line.listener in ("unknown", answer.listener)


async def test_two_versions_of_a_track_live_together(service: DialogService, two_versions: list[Manifest]):
    """Each call stays with the version that it was opened with, turn by turn, whoever speaks in between."""
    calls = [
        Rehearsal(service.policy(), manifest, today=TODAY, slots={})
        for manifest in two_versions
        for _ in "ab"
    ]
    for call in calls:
        await call.__aenter__()
    assert {call.now.ids for call in calls} == {"L.open"}
    for call in calls:
        assert (await call.say("对")).ids == "L.check"
    assert [(await call.say("别再打")).ids for call in reversed(calls)] == [
        "L.later",
        "L.later",
        "L.bye",
        "L.bye",
    ]
    assert two_versions[0].digest != two_versions[1].digest
    assert "L.later" not in two_versions[0].lines  # the player of the older one would refuse it
    for call in calls:
        await call.__aexit__(None, None, None)


@pytest.mark.parametrize(
    "said",
    [
        "喂",
        "你好",
        "嗯",
        "喂，你好，哪位",
        "我是他爱人",
        "我是家属",
        "我是他儿子",
        "他不在",
        "不是",
        "你是谁",
        "干嘛",
        "什么事",
        "你打错了",
        "我是他同事，他开会去了",
        "本人不在",
        "我替他接的",
        "嗯嗯",
        "啊？",
        "在开车",
    ],
)
async def test_the_identity_gate_stays_shut(service: DialogService, manifest: Manifest, said: str):
    call = await opened(service, manifest)
    reply = await call.turn(event_of(said))
    assert (reply.level, reply.stage != "verify") == (0, True)
    await call.close()


@pytest.mark.parametrize(
    "flags, line", [({"agency": True}, "C.open_agency"), ({"to_contact": True}, "D.open"), ({}, "C.open")]
)
async def test_who_is_called_decides_the_opening(service, manifest, flags, line):
    call = await service.policy().open(uuid.uuid4().hex, manifest.digest, flags=flags, slots={}, today=TODAY)
    assert spoken(await call.turn(TurnEvent("start"))) == line
    await call.close()


async def test_a_repeated_turn_gets_the_same_answer_once(service: DialogService, manifest: Manifest):
    call_id = uuid.uuid4().hex
    await service.policy().open(call_id, manifest.digest, flags={}, slots={}, today=TODAY)
    headers = {"Authorization": f"Bearer {service.token}"}
    async with aiohttp.ClientSession(headers=headers) as http:

        async def turn(seq: int, kind: str) -> tuple[int, dict[str, object]]:
            body = {"call_id": call_id, "seq": seq, "kind": kind}
            async with http.post(f"{service.url}/turn", json=body) as response:
                return response.status, await response.json()

        assert (await turn(0, "start"))[0] == 200
        first = await turn(1, "silence")
        assert await turn(1, "silence") == first
        assert (await turn(3, "silence"))[0] == 409
        status, second = await turn(2, "silence")
        assert status == 200 and second["command"] is not None  # counted twice, not three times


async def test_strangers_are_turned_away(service: DialogService, manifest: Manifest):
    with pytest.raises(DialogUnavailable):
        await RasaPolicy(service.url, "wrong").open("x", manifest.digest, flags={}, slots={}, today=TODAY)
    with pytest.raises(DialogUnavailable):
        await service.policy().open("x", "0" * 64, flags={}, slots={}, today=TODAY)
    async with aiohttp.ClientSession() as http, http.get(f"{service.url}/health") as response:
        assert response.status == 401
    assert service.url.startswith("http://127.0.0.1:")


async def test_calls_side_by_side_do_not_mix(service: DialogService, manifest: Manifest):
    one, other = await opened(service, manifest), await opened(service, manifest)
    assert spoken(await one.turn(event_of("<silence>"))) == "C.silence1"
    assert spoken(await other.turn(event_of("是我"))) == "C.verify"
    assert spoken(await one.turn(event_of("<silence>"))) == "C.silence2"
    assert spoken(await other.turn(event_of("<verified>"))) == "A.post"


async def test_nothing_that_was_said_is_logged(service: DialogService, manifest: Manifest):
    call = await opened(service, manifest)
    await call.turn(event_of("我下周三还清那笔花呗独特的词|date=2025-12-03"))
    written = (service.folder / "dialog-service.log").read_text(encoding="utf-8", errors="replace")
    assert "独特的词" not in written and "2025-12-03" not in written


async def test_when_the_engine_stops_a_human_is_asked_for(manifest: Manifest, service: DialogService):
    """It stops the process that the other tests use, and starts another one for them."""
    call = await opened(service, manifest)
    assert service.pid is not None
    os.kill(service.pid, signal.SIGSTOP)
    try:
        reply = await call.turn(event_of("是我"))
    finally:
        os.kill(service.pid, signal.SIGCONT)
    assert reply.degraded and reply.command is not None
    assert (spoken(reply), reply.command.action) == ("C.handover_fault", "handoff")
    assert reply.command.reason in manifest.slots["whisper_reason"].values
    os.kill(service.pid, signal.SIGKILL)
    reply = await call.turn(TurnEvent("handoff_failed"))
    assert spoken(reply) == "C.fault_bye" and reply.command is not None
    assert reply.command.disposition == "CALLBACK"
    assert {"C.handover_fault", "C.fault_bye"} <= set(manifest.lines)
    await service.start()
