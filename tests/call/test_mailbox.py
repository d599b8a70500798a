"""What becomes of a call that a machine answered: what is said to it, when, and what it comes to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.call.test_conversation import Call, Dialog, end, says
from voicebot.call.inbox import Machine
from voicebot.call.machine import Moment
from voicebot.call.outcome import Outcome
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
