"""A message for a mailbox over real SIP: it begins after the beep, and the other end hears all of it.

The far end plays a mailbox's greeting and its beep; what it says is known beforehand, and the dialog is
scripted.  Leg, media, ear, watch, mouth and conversation are real.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sip.softphone import Softphone
from tests.call.line import Recognizer
from tests.call.test_conversation import Call, Dialog, end, says
from tests.sip.conftest import RATE, sweep
from tests.sip.far_end import FarEnd
from tests.sip.heard import likeness, loud, samples
from tests.speech.conftest import read_pcm
from tests.speech.synthetic import tone
from voicebot.call.conversation import CallConversation, Surroundings
from voicebot.call.inbox import Inbox
from voicebot.call.listening import Ear
from voicebot.call.machine import MachineWatch
from voicebot.call.prompt_book import Prompt
from voicebot.call.speaking import Mouth
from voicebot.call.verification import KnowledgeCheck
from voicebot.speech.vad import TwoStageVad
from voicebot.store.states import Disposition

pytestmark = [pytest.mark.calls, pytest.mark.asyncio(loop_scope="module")]
MODELS = Path(os.environ.get("VOICEBOT_MODELS", Path(__file__).parents[2] / "var" / "models"))


async def test_a_message_follows_the_beep(
    phone: Softphone, far: FarEnd, write_wav: Callable[[str, np.ndarray], Path]
) -> None:
    word = sweep(0.8)
    wav = write_wav("message.wav", word)
    greeting = samples(read_pcm("ann_n_vm") + bytes(8000) + tone(1000, 0.4) + bytes(64000))

    leg = await phone.dial(far.uri())
    other = await far.answered()
    await asyncio.wait_for(leg.answered, 5)
    message = says("C.vm", command=end("VOICEMAIL"))
    call = Call(Dialog(start=says("C.open"), machine=message, VOICEMAIL=message, hangup=says("-")))
    inbox = Inbox()
    ear = Ear(
        TwoStageVad(MODELS / "silero" / "silero_vad.onnx"),
        Recognizer("您好，我现在不方便接听您的电话，请在滴声后留言"),  # type: ignore[arg-type]
        on_utterance=lambda utterance: None if watch.on_utterance(utterance) else inbox.put(utterance),
        on_onset=inbox.onset,
    )
    watch = MachineWatch(ear, inbox.put, patient=True)

    def tick(theirs: bytes, ours: bytes) -> None:
        ear.hear(theirs)
        watch.on_tick(theirs)

    book: Any = type("Book", (), {"prompt": lambda *_, **__: Prompt("C.vm", "", wav, 0.8)})()
    conversation = CallConversation(
        leg,
        call.dialog,
        Mouth(leg, book, ear, inbox, call.transcript),
        ear,
        inbox,
        KnowledgeCheck(None, lambda tail: tail),
        call.transcript,
        date(2026, 3, 2),
        Surroundings(call._note, call._hand_over),
        mailbox=watch,
    )
    leg.on_tick = tick
    await far.do("play", leg=other, wav=str(write_wav("mailbox.wav", greeting)))
    outcome = await asyncio.wait_for(conversation.run(), 25)
    await asyncio.sleep(0.3)
    leg.on_tick = None
    await leg.hangup()
    await far.event("ended", leg=other)
    await watch.close()
    await ear.close()

    assert outcome.disposition is Disposition.VOICEMAIL
    assert [event.detail for event in call.transcript.events if event.kind == "mailbox"] == ["beep"]
    heard = samples(far.heard(other))
    assert likeness(loud(heard)[-round(1.0 * RATE) :], word) > 0.6
