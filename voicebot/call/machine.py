"""Whether a machine answered: watched beside the greeting, by what is said and by what sounds.

The greeting never waits for this.  Text decides: words of a mailbox, an assistant or the network, read while
somebody goes on and on, and again when they have finished.  Without any text a beep at the end of a monologue
is a mailbox's, and a busy tone is nobody.  Length alone is no evidence: a long greeting may well be a person.

A mailbox that is to get a message is waited for until its beep; the verdict is taken back when somebody picks
up meanwhile.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from voicebot.call.early_media import NETWORK
from voicebot.call.endpointing import FRAME_S
from voicebot.call.greeting import is_greeting
from voicebot.call.inbox import Machine
from voicebot.call.listening import Ear, Utterance
from voicebot.speech.announcements import AnnouncementKind, classify, is_network, sounds
from voicebot.speech.tones import BeepDetector, CadenceDetector, Tone
from voicebot.store.states import Disposition

LONG_GREETING_S = 2.2
"""People say 喂 or 你好, 0.8 to 1.5 s; announcements and voicemail last 2.2 to 6.5 s: read from here on."""
READ_AGAIN_S = 1.5
VERDICT_UNTIL_S = 10.0
"""Machines are recognised in what was said this soon after the answer."""
SETTLES_S = 1.2
"""What the network says is its last word when it pauses so long."""
BEEP_UNTIL_S = 15.0
"""Later than this a beep says nothing about who answered."""
MONOLOGUE_S = 2.0
"""Speech before a beep that makes it a mailbox's."""
BEEP_AFTER_S = 2.5
"""The beep follows the mailbox's last word within this time."""
NO_BEEP_S = 3.0
"""A mailbox that has been silent so long records without a beep."""
BEEP_WITHIN_S = 30.0
"""Longer than this no mailbox talks before its beep."""
_LOOK_S = 0.1

_KINDS = {
    AnnouncementKind.VOICEMAIL: Machine("VOICEMAIL"),
    AnnouncementKind.ASSISTANT: Machine("ASSISTANT"),
}
_SOMETHING = Machine("VOICEMAIL", Disposition.UNREACHABLE)
"""您拨打的电话 …, and the rest was not understood: no person says that."""
_CALLS = re.compile(r" (?:wei|na wei|na li|sui|jian|suo) ")
"""喂, 哪位, 哪里, 谁, 讲, 说: what only a person begins with."""
_TONES = {Tone.BUSY: Disposition.BUSY, Tone.CONGESTION: Disposition.UNREACHABLE}


def machine_in(text: str) -> Machine | None:
    """The machine that says `text`, or None for what a person may say.

    Some carriers answer with 200 and then play their announcement.
    """
    kind = classify(text) if text else None
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in NETWORK and is_network(text):
        return Machine("VOICEMAIL", NETWORK[kind])
    return None


class Moment(StrEnum):
    """Why the waiting for a mailbox's recording is over."""

    BEEP = "beep"
    SILENCE = "silence"
    PERSON = "person"
    NEVER = "never"


