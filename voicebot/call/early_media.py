"""What the network plays before the answer: tones and announcements.  The call is not connected.

Verdicts come from text (空号, 关机 …) and from 450 Hz cadences.  A ring-back tone, a melody and a firm's
spoken ring-back say nothing: it rings.  请不要挂机 says that the callee is talking to somebody and may still
pick up: it counts only if nobody does.
"""

from __future__ import annotations

import asyncio

from voicebot.call.listening import Ear, Utterance
from voicebot.speech.announcements import AnnouncementKind, classify, is_network
from voicebot.speech.asr.client import SpeechService
from voicebot.speech.tones import CadenceDetector, Tone
from voicebot.speech.vad import TwoStageVad
from voicebot.store.states import Disposition

GLIMPSE_S = 2.5
"""Announcements are recognised from this much speech 12 times in 13."""
CERTAIN = 0.55
"""Announcements that were said come back with more than 0.6; those that the recogniser makes of songs and
English with less than 0.5."""
TONE_AGAIN_TICKS = 100
"""2 s: the longest cadence that is a verdict, congestion, comes again after 1.4 s."""
BUSY_PAUSE_S, BUSY_SETTLES_S = 1.2, 4.0
"""After 正在通话中: an announcement of call waiting says 请不要挂机 before it pauses so long, and by then."""
_LOOK_S = 0.2

NETWORK: dict[AnnouncementKind, Disposition] = {
    AnnouncementKind.EMPTY_NUMBER: Disposition.EMPTY_NUMBER,
    AnnouncementKind.POWERED_OFF: Disposition.POWERED_OFF,
    AnnouncementKind.SUSPENDED: Disposition.SUSPENDED,
    AnnouncementKind.BUSY: Disposition.BUSY,
    AnnouncementKind.UNREACHABLE: Disposition.UNREACHABLE,
    AnnouncementKind.NO_ANSWER: Disposition.NO_ANSWER,
    AnnouncementKind.CALL_FORWARD: Disposition.NO_ANSWER,
}
"""What the network says of a number, before the answer or after it."""
DISPOSITIONS: dict[AnnouncementKind, Disposition] = NETWORK | {
    AnnouncementKind.VOICEMAIL: Disposition.VOICEMAIL,
    AnnouncementKind.ASSISTANT: Disposition.ASSISTANT,
}
"""GENERIC (您拨打的 …, the rest was not understood) says nothing certain: a SIP result that does decides."""
TONES: dict[Tone, Disposition] = {
    Tone.BUSY: Disposition.BUSY,
    Tone.CONGESTION: Disposition.UNREACHABLE,
    Tone.UNOBTAINABLE: Disposition.EMPTY_NUMBER,
}


class EarlyMedia:
    """Listens between 183 and the final response.  `verdict` is done as soon as one is certain."""

    def __init__(self) -> None:
        self.verdict: asyncio.Future[Disposition] = asyncio.get_running_loop().create_future()
        self.if_nobody_answers: Disposition | None = None
        "What an announcement said that does not end the ringing."
        self.text = ""
        "What the network said, for the transcript (no personal data is in it)."
        self._tones = CadenceDetector()
        self._ticks = 0
        self._last_tone: tuple[Tone, int] | None = None
        self._ear: Ear | None = None
        self._opening: asyncio.Task[None] | None = None
        self._glimpsing: asyncio.Task[None] | None = None
        self._glimpsed_at_s = 0.0
        self._waiting = self._said_busy = False
        "`_said_busy`: in a finished sentence; its English, read as Chinese, may say anything."
        self._settling: asyncio.TimerHandle | None = None

    def start(self, speech: SpeechService, vad: TwoStageVad) -> None:
        """Opens the recogniser; tones are heard without it."""
        self._opening = asyncio.get_running_loop().create_task(self._open(speech, vad))

    async def _open(self, speech: SpeechService, vad: TwoStageVad) -> None:
        self._ear = Ear(vad, await speech.open("announcement"), on_utterance=self._read)

    def on_tick(self, theirs: bytes) -> None:
        """One 20 ms frame of early media."""
        self._ticks += 1
        if (tone := self._tones.feed(theirs)) is not None:
            self._hear_tone(tone)
        if self._ear is None:
            return
        self._ear.hear(theirs)
        if self._ear.turn_s - self._glimpsed_at_s > GLIMPSE_S and self._glimpsing is None:
            self._glimpsed_at_s = self._ear.turn_s
            self._glimpsing = asyncio.get_running_loop().create_task(self._glimpse(self._ear))
        elif not self._ear.speaking:
            self._glimpsed_at_s = 0.0

    def _hear_tone(self, tone: Tone) -> None:
        """Once may be two notes of a melody; a tone of the network goes on."""
        last, self._last_tone = self._last_tone, (tone, self._ticks)
        if (
            tone in TONES
            and last is not None
            and last[0] is tone
            and self._ticks - last[1] <= TONE_AGAIN_TICKS
        ):
            self._decide(TONES[tone])

    async def _glimpse(self, ear: Ear) -> None:
        try:
            if (seen := await ear.glimpse()) is not None:
                self._classify(seen.text, seen.confidence, finished=False)
        finally:
            self._glimpsing = None

    def _read(self, utterance: Utterance) -> None:
        self._classify(utterance.text, utterance.confidence, finished=True)

    def _classify(self, text: str, confidence: float, *, finished: bool) -> None:
        if not text or confidence < CERTAIN:
            return
        self.text = text
        kind = classify(text)
        if kind in NETWORK and not is_network(text):
            return  # 是空号 alone is what the recogniser makes of a song
        if kind is AnnouncementKind.CALL_WAITING:
            self._waiting, self.if_nobody_answers = True, Disposition.BUSY
        elif kind is AnnouncementKind.BUSY:
            self._said_busy = self._said_busy or finished
            self._busy()
        elif kind in DISPOSITIONS and (self._waiting or not self._said_busy):
            self._decide(DISPOSITIONS[kind])
        elif kind is AnnouncementKind.GENERIC and finished and self.if_nobody_answers is None:
            self.if_nobody_answers = Disposition.UNREACHABLE

    def _busy(self) -> None:
        """正在通话中 may go on with 请不要挂机."""
        self.if_nobody_answers = Disposition.BUSY
        if self._settling is None:
            self._settle_busy(asyncio.get_running_loop().time() + BUSY_SETTLES_S)

    def _settle_busy(self, until: float) -> None:
        loop, ear = asyncio.get_running_loop(), self._ear
        goes_on = ear is not None and (ear.busy or ear.quiet_s < BUSY_PAUSE_S)
        if goes_on and loop.time() < until:
            self._settling = loop.call_later(_LOOK_S, self._settle_busy, until)
        elif not self._waiting:
            self._decide(Disposition.BUSY)

    def _decide(self, disposition: Disposition) -> None:
        if not self.verdict.done():
            self.verdict.set_result(disposition)

    async def last_words(self, within_s: float) -> None:
        """The early media is over: what it was saying is still read."""
        if self._ear is not None and not self.verdict.done():
            await self._ear.last_words(within_s)

    async def close(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        tasks = [task for task in (self._opening, self._glimpsing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._ear is not None:
            await self._ear.close()
