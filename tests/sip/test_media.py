"""Audio of real calls: ticks, prompts, early media, bridges, hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sip import bridge
from sip.errors import SipError
from sip.leg import Leg, LegState
from sip.softphone import Softphone
from tests.sip.conftest import RATE, sweep
from tests.sip.far_end import FarEnd
from tests.sip.heard import Ticks, likeness, loud, samples

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]

WriteWav = Callable[[str, np.ndarray], Path]
LIKE, UNLIKE = 0.69, 0.3


async def connect(phone: Softphone, far: FarEnd) -> tuple[Leg, int, Ticks]:
    leg = await phone.dial(far.uri())
    ticks = Ticks(leg)
    other = await far.answered()
    await asyncio.wait_for(leg.answered, 5)
    await far.event("answered", leg=other)
    return leg, other, ticks


async def finish(leg: Leg, other: int, far: FarEnd) -> None:
    await leg.hangup()
    await asyncio.wait_for(leg.ended, 5)
    await far.event("ended", leg=other)


async def test_both_hear_each_other_tick_by_tick(phone: Softphone, far: FarEnd, write_wav: WriteWav) -> None:
    up, down = sweep(2.0), sweep(2.0, 3000, 300)
    leg, other, ticks = await connect(phone, far)
    await far.do("play", leg=other, wav=str(write_wav("down.wav", down)))
    playback = await leg.play(write_wav("up.wav", up))
    assert playback.seconds == 2.0
    assert await asyncio.wait_for(playback.done, 5) is True
    assert await playback.position() == 2.0
    await asyncio.sleep(1.0)
    count, span = len(ticks.times), ticks.times[-1] - ticks.times[0]
    assert abs(count - 1 - span / 0.02) <= 2
    assert set(ticks.states) == {LegState.CONNECTED}
    await finish(leg, other, far)
    assert np.array_equal(loud(ticks.ours)[: len(up)], up)  # what we send is recorded as it is
    assert len(loud(ticks.ours)) == len(up)
    assert likeness(ticks.theirs, down) > LIKE
    heard = samples(far.heard(other))
    assert likeness(heard, up) > LIKE
    assert likeness(heard, down) < UNLIKE


async def test_the_two_channels_stay_aligned(phone: Softphone, far: FarEnd, write_wav: WriteWav) -> None:
    """The far end echoes: what we sent comes back after the same time, early and late in the call."""
    leg, other, ticks = await connect(phone, far)
    await far.do("echo", leg=other)
    mark = write_wav("mark.wav", sweep(0.3))
    sent_at, heard_at = [], []
    for _ in range(4):
        playback = await leg.play(mark)
        await asyncio.wait_for(playback.done, 5)
        await asyncio.sleep(0.6)
    await finish(leg, other, far)
    for channel, places in ((ticks.ours, sent_at), (ticks.theirs, heard_at)):
        audible = np.flatnonzero(np.abs(channel.astype(int)) > 2000)
        starts = audible[np.flatnonzero(np.diff(audible, prepend=-RATE) > RATE // 4)]
        places.extend(int(start) for start in starts)
    assert len(sent_at) == len(heard_at) == 4
    delays = [(heard - sent) / RATE for sent, heard in zip(sent_at, heard_at, strict=True)]
    assert all(0 < delay < 0.5 for delay in delays)
    assert max(delays) - min(delays) <= 0.06  # jitter buffers may move a little, the clock may not


async def test_a_prompt_pauses_and_goes_on_at_the_same_sample(
    phone: Softphone, far: FarEnd, write_wav: WriteWav
) -> None:
    up = sweep(2.0)
    leg, other, ticks = await connect(phone, far)
    playback = await leg.play(write_wav("up.wav", up))
    await asyncio.sleep(0.7)
    paused_s = await playback.pause()
    assert 0.5 < paused_s < 1.2
    before = len(ticks.times)
    await asyncio.sleep(2.0)  # longer than the rest: a timer that runs on would end the prompt
    assert not playback.done.done()
    assert abs(await playback.position() - paused_s) <= 0.02
    still = ticks.ours[(before + 2) * 160 :]
    assert not still.any()
    await playback.resume()
    assert await asyncio.wait_for(playback.done, 5) is True
    await asyncio.sleep(0.3)
    await finish(leg, other, far)
    spoken = np.concatenate([t for t in np.split(ticks.ours, len(ticks.ours) // 160) if t.any()])
    assert np.array_equal(spoken[: len(up)], up) and not spoken[len(up) :].any()
    first = int(paused_s * RATE) - 400
    heard = samples(far.heard(other))
    assert likeness(heard, up[:first]) > LIKE and likeness(heard, up[first + 800 :]) > LIKE


async def test_a_prompt_is_stopped_replaced_and_cut_off(
    phone: Softphone, far: FarEnd, write_wav: WriteWav
) -> None:
    wav = write_wav("up.wav", sweep(3.0))
    leg, other, _ = await connect(phone, far)
    first = await leg.play(wav)
    await asyncio.sleep(0.3)
    second = await leg.play(wav)
    assert await first.done is False
    await asyncio.sleep(0.3)
    assert 0.2 < await second.stop() < 0.8
    assert second.done.result() is False
    assert await second.stop() == await second.position()
    third = await leg.play(wav, loop=True)
    await asyncio.sleep(0.2)
    await far.do("hangup", leg=other)
    assert await asyncio.wait_for(third.done, 5) is False
    await asyncio.wait_for(leg.ended, 5)
    late = await leg.play(wav)
    assert late.done.result() is False
    await late.pause()
    await late.resume()
    assert await late.stop() == 0.0


async def test_early_media_is_heard_before_the_answer(
    phone: Softphone, far: FarEnd, write_wav: WriteWav
) -> None:
    """183 with an announcement; the prompt that we have ready is kept for the one who answers."""
    announcement, greeting = sweep(1.0, 3000, 300), sweep(0.8)
    leg = await phone.dial(far.uri())
    ticks = Ticks(leg)
    other = (await far.event("incoming"))["leg"]
    await far.do("answer", leg=other, code=183)
    await far.do("play", leg=other, wav=str(write_wav("announcement.wav", announcement)))
    playback = await leg.play(write_wav("greeting.wav", greeting))
    await asyncio.sleep(1.5)
    assert leg.state is LegState.EARLY_MEDIA and not leg.answered.done()
    assert not playback.done.done() and await playback.position() == 0.0
    await far.do("answer", leg=other)
    await asyncio.wait_for(leg.answered, 5)
    assert await asyncio.wait_for(playback.done, 5) is True
    await finish(leg, other, far)
    assert likeness(ticks.theirs_in(LegState.EARLY_MEDIA), announcement) > LIKE
    assert likeness(ticks.theirs_in(LegState.CONNECTED), announcement) < UNLIKE
    early = sum(state is LegState.EARLY_MEDIA for state in ticks.states)
    assert not ticks.ours[: early * 160].any() and early > 50
    assert likeness(samples(far.heard(other)), greeting) > LIKE
    order = []
    while not leg.events.empty():
        order.append(leg.events.get_nowait().kind)
    assert [kind for kind in order if kind != "media"] == ["ringing", "early_media", "answered", "ended"]


async def test_an_announcement_without_an_answer(phone: Softphone, far: FarEnd, write_wav: WriteWav) -> None:
    announcement = sweep(0.8)
    leg = await phone.dial(far.uri())
    ticks = Ticks(leg)
    other = (await far.event("incoming"))["leg"]
    await far.do("answer", leg=other, code=183)
    await far.do("play", leg=other, wav=str(write_wav("announcement.wav", announcement)))
    await asyncio.sleep(1.2)
    await far.do("answer", leg=other, code=404)
    assert (await asyncio.wait_for(leg.ended, 5)).code == 404
    assert leg.answered.cancelled()
    assert likeness(ticks.theirs, announcement) > LIKE


async def test_rtp_flows_from_the_answer_on(phone: Softphone, far: FarEnd) -> None:
    leg, other, _ = await connect(phone, far)
    await asyncio.sleep(0.5)
    assert await far.do("packets", leg=other) >= 15
    assert await leg.received_packets() >= 15
    await finish(leg, other, far)


async def test_debtor_and_agent_are_joined_after_a_whisper(
    phone: Softphone, far: FarEnd, write_wav: WriteWav, tmp_path: Path
) -> None:
    debtor_voice, agent_voice, whisper = sweep(1.0), sweep(1.0, 3000, 300), sweep(0.8, 1000, 2000)
    async with FarEnd(tmp_path / "agent") as agent:
        debtor_leg, debtor, debtor_ticks = await connect(phone, far)
        agent_leg, agents, agent_ticks = await connect(phone, agent)
        playback = await agent_leg.play(write_wav("whisper.wav", whisper))
        await asyncio.wait_for(playback.done, 5)
        await bridge.join(debtor_leg, agent_leg)
        await far.do("play", leg=debtor, wav=str(write_wav("debtor.wav", debtor_voice)))
        await agent.do("play", leg=agents, wav=str(write_wav("agent.wav", agent_voice)))
        await asyncio.sleep(1.6)
        await bridge.part(debtor_leg, agent_leg)
        await asyncio.sleep(0.1)
        parted = len(debtor_ticks.times)
        await agent.do("play", leg=agents, wav=str(tmp_path / "agent.wav"))
        await asyncio.sleep(1.3)
        await finish(agent_leg, agents, agent)
        await finish(debtor_leg, debtor, far)
        assert likeness(samples(agent.heard(agents)), whisper) > LIKE
        assert likeness(samples(agent.heard(agents)), debtor_voice) > LIKE
    heard = samples(far.heard(debtor))
    assert likeness(heard, agent_voice) > LIKE and likeness(heard, whisper) < UNLIKE
    assert likeness(debtor_ticks.ours[: parted * 160], agent_voice) > LIKE  # the recording has the agent
    assert likeness(debtor_ticks.ours[parted * 160 :], agent_voice) < UNLIKE
    assert likeness(debtor_ticks.theirs, debtor_voice) > LIKE
    assert likeness(agent_ticks.ours, debtor_voice) > LIKE


async def test_a_joined_leg_that_was_on_hold_is_joined_again(
    phone: Softphone, far: FarEnd, write_wav: WriteWav, tmp_path: Path
) -> None:
    debtor_voice, agent_voice = sweep(0.8), sweep(0.8, 3000, 300)
    async with FarEnd(tmp_path / "agent") as agent:
        debtor_leg, debtor, _ = await connect(phone, far)
        agent_leg, agents, agent_ticks = await connect(phone, agent)
        await bridge.join(debtor_leg, agent_leg)
        await far.do("hold", leg=debtor)
        await asyncio.sleep(0.4)
        await far.do("unhold", leg=debtor)
        await asyncio.sleep(0.4)
        await far.do("play", leg=debtor, wav=str(write_wav("debtor.wav", debtor_voice)))
        await agent.do("play", leg=agents, wav=str(write_wav("agent.wav", agent_voice)))
        await asyncio.sleep(1.3)
        await finish(debtor_leg, debtor, far)
        await asyncio.sleep(0.2)
        assert agent_leg.state is LegState.CONNECTED
        await finish(agent_leg, agents, agent)
        assert likeness(samples(agent.heard(agents)), debtor_voice) > LIKE
    assert likeness(samples(far.heard(debtor)), agent_voice) > LIKE
    assert likeness(agent_ticks.ours, debtor_voice) > LIKE


async def test_listening_one_way(phone: Softphone, far: FarEnd, write_wav: WriteWav, tmp_path: Path) -> None:
    voice, other_voice = sweep(0.8), sweep(0.8, 3000, 300)
    async with FarEnd(tmp_path / "listener") as listener:
        leg, other, _ = await connect(phone, far)
        listening_leg, listening, _ = await connect(phone, listener)
        await bridge.hear(leg, listening_leg)
        await far.do("play", leg=other, wav=str(write_wav("a.wav", voice)))
        await listener.do("play", leg=listening, wav=str(write_wav("b.wav", other_voice)))
        await asyncio.sleep(1.3)
        await finish(leg, other, far)
        await bridge.hear(leg, listening_leg)  # one of them has gone: nothing happens
        await finish(listening_leg, listening, listener)
        assert likeness(samples(listener.heard(listening)), voice) > LIKE
    assert likeness(samples(far.heard(other)), other_voice) < UNLIKE


async def test_hold_and_back_keeps_prompt_and_ticks(
    phone: Softphone, far: FarEnd, write_wav: WriteWav
) -> None:
    """Each re-INVITE gives the leg another place on the bridge; a prompt waits for it and goes on."""
    up, down = sweep(2.0), sweep(1.0, 3000, 300)
    leg, other, ticks = await connect(phone, far)
    playback = await leg.play(write_wav("up.wav", up))
    await asyncio.sleep(0.5)
    await leg.hold()
    await asyncio.sleep(0.8)
    held_s = await playback.position()
    await leg.unhold()
    assert await asyncio.wait_for(playback.done, 6) is True
    await far.do("play", leg=other, wav=str(write_wav("down.wav", down)))
    await asyncio.sleep(1.5)
    await far.do("hold", leg=other)
    await asyncio.sleep(0.4)
    await far.do("unhold", leg=other)
    await asyncio.sleep(0.4)
    await far.do("play", leg=other, wav=str(write_wav("down.wav", down)))
    await asyncio.sleep(1.5)
    count, span = len(ticks.times), ticks.times[-1] - ticks.times[0]
    await finish(leg, other, far)
    assert 0.4 < held_s < 1.0
    assert abs(count - 1 - span / 0.02) <= 2
    spoken = np.concatenate([t for t in np.split(ticks.ours, len(ticks.ours) // 160) if t.any()])
    assert np.array_equal(spoken[: len(up)], up)
    half = len(ticks.theirs) - int(1.8 * RATE)
    assert likeness(ticks.theirs[:half], down) > LIKE and likeness(ticks.theirs[half:], down) > LIKE


@pytest.mark.parametrize("fault", ["missing", "rate", "short"])
async def test_a_sound_file_that_cannot_be_played_is_named(
    phone: Softphone, far: FarEnd, write_wav: WriteWav, tmp_path: Path, fault: str
) -> None:
    leg, other, _ = await connect(phone, far)
    path = tmp_path / "x.wav"
    if fault == "short":
        write_wav("x.wav", sweep(0.01))
    elif fault == "rate":
        data = bytearray(write_wav("x.wav", sweep(0.5)).read_bytes())
        data[24:28] = (16000).to_bytes(4, "little")
        path.write_bytes(data)
    with pytest.raises(SipError) as refused:
        await leg.play(path)
    assert refused.value.where == path
    await finish(leg, other, far)


async def test_an_owner_that_fails_does_not_cost_the_others_their_audio(
    phone: Softphone, far: FarEnd
) -> None:
    leg, other, _ = await connect(phone, far)
    second, second_other, ticks = await connect(phone, far)
    faults: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: faults.append(context))

    def fail(theirs: bytes, ours: bytes) -> None:
        raise RuntimeError("the owner's fault")

    leg.on_tick = fail
    before = len(ticks.times)
    await asyncio.sleep(0.5)
    loop.set_exception_handler(None)
    leg.on_tick = None
    assert len(ticks.times) - before >= 15 and len(faults) >= 15
    await finish(leg, other, far)
    await finish(second, second_other, far)
