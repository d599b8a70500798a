"""The world over real SIP and RTP: what callees and agents do, and that their measurements are true."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from sip import bridge
from sip.softphone import Softphone
from tests.simulate.running_world import FakeBot, World, world

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]

Tone = Callable[[float], Path]
NEAR_MS = 60
TRANSIT_MS = 200
"""Packets and jitter buffers, there and back."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, scenarios: Path, prompts: Path, agents: Path
) -> AsyncIterator[World]:
    """One world for all tests: each plays a scenario of its own."""
    async with world(tmp_path_factory.mktemp("world"), scenarios, prompts, agents) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def phone() -> AsyncIterator[Softphone]:
    async with Softphone() as phone:
        yield phone


async def test_latency_is_what_the_caller_made_it(running: World, phone: Softphone, tone: Tone) -> None:
    bot = await FakeBot.call(phone, running.uri("31"))
    for delay_s in (0.3, 0.5, 1.2):
        await bot.speech_over(delay_s)
        await bot.speak(tone(1.5))
    await bot.leg.hangup()
    result = await running.callee("31")
    assert result.greeting is not None
    assert [one.text for one in result.said] == ["喂，你好。", "是我，我就是本人。", "我明天就还。"]
    quick, slow = (turn["latency_ms"] for turn in result.turns)
    assert 500 <= quick <= 500 + TRANSIT_MS
    assert abs((slow - quick) - 700) <= NEAR_MS
    assert abs((quick - result.greeting["latency_ms"]) - 200) <= NEAR_MS
    assert result.steps_left == 0
    assert result.hung_up_by == "bot"


async def test_barge_in_is_timed_until_the_bot_is_silent(
    running: World, phone: Softphone, tone: Tone
) -> None:
    bot = await FakeBot.call(phone, running.uri("32"))
    playing = await bot.leg.play(tone(6.0))
    await asyncio.wait_for(bot.loud.wait(), 10)
    await asyncio.sleep(0.3)
    await playing.stop()
    result = await running.callee("32")
    (cut,) = result.barge_ins
    assert 300 <= cut["silence_ms"] <= 300 + TRANSIT_MS
    assert result.hung_up_by == "callee"
    assert not result.gave_up


async def test_both_sides_are_recorded_on_one_clock(running: World, phone: Softphone, tone: Tone) -> None:
    bot = await FakeBot.call(phone, running.uri("38"))
    await bot.speak(tone(1.0))
    digits = ""
    while len(digits) < 4:
        event = await asyncio.wait_for(bot.leg.events.get(), 20)
        digits += event.digit
    await bot.speak(tone(1.0))
    await bot.speech_over(0.5)
    await bot.leg.hangup()
    result = await running.callee("38")
    assert digits == result.keys == "5806"
    lengths = []
    for kind, channels in (("heard", 1), ("stereo", 2)):
        with wave.open(str(running.out / result.audio[kind])) as wav:
            assert wav.getnchannels() == channels
            lengths.append(wav.getnframes())
    assert lengths[0] == lengths[1] == pytest.approx(result.seconds * 8000, abs=800)


async def test_lines_that_are_never_answered(running: World, phone: Softphone) -> None:
    codes = {}
    for suffix in ("33", "34"):
        leg = await phone.dial(running.uri(suffix))
        codes[suffix] = (await asyncio.wait_for(leg.ended, 10)).code
    unanswered = await phone.dial(running.uri("35"))
    await asyncio.sleep(1.0)
    await unanswered.hangup()
    unknown = await phone.dial(running.uri("99"))
    codes["99"] = (await asyncio.wait_for(unknown.ended, 10)).code
    assert codes == {"33": 486, "34": 603, "99": 404}
    results = [await running.callee(suffix) for suffix in ("33", "34", "35")]
    assert not any(result.answered for result in results)
    assert [result.hung_up_by for result in results] == ["callee", "callee", "bot"]


async def test_an_announcement_sounds_before_the_final_code(running: World, phone: Softphone) -> None:
    bot = FakeBot(await phone.dial(running.uri("36")))
    await bot.speech_over(0.5)
    assert not bot.leg.answered.done()
    cause = await asyncio.wait_for(bot.leg.ended, 20)
    assert cause.code == 503
    assert not (await running.callee("36")).answered


async def test_a_voicemail_greets_beeps_and_records(running: World, phone: Softphone, tone: Tone) -> None:
    bot = await FakeBot.call(phone, running.uri("37"))
    await bot.speech_over(1.0)
    await bot.speak(tone(0.5))
    await bot.leg.hangup()
    result = await running.callee("37")
    assert result.answered
    assert result.first_bot_s is not None
    assert result.turns == []


async def test_agent_takes_the_briefed_call_and_both_talk(
    running: World, phone: Softphone, tone: Tone
) -> None:
    bot = await FakeBot.call(phone, running.uri("39"))
    await bot.speak(tone(1.0))
    await bot.speech_over(0.4)
    consult = await phone.dial(running.agents["agent1001"], headers=(("X-Voicebot-Attempt", "attempt-1"),))
    await asyncio.wait_for(consult.answered, 10)
    await (await consult.play(tone(1.5))).done
    event = await asyncio.wait_for(consult.events.get(), 10)
    while event.kind != "dtmf":
        event = await asyncio.wait_for(consult.events.get(), 10)
    assert event.digit == "1"
    await bridge.join(bot.leg, consult)
    await asyncio.wait_for(consult.ended, 40)
    await bot.leg.hangup()
    callee, agent = await running.callee("39"), await running.agent()
    assert callee.agent_greeted_s is not None
    assert [one.text for one in callee.said] == ["转人工。", "你好，我想分期。"]
    assert len(callee.turns) == 1
    assert agent.accepted and agent.debtor_spoke
    assert agent.attempt_id == "attempt-1"
    assert [one.text for one in agent.said][-1] == "再见。"
    assert agent.hung_up_by == "agent"