class MachineWatch:
    """One answered leg's.  Feed it every frame of the callee after the ear, and every utterance."""

    def __init__(self, ear: Ear, found: Callable[[Machine], None], *, patient: bool = False) -> None:
        """`found` is told of a verdict, once.  `patient`: a message is to be left, and a network that answers
        may yet have a mailbox."""
        self._patient = patient
        self._ear, self._found = ear, found
        self._beeps, self._tones = BeepDetector(), CadenceDetector()
        self._verdict: Machine | None = None
        self._taken_back = False
        self._read_next_s = LONG_GREETING_S
        self._reading: asyncio.Task[None] | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._pending: Machine | None = None
        self._said = ""
        self._voiced_s = 0.0
        self._person = False
        self._beep_at_s: float | None = None
        self._moment: asyncio.Future[Moment] | None = None

    @property
    def verdict(self) -> Machine | None:
        """The machine that was recognised; None for a person, or when it was taken back."""
        return self._verdict

    def on_tick(self, theirs: bytes) -> None:
        """One 20 ms frame, after the ear has heard it."""
        waiting = self._moment is not None and not self._moment.done()
        if self._ear.now_s > BEEP_UNTIL_S and not waiting:
            return
        if self._ear.quiet_s == 0.0:
            self._voiced_s += FRAME_S
        if self._beeps.feed(theirs):
            self._beep()
        if self._ear.now_s <= VERDICT_UNTIL_S and not self._decided:
            if (tone := self._tones.feed(theirs)) in _TONES:
                self._tell(Machine("VOICEMAIL", _TONES[tone]))
            self._read_along()

    @property
    def _decided(self) -> bool:
        return self._verdict is not None or self._taken_back

    def _read_along(self) -> None:
        if not self._ear.speaking:
            self._read_next_s = LONG_GREETING_S
        elif self._ear.turn_s >= self._read_next_s and self._reading is None:
            self._read_next_s = self._ear.turn_s + READ_AGAIN_S
            self._reading = asyncio.get_running_loop().create_task(self._glimpse())

    async def _glimpse(self) -> None:
        try:
            seen = await self._ear.glimpse()
            machine = machine_in(self._said + (seen.text if seen is not None else ""))
            if machine is not None and machine.network is None:  # 您呼叫的用户忙 may go on with 请留言
                self._tell(machine)
        finally:
            self._reading = None

    def on_utterance(self, utterance: Utterance) -> bool:
        """A finished utterance.  True when it is the machine's and nobody is to answer it."""
        if self._verdict is not None:
            if self._moment is not None and self._picked_up(utterance):
                self._end_wait(Moment.PERSON)
                return False
            return True
        if self._taken_back or utterance.start_s >= VERDICT_UNTIL_S:
            return False
        self._said += utterance.text
        machine = machine_in(utterance.text) or machine_in(self._said)
        if machine is None and classify(utterance.text) is AnnouncementKind.GENERIC:
            machine = _SOMETHING
        if machine is not None and machine.network is not None and self._patient:
            self._settle_later(machine)
            return True
        if machine is not None:
            self._tell(machine)
            return True
        self._person = self._person or is_greeting(utterance.text)
        return False

    def _settle_later(self, network: Machine) -> None:
        """您呼叫的用户无法接听: the network may yet have a mailbox, which it speaks of after a pause."""
        if self._settling is not None:
            self._settling.cancel()
        self._pending = network
        self._settling = asyncio.get_running_loop().call_later(
            SETTLES_S, self._settle_unless_it_goes_on, network
        )

    def _settle_unless_it_goes_on(self, network: Machine) -> None:
        if self._ear.busy:
            self._settle_later(network)
        else:
            self.settle()

    def settle(self) -> None:
        """Nothing more will be said: what was found and not told yet is the verdict."""
        if self._pending is not None:
            self._tell(self._pending)

    def _tell(self, machine: Machine) -> None:
        if not self._decided:
            self._verdict = machine
            self._found(machine)

    def _beep(self) -> None:
        self._beep_at_s = self._ear.now_s
        monologue = self._voiced_s >= MONOLOGUE_S and self._ear.quiet_s <= BEEP_AFTER_S
        if monologue and not self._person:
            self._tell(Machine("VOICEMAIL"))

    def _picked_up(self, utterance: Utterance) -> bool:
        """喂 after the mailbox's words: somebody takes the call now.  您好 is a mailbox's word, too."""
        calls = _CALLS.search(sounds(utterance.text)) is not None
        return calls and is_greeting(utterance.text) and self._beep_at_s is None

    async def moment(self, gone: asyncio.Future[Any]) -> Moment:
        """When the mailbox begins to record, or why it never will.  At once when its beep was heard already.

        After PERSON the verdict is taken back: somebody is there, and stays a person for this call.
        """
        loop = asyncio.get_running_loop()
        self._moment = loop.create_future()
        until = loop.time() + BEEP_WITHIN_S
        while not self._moment.done():
            if self._beep_at_s is not None:
                self._end_wait(Moment.BEEP)
            elif self._ear.quiet_s >= NO_BEEP_S and not self._ear.busy:
                self._end_wait(Moment.SILENCE)
            elif gone.done() or loop.time() >= until:
                self._end_wait(Moment.NEVER)
            else:
                await asyncio.wait((self._moment, gone), timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        if self._moment.result() is Moment.PERSON:
            self._verdict, self._taken_back = None, True
        return self._moment.result()

    def _end_wait(self, moment: Moment) -> None:
        if self._moment is not None and not self._moment.done():
            self._moment.set_result(moment)

    async def close(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
