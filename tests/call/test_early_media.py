"""What sounds before the answer, from its frames to the disposition of the attempt."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sip.leg import LegState
from tests.call.line import Recognizer, Speech, Vad, play, silence, voice
from tests.speech.conftest import frames
from tests.speech.synthetic import cadence, tone
from voicebot.call.attempt import Attempt
from voicebot.call.early_media import DISPOSITIONS, TONES
from voicebot.call.ringing import Ringing
from voicebot.campaign.campaign_file import TRIED_AGAIN
from voicebot.simulate.virtual_time import on_virtual_time
from voicebot.speech.asr.engine import Hypothesis
from voicebot.store.states import Disposition

RINGS_S = 20.0
SAID = {
    "您好，您拨打的号码是空号，请核对后再拨": Disposition.EMPTY_NUMBER,
    "您好，您拨打的电话已关机": Disposition.POWERED_OFF,
    "您好，您拨打的电话已停机": Disposition.SUSPENDED,
    "您好，您拨打的电话正在通话中，请稍后再拨": Disposition.BUSY,
    "您好，您拨打的电话暂时无法接通": Disposition.UNREACHABLE,
    "您好，您拨打的电话暂时无人接听": Disposition.NO_ANSWER,
    "您拨打的用户已启用来电提醒业务": Disposition.NO_ANSWER,
    "电话已转接到语音信箱，请在提示音后留言": Disposition.VOICEMAIL,
    "您好，我是机主的智能助理，请问您有什么事": Disposition.ASSISTANT,
    "Sorry, the subscriber you dialed is powered off": Disposition.POWERED_OFF,
}


class Leg:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[float] = loop.create_future()
        self.ended: asyncio.Future[Any] = loop.create_future()


def came_to(
    sounds: list[bytes], *texts: str, picks_up_at: float | None = None, recognizer: Recognizer | None = None
) -> tuple[Disposition | None, float]:
    """The attempt's disposition (None: answered), and after how many seconds."""

    async def call() -> tuple[Disposition | None, float]:
        loop = asyncio.get_running_loop()
        leg = Leg()
        ringing = Ringing(leg, RINGS_S, Speech(recognizer or Recognizer(*texts)), Vad)  # type: ignore[arg-type]
        assert ringing.early_media()
        assert not ringing.early_media()
        if picks_up_at is not None:
            loop.call_at(picks_up_at, leg.answered.set_result, picks_up_at)
        line = asyncio.ensure_future(play(sounds, lambda theirs: ringing.on_tick(theirs, bytes(320))))
        found, at = await ringing.wait(), loop.time()
        line.cancel()
        await ringing.close()
        return found, at

    return on_virtual_time(call())


@pytest.mark.parametrize(("text", "disposition"), SAID.items())
def test_an_announcement_ends_the_attempt_before_any_answer(text: str, disposition: Disposition) -> None:
    found, at = came_to([*silence(0.5), *voice(5.0), *silence(10.0)], text)
    assert found is disposition
    assert at < 7.0


def test_call_waiting_is_not_given_up() -> None:
    text = "您拨打的用户正在通话中，请不要挂机"
    assert came_to([*voice(5.0), *silence(9.0)], text, picks_up_at=12.0)[0] is None


def test_call_waiting_that_nobody_takes_was_busy() -> None:
    found, at = came_to([*voice(5.0), *silence(9.0)], "您好，请不要挂机，您拨打的电话正在通话中")
    assert (found, round(at)) == (Disposition.BUSY, RINGS_S)


def test_busy_waits_for_the_rest_of_the_sentence() -> None:
    sounds = [*voice(2.0), *silence(0.7), *voice(1.5), *silence(5.0)]
    assert came_to(sounds, "您拨打的用户正在通话中", "请不要挂机", picks_up_at=10.0)[0] is None


def test_what_follows_in_english_does_not_change_busy() -> None:
    sounds = [*voice(3.0), *silence(1.0), *voice(3.0), *silence(5.0)]
    found, _ = came_to(sounds, "您拨打的电话正在通话中，请稍后再拨", "您好，您拨打的电话已关机")
    assert found is Disposition.BUSY


