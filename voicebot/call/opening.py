"""The first seconds after 200 OK: when to speak.

The greeting waits for nothing but the callee's first words: it starts when they pause, or after 1.2 s of
silence.  Whether it is a person at all is watched beside it (voicebot/call/machine.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

from sip.leg import Leg
from voicebot.call.inbox import Inbox, Machine
from voicebot.call.listening import Ear

SILENCE_S = 1.2
"""A silent callee hears the bot by then (UK and US rules bound silence after answer to 2 s)."""
STARTING_S = 0.1
"""From the decision to speak until the first sample leaves: a file is opened, its first frame is due."""
PAUSE_S = 0.24
"""A pause this long in the first words is the place to greet."""
SHORT_PAUSE_S = 0.12
"""When 1.2 s are over: whoever said 喂 late is waiting, too."""
LONGEST_S = 6.0
"""After this the bot speaks, whatever it hears."""
_LOOK_S = 0.02


class Opening:
    """Decides when to greet.  The ear must be fed from the first packet on."""

    def __init__(self, leg: Leg, ear: Ear, inbox: Inbox, lead_in_s: float = 0.0) -> None:
        """`lead_in_s`: a line that has just been put through swallows what is said sooner than that."""
        self._leg, self._ear, self._inbox, self._lead_in_s = leg, ear, inbox, lead_in_s

    async def wait(self) -> Machine | None:
        """Returns when the bot may speak: None for a person, or the machine that was recognised already.

        Also returns when the callee is gone; the caller looks at the leg.
        """
        loop = asyncio.get_running_loop()
        began, onset = loop.time(), self._inbox.next_onset()
        while not self._leg.ended.done():
            machine = self._inbox.machine()
            if machine.done():
                return self._inbox.take_machine()
            waited = loop.time() - began
            if waited >= self._lead_in_s and self._floor_is_free(waited, spoke=onset.done()):
                return None
            await self._until(machine, *([] if onset.done() else [onset]))
        return None

    def _floor_is_free(self, waited_s: float, *, spoke: bool) -> bool:
        late = waited_s >= SILENCE_S - STARTING_S
        if not spoke:
            return late
        return self._ear.quiet_s >= (SHORT_PAUSE_S if late else PAUSE_S) or waited_s >= LONGEST_S

    async def _until(self, *things: asyncio.Future[Any]) -> None:
        await asyncio.wait((*things, self._leg.ended), timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
