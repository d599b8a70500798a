"""The turn loop: what is decided, what is kept to itself, and that nothing the callee said is lost.

The dialog is scripted and the mouth only notes its lines; check, transcript, inbox and loop are real.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from dialogs.policy import Command, Expects, LineRef, Reply, TurnEvent
from sip.rtp_stats import RtpStats
from voicebot.call import conversation as module
from voicebot.call.conversation import CallConversation, Surroundings
from voicebot.call.handing_over import HandoverEnd
from voicebot.call.inbox import Deaf, Heard, Inbox, Key
from voicebot.call.listening import Utterance
from voicebot.call.order import DialOrder
from voicebot.call.outcome import Outcome
from voicebot.call.talk_time import TalkTime
from voicebot.call.transcript import Transcript
from voicebot.call.verification import MASKED_TEXT, KnowledgeCheck
from voicebot.store.states import Disposition

TAIL = "3721"


def mac(tail: str) -> str:
    return hashlib.sha256(tail.encode()).hexdigest()


def says(line: str, *, command: Command | None = None, level: int = 0, expects: Expects = "open") -> Reply:
    return Reply((LineRef(line),), command, "stage", level, "unknown", expects=expects)


def end(disposition: str, **more: Any) -> Command:
    return Command("hangup", disposition, **more)


class Leg:
    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hang_up(self) -> None:
        self.ended.set_result(None)


class Ear:
    now_s, turn_s, busy, speaking = 0.0, 0.0, False, False
    alternatives = 1

    def __init__(self, inbox: Inbox) -> None:
        self._inbox, self.quiet_s = inbox, 0.0
        self.on_last_words: Heard | None = None

    def be_patient(self, patience: object, judge: object) -> None: ...

    def restart_silence(self) -> None:
        self.quiet_s = 0.0

    async def last_words(self, within_s: float) -> None:
        if self.on_last_words is not None:
            self._inbox.put(self.on_last_words)


class Mouth:
    def __init__(self) -> None:
        self.lines: list[tuple[str, int]] = []
        self.after: dict[str, Any] = {}

    async def say(self, lines: Sequence[LineRef], *, level: int, listener: str, interruptible: bool) -> None:
        for line in lines:
            self.lines.append((line.id, level))
            if (then := self.after.get(line.id)) is not None:
                then()


class Dialog:
    """Answers each event by `replies[kind]`, or the text's reply for speech."""

    def __init__(self, **replies: Reply) -> None:
        self.replies, self.events = replies, []
        self.during: Any = None

    async def turn(self, event: TurnEvent) -> Reply:
        self.events.append(event)
        if self.during is not None and event.kind == "speech":
            self.during()
        return self.replies.get(event.text or event.kind) or self.replies[event.kind]

    async def close(self) -> None: ...


