"""The bot's mouth: speaks lines one after another, yields to an interruption, resumes after a false one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from dialogs.policy import LineRef
from sip.leg import Leg, LegState, Playback
from voicebot.call.barge_in import is_back_channel
from voicebot.call.inbox import Heard, Inbox, Key
from voicebot.call.listening import Ear, Utterance
from voicebot.call.prompt_book import Prompt, PromptBook
from voicebot.call.transcript import Transcript

log = structlog.get_logger()

FALSE_ALARM_S = 2.5
"""An onset that brings no words within this time was a cough: the prompt resumes."""
MOST_FALSE_ALARMS = 2
"""After so many in one prompt its line is noisy: only words interrupt it from then on."""
NEARLY_DONE_S = 0.4
"""With less than this left, a prompt is not resumed after a back-channel: it was understood."""
STUCK_S = 5.0
"""A prompt that has not ended this long after its length does not reach the line (hold, lost media)."""
COMPLIANCE_LINES = frozenset({"C.open", "C.open_agency", "D.open", "C.return"})
"""These carry the AI label and the recording notice: they finish, whoever speaks.  One that did not reach the
callee's ear to its end is said again before anything that rests on it."""


class Mouth:
    """Speaks on one leg.  What the callee says meanwhile is kept in the inbox and decided upon."""

    def __init__(self, leg: Leg, book: PromptBook, ear: Ear, inbox: Inbox, transcript: Transcript) -> None:
        self._leg, self._book, self._ear = leg, book, ear
        self._inbox, self._transcript = inbox, transcript
        self.on_line: Callable[[str], None] = lambda line_id: None
        "Told the id of each line as it starts."
        self.awaiting_first_audio = False
        "The call's tick handler clears it at the first audible tick."
        self._owed: Prompt | None = None
        "A compliance line that was begun and not finished."

    async def say(
        self, lines: Sequence[LineRef], *, level: int, listener: str, interruptible: bool
    ) -> Heard | None:
        """Speaks the lines.  Returns what interrupted them; None: all were spoken, or the callee is gone.

        Raises LineRefused before a single sample of a refused line is heard.
        """
        prompts = [self._book.prompt(r.id, r.slots, level=level, listener=listener) for r in lines]
        owed = self._owed
        if owed is not None and interruptible and all(one.line_id != owed.line_id for one in prompts):
            self._transcript.event("said_again", owed.line_id)
            prompts.insert(0, owed)
        for prompt in prompts:
            if self._leg.state is LegState.ENDED:
                return None
            may_yield = interruptible and prompt.line_id not in COMPLIANCE_LINES
            if (heard := await self._speak(prompt, may_yield)) is not None:
                return heard
        return None

    async def _speak(self, prompt: Prompt, may_yield: bool) -> Heard | None:
        self._ear.prompt_playing = True
        self.awaiting_first_audio = True
        start_s = self._transcript.at_s
        self.on_line(prompt.line_id)
        duty = prompt.line_id in COMPLIANCE_LINES
        if duty:
            self._owed = prompt  # also when this call of ours is broken off
        playback = await self._leg.play(prompt.wav)
        heard: Heard | None = None
        try:
            heard = await self._play_out(playback, may_yield)
            if duty and playback.done.done() and playback.done.result():
                self._owed = None
        finally:
            self._ear.prompt_playing = False
            self._ear.restart_silence()
            end_s = self._transcript.at_s
            self._transcript.said(
                prompt.line_id,
                prompt.text,
                start_s,
                end_s,
                interrupted=heard is not None,
                played_to=playback.played,
            )
        return heard

    async def _play_out(self, playback: Playback, may_yield: bool) -> Heard | None:
        false_alarms = 0
        while True:
            left_s = playback.seconds - await playback.position() + STUCK_S
            if not may_yield:
                machine = self._inbox.machine()
                await self._until(playback.done, self._leg.ended, machine, timeout_s=left_s)
                if machine.done():  # nobody listens: what is said goes into a mailbox
                    await playback.stop()
                    return self._inbox.take_machine()
                self._check_ended(playback)
                return None
            onset, item = self._inbox.next_onset(), self._inbox.wait()
            wakes = [item] if false_alarms >= MOST_FALSE_ALARMS else [item, onset]
            await self._until(playback.done, self._leg.ended, *wakes, timeout_s=left_s)
            if self._leg.ended.done() or not any(wake.done() for wake in wakes):
                self._check_ended(playback)
                return None
            wordless = self._inbox.next_wordless()
            if not playback.done.done():
                await playback.pause()
                self._transcript.event("barge_in")
            heard = await self._meaning(wordless)
            remaining_s = playback.seconds - await playback.position()
            if heard is not None and not self._is_agreement(heard, remaining_s):
                await playback.stop()
                return heard
            if isinstance(heard, Utterance):
                self._transcript.heard(heard, "debtor")
            else:
                false_alarms += 1
            if remaining_s <= 0.02:
                return None
            self._transcript.event("resumed", "back-channel" if heard else "no words")
            await playback.resume()

    def _check_ended(self, playback: Playback) -> None:
        if not playback.done.done() and not self._leg.ended.done():
            self._transcript.event("no_audio", "the prompt does not reach the line")

    async def _meaning(self, wordless: asyncio.Future[Any]) -> Heard | None:
        """What the interruption was: waits for its words while the callee goes on speaking.

        None as soon as it came to no words, though the next noise has begun: noise alone holds nothing up.
        """
        deadline = asyncio.get_running_loop().time() + FALSE_ALARM_S
        while True:
            if (heard := self._inbox.take()) is not None:
                return heard
            left = deadline - asyncio.get_running_loop().time()
            if wordless.done() or (left <= 0 and not self._ear.busy) or self._leg.ended.done():
                return None
            await self._until(self._inbox.wait(), wordless, self._leg.ended, timeout_s=max(left, 0.1))

    @staticmethod
    def _is_agreement(heard: Heard, remaining_s: float) -> bool:
        if isinstance(heard, Key):
            return False
        return isinstance(heard, Utterance) and is_back_channel(heard.text) and remaining_s > NEARLY_DONE_S

    @staticmethod
    async def _until(*things: asyncio.Future[Any], timeout_s: float | None = None) -> None:
        await asyncio.wait(things, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
