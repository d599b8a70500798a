"""What becomes of a call that a machine answered: what is said to it, when, and what it comes to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dialogs.policy import LineRef
from sip.leg import LegState
from tests.call.test_conversation import Call, Dialog, end, says
from voicebot.call.inbox import Inbox, Machine
from voicebot.call.listening import Utterance
from voicebot.call.machine import Moment
from voicebot.call.outcome import Outcome
from voicebot.call.prompt_book import Prompt
from voicebot.call.speaking import Mouth
from voicebot.simulate.virtual_time import on_virtual_time
from voicebot.store.states import Disposition

MESSAGE = says("C.vm", command=end("VOICEMAIL"))


class Mailbox:
    """The watch, as far as a message needs it."""

    def __init__(self, moment: Moment) -> None:
        self._moment, self.asked = moment, False

    def settle(self) -> None: ...

    async def moment(self, gone: object) -> Moment:
        self.asked = True
        return self._moment


def answered_by(by: Machine, moment: Moment | None, **replies: Any) -> tuple[Outcome, Call, Mailbox | None]:
    """A call whose machine is known before the greeting; `moment` None: the campaign leaves no message."""

    async def run() -> tuple[Outcome, Call, Mailbox | None]:
        call = Call(Dialog(start=says("C.open"), hangup=says("-"), **replies))
        mailbox = None if moment is None else Mailbox(moment)
        call.conversation._mailbox = mailbox  # type: ignore[assignment]
        call.mouth.after["C.open"] = lambda: call.said("再见")
        call.inbox.put(by)
        return await call.run(), call, mailbox

    return on_virtual_time(run())


def spoken(call: Call) -> list[str]:
    return [line for line, _ in call.mouth.lines]


@pytest.mark.parametrize("moment", [Moment.BEEP, Moment.SILENCE])
def test_a_message_is_left_when_the_mailbox_records(moment: Moment) -> None:
    outcome, call, _ = answered_by(Machine("VOICEMAIL"), moment, machine=MESSAGE)
    assert spoken(call) == ["C.vm"]
    assert outcome == Outcome(Disposition.VOICEMAIL, "bot")
    assert [event.detail for event in call.transcript.events if event.kind == "mailbox"] == [moment]


def test_nothing_is_said_to_a_mailbox_that_never_records() -> None:
    outcome, call, _ = answered_by(Machine("VOICEMAIL"), Moment.NEVER, machine=MESSAGE)
    assert "C.vm" not in spoken(call)
    assert outcome.disposition is Disposition.VOICEMAIL


def test_without_a_message_it_is_hung_up_at_once() -> None:
    over = says("-", command=end("VOICEMAIL"))
    outcome, call, _ = answered_by(Machine("VOICEMAIL"), None, machine=over)
    assert outcome.disposition is Disposition.VOICEMAIL
    assert "C.open" not in spoken(call)


def test_a_person_who_picks_up_meanwhile_is_greeted() -> None:
    bye = says("C.end", command=end("CALLBACK"))
    outcome, call, _ = answered_by(Machine("VOICEMAIL"), Moment.PERSON, machine=MESSAGE, 再见=bye)
    assert spoken(call)[0] == "C.open"
    assert "machine" not in {event.kind for event in call.dialog.events}
    assert outcome.disposition is Disposition.CALLBACK


def test_an_assistant_gets_no_message() -> None:
    over = says("-", command=end("ASSISTANT"))
    outcome, _, mailbox = answered_by(Machine("ASSISTANT"), Moment.BEEP, machine=over, ASSISTANT=over)
    assert outcome.disposition is Disposition.ASSISTANT
    assert mailbox is not None
    assert not mailbox.asked


def test_a_network_that_answers_gets_no_message_and_says_what_it_is() -> None:
    switched_off = Machine("VOICEMAIL", Disposition.POWERED_OFF)
    outcome, call, mailbox = answered_by(switched_off, Moment.BEEP, machine=MESSAGE)
    assert outcome.disposition is Disposition.POWERED_OFF
    assert spoken(call) == []
    assert mailbox is not None
    assert not mailbox.asked


def test_a_machine_that_hangs_up_at_once_is_what_it_said() -> None:
    async def run() -> Outcome:
        over = says("-", command=end("VOICEMAIL"))
        call = Call(Dialog(start=says("C.open"), machine=over, VOICEMAIL=over, hangup=says("-")))
        call.ear.on_last_words = Machine("VOICEMAIL", Disposition.SUSPENDED)
        call.mouth.after["C.open"] = call.leg.hang_up
        return await call.run()

    assert on_virtual_time(run()) == Outcome(Disposition.SUSPENDED, "callee")


# ---- the greeting that already runs ----


class Playback:
    seconds = played = 8.0

    def __init__(self) -> None:
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.stopped_at: float | None = None

    async def position(self) -> float:
        return asyncio.get_running_loop().time()

    async def stop(self) -> float:
        self.stopped_at = asyncio.get_running_loop().time()
        self.done.set_result(False)
        return self.stopped_at


class Leg:
    state = LegState.CONNECTED

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.playback = Playback()

    async def play(self, wav: Path) -> Playback:
        return self.playback


class Book:
    def prompt(self, line_id: str, slots: object, *, level: int, listener: str) -> Prompt:
        return Prompt(line_id, "", Path(), 8.0)


def test_a_verdict_stops_even_a_line_that_must_finish() -> None:
    async def run() -> tuple[Any, float | None, int]:
        call, leg, inbox = Call(Dialog()), Leg(), Inbox()
        mouth = Mouth(leg, Book(), call.ear, inbox, call.transcript)  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, inbox.put, Utterance("您好我现在不方便", 0.9, 0.1, 0.9))
        loop.call_later(2.0, inbox.put, Machine("VOICEMAIL"))
        found = await mouth.say((LineRef("C.open"),), level=0, listener="unknown", interruptible=True)
        return found, leg.playback.stopped_at, len(inbox)

    found, stopped_at, left = on_virtual_time(run())
    assert found == Machine("VOICEMAIL")
    assert stopped_at == pytest.approx(2.0)
    assert left == 1  # what was said before stays for the transcript