class Call:
    """One conversation with its surroundings."""

    def __init__(self, dialog: Dialog, tail: str | None = TAIL) -> None:
        order = DialOrder(
            attempt_id="a1", campaign="c", case_id="case", phone_masked="138****0001", request_uri="sip:x",
            caller_uri="sip:y", caller="+86", digest="d", pack="p", voice="v", slots={}, run_slots={},
            flags={}, tail_mac=None, queue="general", ring_s=10, today=date(2026, 3, 2),
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        self.dialog, self.leg, self.inbox, self.mouth = dialog, Leg(), Inbox(), Mouth()
        self.ear = Ear(self.inbox)
        self.transcript = Transcript(order, lambda: datetime.now(UTC), loop.time)
        self.transcript.answered()
        self.noted: list[Command] = []
        self.handed: list[Command] = []
        self.hand_over_s, self.handover_end = 0.0, HandoverEnd.AGENT_HUNG_UP
        self.fail_noting = False
        self.conversation = CallConversation(
            self.leg,  # type: ignore[arg-type]
            dialog,
            self.mouth,  # type: ignore[arg-type]
            self.ear,  # type: ignore[arg-type]
            self.inbox,
            KnowledgeCheck(None if tail is None else mac(tail), mac),
            self.transcript,
            date(2026, 3, 2),
            Surroundings(self._note, self._hand_over),
        )

    async def _note(self, command: Command) -> None:
        if self.fail_noting:
            raise TimeoutError
        self.noted.append(command)

    async def _hand_over(self, command: Command) -> HandoverEnd:
        self.handed.append(command)
        await asyncio.sleep(self.hand_over_s)
        return self.handover_end

    def said(self, text: str) -> None:
        self.inbox.put(Utterance(text, 0.9, 100.0, 101.0))

    async def run(self) -> Outcome:
        return await asyncio.wait_for(self.conversation.run(), 5)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.call.opening.SILENCE_S", 0.01)


STOP = says("C.stop_debtor", command=end("STOP_REQUEST", stop_list="DEBTOR_NO_BOT"))


async def test_a_wish_to_be_left_alone_counts_although_the_callee_hangs_up_while_it_is_decided() -> None:
    dialog = Dialog(start=says("C.open"), 别再打了=STOP, hangup=says("-"))
    call = Call(dialog)
    dialog.during = call.leg.hang_up
    call.said("别再打了")
    outcome = await call.run()
    assert outcome.disposition is Disposition.STOP_REQUEST
    assert [command.stop_list for command in call.noted] == ["DEBTOR_NO_BOT"]


async def test_words_that_end_with_the_hang_up_are_decided_too() -> None:
    call = Call(Dialog(start=says("C.open"), 别再打了=STOP, hangup=says("-")))
    call.ear.on_last_words = Utterance("别再打了", 0.9, 100.0, 101.0)
    call.mouth.after["C.open"] = call.leg.hang_up
    outcome = await call.run()
    assert outcome == Outcome(Disposition.STOP_REQUEST, "callee")
    assert call.noted


async def test_hanging_up_without_a_word_is_a_hang_up() -> None:
    call = Call(Dialog(start=says("C.open"), hangup=says("-")))
    call.mouth.after["C.open"] = call.leg.hang_up
    assert (await call.run()).disposition is Disposition.HUNG_UP
    assert call.dialog.events[-1].kind == "hangup"


async def test_effects_that_cannot_be_written_at_once_stand_in_the_record() -> None:
    call = Call(Dialog(start=says("C.open"), 别再打了=STOP))
    call.fail_noting = True
    call.said("别再打了")
    outcome = await call.run()
    record = call.transcript.record(
        outcome.disposition, worker="w", ended_by="bot", cause=None, rtp=RtpStats()
    )
    assert record.stop_list == "DEBTOR_NO_BOT"
    assert "effects_late" in {event.kind for event in record.events}


async def test_the_right_tail_opens_level_two_and_is_written_nowhere() -> None:
    ask = says("C.verify", level=1, expects="digits")
    told = says("A.post", level=2, command=end("PTP"))
    call = Call(Dialog(start=ask, verified=told, not_verified=says("C.verify_retry", expects="digits")))
    call.said("三七二幺")
    await call.run()
    assert ("A.post", 2) in call.mouth.lines
    written = str(call.transcript.turns) + str(call.transcript.decisions) + str(call.dialog.events)
    assert MASKED_TEXT in written
    assert "三七二幺" not in written


async def test_an_engine_that_claims_level_two_without_a_check_does_not_get_it() -> None:
    call = Call(Dialog(start=says("A.post", level=2, command=end("PTP"))))
    await call.run()
    assert call.mouth.lines == [("A.post", 1)]


async def test_digits_given_before_they_are_asked_are_masked_and_no_try() -> None:
    ask = says("C.verify", level=1, expects="digits")
    dialog = Dialog(start=says("C.open"), speech=ask, verified=says("A.post", level=2, command=end("PTP")))
    call = Call(dialog)
    call.said("是我，三七二幺")
    call.said("三七二幺")
    await call.run()
    assert [event.text for event in dialog.events if event.kind == "speech"] == [MASKED_TEXT]
    assert dialog.events[-1].kind == "verified"
    assert "三七" not in str(call.transcript.turns)


async def test_without_a_known_tail_nobody_is_verified() -> None:
    ask = says("C.verify", level=1, expects="digits")
    call = Call(Dialog(start=ask, not_verified=says("C.verify_end", command=end("NOT_VERIFIED"))), tail=None)
    call.said("三七二幺")
    assert (await call.run()).disposition is Disposition.NOT_VERIFIED


async def test_slow_fingers_are_not_taken_for_silence() -> None:
    ask = says("C.verify", level=1, expects="digits")
    call = Call(Dialog(start=ask, verified=says("A.post", level=2, command=end("PTP")), silence=says("-")))

    async def press() -> None:
        for digit in TAIL:
            call.ear.quiet_s = module.NO_INPUT_S - 0.05
            call.inbox.put(Key(digit))
            await asyncio.sleep(0.06)

    pressing = asyncio.create_task(press())
    await call.run()
    await pressing
    assert [event.kind for event in call.dialog.events] == ["start", "verified"]


async def test_deaf_once_asks_again_deaf_twice_hands_over_with_the_approved_line() -> None:
    call = Call(Dialog(start=says("C.open"), speech=says("C.sorry")))
    call.inbox.put(Deaf())
    call.inbox.put(Deaf())
    outcome = await call.run()
    assert [line for line, _ in call.mouth.lines] == ["C.open", "C.sorry", "C.handover_fault"]
    assert [command.reason for command in call.handed] == ["系统繁忙转人工"]
    assert outcome.ended_by == "agent"


async def test_the_bots_limit_spares_people_who_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_CALL_S", 0.3)
    call = Call(Dialog(start=says("C.human", command=Command("handoff", "HUMAN"))))
    call.hand_over_s = 0.8
    assert await call.run() == Outcome(Disposition.HUMAN, "agent")


async def test_a_line_kept_alive_by_noise_ends_with_an_approved_farewell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_CALL_S", 0.3)
    call = Call(Dialog(start=says("C.open")))
    call.ear.busy = True
    outcome = await call.run()
    assert outcome.disposition is Disposition.NOT_UNDERSTOOD
    assert call.mouth.lines[-1] == ("C.end", 0)


async def test_noise_without_words_counts_as_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORDLESS_S", 0.2)
    call = Call(Dialog(start=says("C.open"), silence=says("C.silence2", command=end("SILENT"))))
    call.ear.busy = True
    assert (await call.run()).disposition is Disposition.SILENT


async def test_what_is_said_on_hold_is_written_and_not_answered_later() -> None:
    dialog = Dialog(
        start=says("C.human", command=Command("handoff", "HUMAN")),
        handoff_failed=says(
            "C.human_none", command=end("CALLBACK", slots={"callback_day": "明天", "callback_time": "10:00"})
        ),
    )
    call = Call(dialog)
    call.handover_end = HandoverEnd.FAILED
    call.mouth.after["C.human"] = lambda: call.said("怎么还没人")
    outcome = await call.run()
    assert outcome.callback_at == "2026-03-03T10:00"
    assert [event.kind for event in dialog.events] == ["start", "handoff_failed"]
    assert [turn.text for turn in call.transcript.turns] == ["怎么还没人"]


async def test_when_persuading_has_lasted_long_enough_the_track_closes_the_call():
    """Not in the middle of a sentence: at the turn that would go on persuading."""
    asks = replace(says("A.when"), persuading=True)
    call = Call(Dialog(start=asks, speech=asks, time_up=says("C.bye", command=end("CALLBACK"))))
    now_s = 0.0
    call.conversation._time = TalkTime({"persuading_s": 90}, lambda: now_s)

    def answered() -> None:
        nonlocal now_s
        now_s += 40
        call.said("我想想")

    call.mouth.after["A.when"] = answered
    outcome = await call.run()
    assert outcome.disposition is Disposition.CALLBACK
    assert [event.kind for event in call.dialog.events] == ["start", "speech", "speech", "speech", "time_up"]
    assert [line for line, _ in call.mouth.lines] == ["A.when"] * 3 + ["C.bye"]


async def test_a_call_in_which_somebody_may_be_in_danger_has_no_limit_and_obeys_no_order_to_end():
    stays = replace(says("C.crisis_wait"), keeps_open=True)
    call = Call(Dialog(start=stays, speech=stays, hangup=says("x")))
    call.mouth.after["C.crisis_wait"] = lambda: call.conversation.end("campaign stopped")
    running = asyncio.ensure_future(call.conversation.run())
    await asyncio.sleep(0.1)
    assert not running.done()
    call.leg.hang_up()
    outcome = await asyncio.wait_for(running, 5)
    assert (outcome.disposition, outcome.ended_by) == (Disposition.HUNG_UP, "callee")


async def test_a_lone_zero_asks_for_a_person_even_where_digits_were_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "NO_INPUT_S", 0.2)
    ask = says("C.verify", level=1, expects="digits")
    human = says("C.human", command=Command("handoff", "HUMAN"))
    call = Call(Dialog(start=ask, dtmf=human, silence=says("-")))

    def press() -> None:
        call.inbox.put(Key("0"))
        asyncio.get_running_loop().call_later(0.1, setattr, call.ear, "quiet_s", 1.0)

    call.mouth.after["C.verify"] = press
    outcome = await call.run()
    assert outcome.disposition is Disposition.HUMAN
    assert [(event.kind, event.digit) for event in call.dialog.events] == [("start", ""), ("dtmf", "0")]


