"""The first seconds after 200 OK: when to speak, and whether it is a person at all.

The greeting is never held back for a verdict: it starts when the callee's first words pause, or after
1.2 s of silence.  Only somebody who goes on and on is read meanwhile, and only text makes a machine:
a long greeting with a pause in it may well be a person.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from sip.leg import Leg
from voicebot.call.barge_in import spoken_characters
from voicebot.call.inbox import Inbox, Machine
from voicebot.call.listening import Ear, Utterance
from voicebot.speech.announcements import AnnouncementKind, classify, sounds

SILENCE_S = 1.2
"""A silent callee is spoken to after this long (UK and US rules bound silence after answer to 2 s)."""
PAUSE_S = 0.24
"""A pause this long in the first words is the place to greet."""
LONG_GREETING_S = 2.2
"""People say 喂 or 你好, 0.8 to 1.5 s; announcements and voicemail last 2.2 to 6.5 s."""
READ_AGAIN_S = 1.5
LONGEST_S = 9.0
"""After this the bot speaks, whatever it hears."""
VERDICT_UNTIL_S = 10.0
"""Machines are recognised in what was said this soon after the answer."""

_MACHINES = {
    AnnouncementKind.VOICEMAIL: "VOICEMAIL",
    AnnouncementKind.ASSISTANT: "ASSISTANT",
    AnnouncementKind.CALL_FORWARD: "VOICEMAIL",
    AnnouncementKind.NO_ANSWER: "VOICEMAIL",
    AnnouncementKind.UNREACHABLE: "VOICEMAIL",
    AnnouncementKind.POWERED_OFF: "VOICEMAIL",
    AnnouncementKind.BUSY: "VOICEMAIL",
}
_GREETING_SOUNDS = re.compile(
    r"(?: wei| ni| ni hao| nin hao| nian hao| wei hao| na wei| na li| si| sui| sen me si| jian| suo"
    r"| n| en| ai| ei| a| ya)+ "
)
"""喂, 你, 你好, 您好, 哪位, 哪里, 是, 谁, 什么事, 讲, 说, 嗯, 哎, 诶, 啊, 呀 in any order, as `sounds` writes
them; 您好 also comes back as 年号, 喂你好 as 尾号."""


def machine_in(text: str) -> Machine | None:
    """A machine's words after the answer; carriers answer with 200 and then play an announcement too."""
    kind = classify(text) if text else None
    return Machine(_MACHINES[kind]) if kind in _MACHINES else None


def is_greeting(text: str) -> bool:
    """喂，你好，哪位: said before the bot spoke, it asks for nothing that the opening does not answer.

    Compared by sound: recognisers write 为你好 and 尼好哪位.
    """
    said = spoken_characters(text)
    if not all("\u4e00" <= character <= "\u9fff" for character in said):
        return False
    return said == "" or _GREETING_SOUNDS.fullmatch(sounds(said)) is not None


class Opening:
    """Decides when to greet.  The ear must be fed from the first packet on."""

    def __init__(self, leg: Leg, ear: Ear, inbox: Inbox) -> None:
        self._leg, self._ear, self._inbox = leg, ear, inbox

    async def wait(self) -> Machine | None:
        """Returns when the bot may speak: None for a person, or the machine that was recognised.

        Also returns when the callee is gone; the caller looks at the leg.
        """
        onset = self._inbox.next_onset()
        await self._until(onset, timeout_s=SILENCE_S)
        if not onset.done():
            return None
        began = self._ear.now_s
        read_next = LONG_GREETING_S
        while not self._leg.ended.done() and self._ear.now_s - began < LONGEST_S:
            if self._ear.quiet_s >= PAUSE_S:
                return None
            if self._ear.turn_s >= read_next:
                read_next += READ_AGAIN_S
                if (machine := machine_in(await self._ear.glimpse())) is not None:
                    return machine
            await self._until(timeout_s=0.02)
        return None

    async def _until(self, *things: asyncio.Future[Any], timeout_s: float) -> None:
        await asyncio.wait((*things, self._leg.ended), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)


def verdict(utterance: Utterance) -> Machine | None:
    """The second look, at the finished first words: it may take back that a person answered."""
    return machine_in(utterance.text) if utterance.start_s < VERDICT_UNTIL_S else None
