"""Handoffs over real SIP and RTP: debtor and agents are phones in a process of their own.

Each side speaks a tone of its own; what an end heard is judged by which tones are in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from handoff.consult import WarmTransfer
from handoff.queue import AgentQueue
from handoff.result import TransferResult
from handoff.seat_line import LineDesk
from handoff.settings import QueueSettings
from handoff.states import HandoffState, SeatOutcome
from sip.leg import Leg
from sip.softphone import PhoneSettings, Softphone
from tests.handoff.paper_phone import queue_with, tone
from tests.sip.far_end import FarEnd

pytestmark = pytest.mark.calls

H, S = HandoffState, SeatOutcome
RATE = 8000
DEBTOR_HZ, HOLD_HZ, AGENT_HZ, WHISPER_HZ, GONE_HZ, BOT_HZ = 400.0, 900.0, 1500.0, 2200.0, 2700.0, 3000.0
WHISPER_S = 1.0
SETTLE = 2 * int(0.75 * RATE)
"""0.75 s in bytes: the far end's files lag behind by a write buffer of 0.5 s, RTP by its jitter buffer."""
SETTINGS = QueueSettings(
    name="general", skill="general", max_wait_s=12, ring_s=1.5, tries=3, accept_key="1", accept_s=2,
    return_key="*",
)  # fmt: skip


def strength(pcm: bytes, hz: float) -> float:
    """How strong a tone is in 16 bit audio, dB below full scale; -120 when there is no audio."""
    samples = np.frombuffer(pcm, "<i2").astype(float) / 32768
    if not len(samples):
        return -120.0
    wave = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / RATE)
    return float(20 * np.log10(2 * abs(np.mean(samples * wave)) + 1e-6))


def hears(pcm: bytes, hz: float) -> bool:
    return any(strength(pcm[at : at + 1600], hz) > -30 for at in range(0, len(pcm), 1600))


@dataclass
class Scene:
    folder: Path
    far: FarEnd
    phone: Softphone
    debtor: Leg
    debtor_far: int
    queue: AgentQueue
    desk: LineDesk
    states: list[HandoffState] = field(default_factory=list)
    reached: dict[HandoffState, asyncio.Event] = field(
        default_factory=lambda: {state: asyncio.Event() for state in HandoffState}
    )
    result: asyncio.Task[TransferResult] | None = None
    said: list[tuple[float, bytes]] = field(default_factory=list)
    "Loop time and 20 ms of what the debtor is sent."

    def begin(self, settings: QueueSettings) -> None:
        def note(state: HandoffState, detail: str) -> None:
            self.states.append(state)
            self.reached[state].set()

        transfer = WarmTransfer(
            self.debtor,
            self.phone,
            self.desk,
            whisper=tone(self.folder / "whisper.wav", WHISPER_HZ, WHISPER_S),
            hold=tone(self.folder / "hold.wav", HOLD_HZ, 1),
            gone=tone(self.folder / "gone.wav", GONE_HZ, 0.4),
            settings=settings,
            attempt_id="att-1",
            on_state=note,
        )
        self.result = asyncio.ensure_future(transfer.run())

    async def until(self, state: HandoffState) -> None:
        await asyncio.wait_for(self.reached[state].wait(), 10)

    async def rung(self, agent: str) -> int:
        """The far leg on which this agent's phone rings."""
        incoming = await self.far.event("incoming")
        assert f"sip:{agent}@" in incoming["headers"]["To"]
        assert incoming["headers"]["X-Voicebot-Attempt"] == "att-1"
        leg: int = incoming["leg"]
        await self.far.do("answer", leg=leg, code=180)
        return leg

    async def answers(self, agent: str) -> int:
        leg = await self.rung(agent)
        await self.far.do("answer", leg=leg)
        await self.far.do("play", leg=leg, wav=str(tone(self.folder / "agent.wav", AGENT_HZ, 1)), loop=True)
        return leg

    async def accepts(self, agent: str) -> int:
        leg = await self.answers(agent)
        await self.until(H.WHISPER)
        await asyncio.sleep(WHISPER_S / 2)
        await self.far.do("dtmf", leg=leg, digits="1")
        await self.until(H.BRIDGED)
        return leg

    async def over(self) -> TransferResult:
        """The end of the transfer; then nothing of it may be left on the bot's phone or in the queue."""
        assert self.result is not None
        result = await asyncio.wait_for(self.result, 15)
        assert self.queue.reservations() == []
        left = 0 if self.debtor.ended.done() else 1
        for _ in range(100):
            if self.phone.slots_in_use() == left:
                break
            await asyncio.sleep(0.02)
        assert self.phone.slots_in_use() == left, "a leg is left"
        return result

    def sent(self, hz: float) -> list[float]:
        """When the debtor was sent this tone: the times of its ticks."""
        return [at for at, pcm in self.said if strength(pcm, hz) > -30]

    def mark(self, leg: int) -> int:
        """How much a far leg has heard so far, in bytes."""
        return len(self.far.heard(leg))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with FarEnd(tmp_path / "far") as far, Softphone(PhoneSettings()) as phone:
        debtor = await phone.dial(far.uri("debtor"))
        debtor_far = await far.answered()
        await asyncio.wait_for(asyncio.shield(debtor.answered), 5)
        speech = tone(tmp_path / "debtor.wav", DEBTOR_HZ, 1)
        await far.do("play", leg=debtor_far, wav=str(speech), loop=True)
        agents = {name: far.uri(name) for name in ("a", "b")}
        queue, _, desk = queue_with(agents, SETTINGS)
        made = Scene(tmp_path, far, phone, debtor, debtor_far, queue, desk)
        loop = asyncio.get_running_loop()
        debtor.on_tick = lambda theirs, ours: made.said.append((loop.time(), ours))
        yield made
        await debtor.hangup()


