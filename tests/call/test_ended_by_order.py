"""A call that somebody wants ended (a revoked talk track, a stop): it says goodbye, and spares people."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dialogs.policy import Command
from tests.call.test_conversation import Call, Dialog, says
from voicebot.call.outcome import Outcome
from voicebot.store.states import Disposition

REVOKED = "its talk track was revoked"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.call.opening.SILENCE_S", 0.01)


def in_a_while(call: Call) -> None:
    asyncio.get_running_loop().call_later(0.05, call.conversation.end, REVOKED)


async def test_a_call_in_progress_says_its_approved_closing_line_and_hangs_up() -> None:
    call = Call(Dialog(start=says("C.open")))
    in_a_while(call)
    assert await call.run() == Outcome(Disposition.NOT_UNDERSTOOD, "bot")
    assert call.mouth.lines == [("C.open", 0), ("C.end", 0)]
    assert [(event.kind, event.detail) for event in call.transcript.events][-1] == ("ended_by_order", REVOKED)


async def test_a_call_that_was_to_end_before_it_began_says_only_goodbye() -> None:
    call = Call(Dialog(start=says("C.open")))
    call.conversation.end(REVOKED)
    await call.run()
    assert call.mouth.lines == [("C.end", 0)]


async def test_people_who_talk_are_left_alone() -> None:
    call = Call(Dialog(start=says("C.human", command=Command("handoff", "HUMAN"))))
    call.hand_over_s = 0.3
    in_a_while(call)
    assert await call.run() == Outcome(Disposition.HUMAN, "agent")
    assert call.mouth.lines == [("C.human", 0)]


async def test_somebody_in_danger_is_not_hung_up_on() -> None:
    crisis = replace(says("C.crisis"), keeps_open=True)
    dialog = Dialog(
        start=says("C.open"),
        不想活了=crisis,
        再见=says("C.crisis_bye", command=Command("hangup", "VULNERABLE")),
    )
    call = Call(dialog)
    call.said("不想活了")
    in_a_while(call)
    asyncio.get_running_loop().call_later(0.3, call.said, "再见")
    assert (await call.run()).disposition is Disposition.VULNERABLE
    assert ("C.end", 0) not in call.mouth.lines