def test_the_beginning_of_a_sentence_may_be_misread() -> None:
    class Corrected(Recognizer):
        async def speculate(self, alternatives: int = 1) -> Hypothesis:
            early = self.fed_s < 4.0
            text = "您好，您拨打的电话正在通话中" if early else "您好，您拨打的电话暂时无人接听，请稍后再拨"
            return Hypothesis(text, 0.8, False, "written", 1.0)

    found, _ = came_to([*voice(5.0), *silence(8.0)], recognizer=Corrected())
    assert found is Disposition.NO_ANSWER


def test_what_comes_of_call_waiting_is_still_heard() -> None:
    sounds = [*voice(4.0), *silence(3.0), *voice(4.0), *silence(3.0)]
    found, _ = came_to(sounds, "您拨打的用户正在通话中，请不要挂机", "您拨打的用户暂时无人接听")
    assert found is Disposition.NO_ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "欢迎致电宏达贸易有限公司",
        "您拨打的",
        "我爱你中国亲爱的母亲",
        "电话正在为您接通请稍候",
        "您好，是空号",
    ],
)
def test_a_melody_or_a_firms_ring_back_only_rings(text: str) -> None:
    assert came_to(voice(15.0), text, text, picks_up_at=15.0)[0] is None


def test_an_announcement_that_the_recogniser_makes_up_is_none() -> None:
    unsure = Recognizer("您好，您拨打的电话已关机", confidence=0.45)
    assert came_to(voice(15.0), picks_up_at=15.0, recognizer=unsure)[0] is None


def test_two_notes_of_a_melody_are_no_busy_tone() -> None:
    notes = frames(cadence([0.35, 0.35, 0.35, 3.0], 14.0))
    assert came_to(notes, picks_up_at=14.0)[0] is None


def test_a_melody_without_rests_is_no_busy_tone() -> None:
    a, e = frames(tone(440, 0.36)), frames(tone(660, 0.36))
    assert came_to([*a, *e] * 15, picks_up_at=10.0)[0] is None


def test_nothing_before_the_answer_is_a_person() -> None:
    assert came_to(voice(15.0), "喂，你好", "喂，你好")[0] is Disposition.NO_ANSWER


@pytest.mark.parametrize(
    ("pattern", "found"),
    [([1.0, 4.0], None), ([0.35, 0.35], Disposition.BUSY), ([0.7, 0.7], Disposition.UNREACHABLE)],
)
def test_tones_of_the_network(pattern: list[float], found: Disposition | None) -> None:
    assert came_to(frames(cadence(pattern, 14.0)), picks_up_at=14.0)[0] is found


async def test_the_ear_gets_every_packet_from_the_answer_on_and_none_from_before() -> None:
    early: list[bytes] = []
    heard: list[bytes] = []
    tools: Any = SimpleNamespace(now=lambda: datetime.now(UTC))
    order: Any = SimpleNamespace(attempt_id="a")
    attempt = Attempt(order, tools)
    attempt._ear = SimpleNamespace(hear=heard.append)  # type: ignore[assignment]
    ringing: Any = SimpleNamespace(on_tick=lambda theirs, ours: early.append(theirs))
    leg: Any = SimpleNamespace(state=LegState.EARLY_MEDIA)
    for number in range(6):
        if number == 3:  # the stack has told of the 200 OK; nobody has woken up yet
            leg.state = LegState.CONNECTED
        attempt._on_early_tick(leg, ringing, bytes([number]), b"")
    assert (b"".join(early), b"".join(heard)) == (bytes([0, 1, 2]), bytes([3, 4, 5]))


@pytest.mark.parametrize("disposition", sorted({*DISPOSITIONS.values(), *TONES.values()}))
def test_a_campaign_may_try_again_after_whatever_was_announced(disposition: Disposition) -> None:
    assert disposition in TRIED_AGAIN