async def test_a_tail_that_begins_with_zero_is_not_taken_for_a_cry_for_help():
    ask = says("C.verify", level=1, expects="digits")
    call = Call(Dialog(start=ask, not_verified=says("C.verify_end", command=end("NOT_VERIFIED"))))
    call.mouth.after["C.verify"] = lambda: [call.inbox.put(Key(digit)) for digit in "0123"]
    assert (await call.run()).disposition is Disposition.NOT_VERIFIED


async def test_a_wish_that_is_spoken_over_the_farewell_is_decided_and_obeyed():
    bye = says("C.bye", command=end("PTP", slots={"promise_date": "2026-03-06"}))
    call = Call(Dialog(start=bye, 别再打了=STOP, speech=bye))
    call.mouth.after["C.bye"] = lambda: call.said("别再打了")
    outcome = await call.run()
    assert outcome.disposition is Disposition.STOP_REQUEST
    assert [line for line, _ in call.mouth.lines] == ["C.bye", "C.stop_debtor"]
    assert [command.stop_list for command in call.noted if command.stop_list] == ["DEBTOR_NO_BOT"]


@pytest.mark.parametrize("text", ["好的再见", "拜拜", "嗯", "谢谢啊"])
async def test_a_good_bye_over_the_farewell_is_written_down_and_changes_nothing(text: str):
    call = Call(Dialog(start=says("C.bye", command=end("PTP")), speech=STOP))
    call.mouth.after["C.bye"] = lambda: call.said(text)
    assert (await call.run()).disposition is Disposition.PTP
    assert [turn.text for turn in call.transcript.turns] == [text]
    assert [event.kind for event in call.dialog.events] == ["start"]


async def test_the_bot_does_not_hang_up_on_somebody_who_speaks():
    bye = says("C.bye", command=end("PTP"))
    call = Call(Dialog(start=bye, speech=says("C.human", command=Command("handoff", "HUMAN"))))

    def goes_on() -> None:
        call.ear.busy = True
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, call.said, "等一下，我要找人工")
        loop.call_later(0.3, setattr, call.ear, "busy", False)

    call.mouth.after["C.bye"] = goes_on
    assert (await call.run()).disposition is Disposition.HUMAN