def settings_with(**changes: object) -> QueueSettings:
    return SETTINGS.model_copy(update=changes)


async def test_an_accepted_handoff_who_hears_whom(scene: Scene) -> None:
    scene.begin(SETTINGS)
    await asyncio.sleep(1.5)
    agent = await scene.answers("a")
    await scene.until(H.WHISPER)
    await asyncio.sleep(WHISPER_S / 2)
    await scene.far.do("dtmf", leg=agent, digits="1")
    await scene.until(H.BRIDGED)
    debtor_until_bridge, agent_until_bridge = scene.mark(scene.debtor_far), scene.mark(agent)
    await asyncio.sleep(1.5)
    await scene.far.do("hangup", leg=agent)
    result = await scene.over()
    assert (result.state, result.ended_by, result.agent_id) == (H.WRAP_UP, "agent", "a")
    assert not scene.debtor.ended.done()
    assert result.bridged_at is not None
    assert scene.sent(HOLD_HZ)[-1] <= result.bridged_at + 0.1
    # The packets of the pressed key take the place of the agent's voice for up to 0.2 s.
    assert scene.sent(AGENT_HZ)[0] <= result.bridged_at + 0.5

    debtor_heard, agent_heard = scene.far.heard(scene.debtor_far), scene.far.heard(agent)
    waiting, talking = debtor_heard[:debtor_until_bridge], debtor_heard[debtor_until_bridge + SETTLE :]
    assert hears(waiting, HOLD_HZ)
    assert not hears(waiting, AGENT_HZ), "nothing of the agent before the bridge"
    assert not hears(debtor_heard, WHISPER_HZ), "the whisper is for the agent only"
    assert hears(talking, AGENT_HZ)
    assert not hears(talking, HOLD_HZ), "hold is silent once they talk"
    briefed, talked = agent_heard[:agent_until_bridge], agent_heard[agent_until_bridge + SETTLE :]
    assert hears(briefed, WHISPER_HZ)
    assert not hears(briefed, DEBTOR_HZ), "the agent is briefed in private"
    assert not hears(agent_heard, HOLD_HZ)
    assert hears(talked, DEBTOR_HZ)
    assert not hears(talked, WHISPER_HZ), "the accepted whisper is cut off"


async def test_answering_is_accepting_where_no_key_is_required(scene: Scene) -> None:
    scene.begin(settings_with(accept_key=None))
    agent = await scene.answers("a")
    await scene.until(H.BRIDGED)
    await asyncio.sleep(0.5)
    await scene.far.do("hangup", leg=scene.debtor_far)
    await scene.far.event("ended", leg=agent)
    result = await scene.over()
    assert (result.state, result.ended_by) == (H.WRAP_UP, "debtor")
    assert result.bridged_at is not None and result.whisper_at is not None
    assert result.bridged_at - result.whisper_at >= WHISPER_S * 0.9
    assert hears(scene.far.heard(agent), DEBTOR_HZ)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(603, S.DECLINED), (486, S.BUSY), (480, S.NO_ANSWER), (None, S.NO_ANSWER)],
    ids=["declined", "busy", "temporarily unavailable", "rings in vain"],
)
async def test_who_does_not_answer_is_followed_by_the_next(
    scene: Scene, code: int | None, outcome: SeatOutcome
) -> None:
    scene.begin(SETTINGS)
    first = await scene.rung("a")
    if code is not None:
        await scene.far.do("answer", leg=first, code=code)
    await scene.far.event("ended", leg=first)
    second = await scene.accepts("b")
    await scene.far.do("hangup", leg=second)
    result = await scene.over()
    assert result.tried == [("a", outcome), ("b", S.TALKED)]
    assert scene.states == [H.RESERVING, H.RINGING, H.RESERVING, H.RINGING, H.WHISPER, H.BRIDGED, H.WRAP_UP]


