"""From the INVITE to the answer, or to what came instead of one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sip.cause import Cause, CauseKind
from voicebot.call.ringing import BY_CAUSE, Ringing
from voicebot.store.states import Disposition


class Leg:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[float] = loop.create_future()
        self.ended: asyncio.Future[Cause] = loop.create_future()

    def end(self, kind: CauseKind) -> None:
        self.answered.cancel()
        self.ended.set_result(Cause(486, "", kind, remote=True))


class Announcement:
    """Early media whose words are only understood when it is over."""

    text = "您拨打的号码是空号"

    def __init__(self) -> None:
        self.verdict: asyncio.Future[Disposition] = asyncio.get_running_loop().create_future()

    async def last_words(self, within_s: float) -> None:
        self.verdict.set_result(Disposition.EMPTY_NUMBER)


def ringing(leg: Leg, ring_s: float = 5.0) -> Ringing:
    nobody: Any = None
    return Ringing(leg, ring_s, nobody, nobody)  # type: ignore[arg-type]


async def test_an_answer_ends_the_ringing() -> None:
    leg = Leg()
    asyncio.get_running_loop().call_later(0.05, leg.answered.set_result, 1.0)
    assert await ringing(leg).wait() is None


@pytest.mark.parametrize("kind", list(CauseKind))
async def test_every_sip_result_is_a_disposition(kind: CauseKind) -> None:
    leg = Leg()
    asyncio.get_running_loop().call_later(0.01, leg.end, kind)
    assert await ringing(leg).wait() is BY_CAUSE[kind]


async def test_nobody_picks_up_in_the_campaigns_ring_time() -> None:
    assert await ringing(Leg(), ring_s=0.1).wait() is Disposition.NO_ANSWER


async def test_an_announcement_is_a_verdict_before_the_sip_result() -> None:
    leg, heard = Leg(), Announcement()
    phone = ringing(leg)
    phone._early = heard  # type: ignore[assignment]
    heard.verdict.set_result(Disposition.POWERED_OFF)
    assert await phone.wait() is Disposition.POWERED_OFF
    assert phone.announcement == "您拨打的号码是空号"


async def test_an_announcement_that_the_result_cuts_off_is_still_read() -> None:
    leg = Leg()
    phone = ringing(leg)
    phone._early = Announcement()  # type: ignore[assignment]
    asyncio.get_running_loop().call_later(0.01, leg.end, CauseKind.CARRIER_FAILED)
    assert await phone.wait() is Disposition.EMPTY_NUMBER