async def test_who_drops_out_of_the_whisper_is_followed_by_the_next(scene: Scene) -> None:
    scene.begin(SETTINGS)
    first = await scene.answers("a")
    await scene.until(H.WHISPER)
    await asyncio.sleep(0.3)
    await scene.far.do("hangup", leg=first)
    second = await scene.accepts("b")
    await scene.far.do("hangup", leg=second)
    result = await scene.over()
    assert result.tried == [("a", S.DROPPED), ("b", S.TALKED)]
    assert not hears(scene.far.heard(first), DEBTOR_HZ)


async def test_a_debtor_who_hangs_up_cancels_the_ringing(scene: Scene) -> None:
    scene.begin(settings_with(ring_s=5))
    agent = await scene.rung("a")
    loop = asyncio.get_running_loop()
    await scene.far.do("hangup", leg=scene.debtor_far)
    hung_up = loop.time()
    ended = await scene.far.event("ended", leg=agent)
    assert loop.time() - hung_up < 1
    assert ended["kind"] == "cancelled"
    result = await scene.over()
    assert (result.state, result.tried) == (H.ABANDONED, [("a", S.DEBTOR_GONE)])


async def test_an_agent_whose_debtor_hangs_up_in_the_whisper_is_told(scene: Scene) -> None:
    scene.begin(SETTINGS)
    agent = await scene.answers("a")
    await scene.until(H.WHISPER)
    await asyncio.sleep(0.3)
    await scene.far.do("hangup", leg=scene.debtor_far)
    await scene.far.event("ended", leg=agent)
    assert (await scene.over()).state is H.ABANDONED
    assert hears(scene.far.heard(agent), GONE_HZ)


async def test_nobody_free_is_a_callback_and_hold_falls_silent(scene: Scene) -> None:
    for other in ("x", "y"):
        assert scene.queue.reserve("general", other, worker="w9") is not None
    scene.begin(settings_with(max_wait_s=2.5))
    assert scene.result is not None
    result = await asyncio.wait_for(scene.result, 6)
    assert (result.state, result.reason) == (H.CALLBACK, "wait_over")
    await asyncio.sleep(0.2)
    assert result.ended_at is not None
    assert scene.sent(HOLD_HZ)[0] <= result.asked_at + 0.2
    assert scene.sent(HOLD_HZ)[-1] <= result.ended_at + 0.1
    silent_from = scene.mark(scene.debtor_far) + SETTLE
    # What the bot says next is heard alone.
    bot = await scene.debtor.play(tone(scene.folder / "bot.wav", BOT_HZ, 2.5))
    await asyncio.wait_for(bot.done, 6)
    await scene.far.do("hangup", leg=scene.debtor_far)
    await scene.far.event("ended", leg=scene.debtor_far)
    heard = scene.far.heard(scene.debtor_far)
    assert hears(heard[:silent_from], HOLD_HZ)
    assert hears(heard[silent_from:], BOT_HZ)
    assert not hears(heard[silent_from:], HOLD_HZ)


async def test_an_agent_gives_the_debtor_back_and_the_bot_goes_on_alone(scene: Scene) -> None:
    scene.begin(SETTINGS)
    agent = await scene.accepts("a")
    await asyncio.sleep(0.5)
    await scene.far.do("dtmf", leg=agent, digits="*")
    await scene.far.event("ended", leg=agent)
    result = await scene.over()
    assert (result.state, result.returned, result.tried) == (H.RETURNED, True, [("a", S.RETURNED)])
    alone = scene.mark(scene.debtor_far) + SETTLE
    bot = await scene.debtor.play(tone(scene.folder / "bot.wav", BOT_HZ, 1))
    await asyncio.wait_for(bot.done, 5)
    await scene.far.do("hangup", leg=scene.debtor_far)
    await scene.far.event("ended", leg=scene.debtor_far)
    heard = scene.far.heard(scene.debtor_far)
    assert hears(heard[alone:], BOT_HZ)
    assert not hears(heard[alone:], AGENT_HZ)


async def test_a_second_handoff_of_the_same_call_after_the_first_came_back(scene: Scene) -> None:
    for agent_id in ("a", "b"):
        scene.reached = {state: asyncio.Event() for state in HandoffState}
        scene.begin(SETTINGS)
        agent = await scene.accepts(agent_id)
        await asyncio.sleep(0.3)
        await scene.far.do("dtmf", leg=agent, digits="*")
        await scene.far.event("ended", leg=agent)
        assert (await scene.over()).returned
        assert hears(scene.far.heard(agent), DEBTOR_HZ)


def test_the_ear_of_these_tests_tells_tones_apart(tmp_path: Path) -> None:
    heard = tone(tmp_path / "t.wav", AGENT_HZ, 1).read_bytes()[44:]
    assert hears(heard, AGENT_HZ)
    others = [DEBTOR_HZ, HOLD_HZ, WHISPER_HZ, GONE_HZ, BOT_HZ]
    assert not any(hears(heard, hz) for hz in others)
    assert not hears(bytes(16000), AGENT_HZ)
