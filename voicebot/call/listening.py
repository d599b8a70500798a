"""The bot's ear for one voice: VAD → endpointing → ASR, from 20 ms frames to finished utterances.

Nothing here blocks: frames are fed from the media clock, recognition runs in the speech service.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from voicebot.call.completeness import Completeness, Judge
from voicebot.call.endpointing import FRAME_S, Endpoint, Endpointer, Patience
from voicebot.speech.asr.client import Recognizer, SpeechUnavailable
from voicebot.speech.asr.engine import ASK_AGAIN, Hypothesis
from voicebot.speech.vad import TwoStageVad

log = structlog.get_logger()

PRE_ROLL_S = 0.3
"""Audio kept from before the onset: the VAD hears a word later than it began."""


@dataclass(frozen=True)
class Utterance:
    """One finished turn of the voice; times in seconds since the ear was opened."""

    text: str
    confidence: float
    start_s: float
    end_s: float
    during_prompt: bool = False
    "True when it began while the bot was speaking."
    alternatives: tuple[str, ...] = ()
    "Other readings of the same words, best first; only while the call asks for them."
    committed_s: float = 0.0
    "When the turn was taken for finished; `end_s` is the end of its last sound."
    text_s: float = 0.0
    "When its text was there."


@dataclass(frozen=True)
class _End:
    """The end of a turn, waiting for its decode."""

    start_s: float
    end_s: float
    committed_s: float
    during_prompt: bool


@dataclass(frozen=True)
class _Pause:
    """A silence within a turn: time to read what was said so far."""

    number: int


class _WentOn:
    """Speech after a pause: what was read there is not all."""


_Step = bytes | _Pause | _WentOn | _End


class Ear:
    """Listens to one voice.  Utterances arrive by `on_utterance`, in order, on the event loop."""

    def __init__(
        self,
        vad: TwoStageVad,
        recognizer: Recognizer,
        *,
        on_utterance: Callable[[Utterance], None],
        on_onset: Callable[[], None] = lambda: None,
        on_wordless: Callable[[], None] = lambda: None,
        on_deaf: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_wordless` is told of a turn in which nothing was said (a cough, music), `on_deaf` of one that
        could not be recognised: somebody spoke, nobody heard."""
        self._vad, self._recognizer = vad, recognizer
        self._endpointer = Endpointer()
        self._on_utterance, self._on_onset = on_utterance, on_onset
        self._on_wordless, self._on_deaf = on_wordless, on_deaf
        self._judge: Judge = lambda text: Completeness.USUAL
        self._pre_roll: deque[bytes] = deque(maxlen=round(PRE_ROLL_S / FRAME_S))
        self._steps: asyncio.Queue[_Step] = asyncio.Queue()
        self._ends_due = 0
        self._ended = asyncio.Event()  # set while an end is due
        self._ahead = False  # the turn was decoded at its pause and nothing was voiced since
        self._during_prompt = False
        self.prompt_playing = False
        "Set by the call: an utterance that begins now interrupts."
        self.alternatives = 1
        "Set by the call: readings wanted of an utterance, the best one included (digits are misheard most)."
        self.quiet_s = 0.0
        "Seconds since this voice was last heard, or since `restart_silence`."
        self._worker = asyncio.get_running_loop().create_task(self._recognise())

    @property
    def speaking(self) -> bool:
        """True from an onset to the end of the turn."""
        return self._endpointer.speaking

    @property
    def busy(self) -> bool:
        """True while the voice speaks or its last words are still being recognised."""
        return self.speaking or self._ends_due > 0

    @property
    def now_s(self) -> float:
        return self._endpointer.now_s

    @property
    def turn_s(self) -> float:
        """Length of the turn in progress, 0 when nobody speaks."""
        return self.now_s - self._endpointer.onset_at_s if self.speaking else 0.0

    def restart_silence(self) -> None:
        """The bot has just finished speaking: the callee's silence counts from here."""
        self.quiet_s = 0.0

    def be_patient(self, patience: Patience, judge: Judge) -> None:
        """How long to wait for the end of a turn from now on, and how to tell that its text is finished."""
        self._endpointer.patience, self._judge = patience, judge

    def hear(self, frame: bytes) -> None:
        """One 20 ms frame of 8 kHz int16 (320 bytes)."""
        voicing = self._vad.feed(frame)
        self.quiet_s = 0.0 if voicing.voiced else self.quiet_s + FRAME_S
        happened = self._endpointer.feed(voicing.voiced, voicing.level_dbfs)
        if happened is Endpoint.ONSET:
            self._during_prompt = self.prompt_playing
            for earlier in self._pre_roll:
                self._steps.put_nowait(earlier)
            self._pre_roll.clear()
            self._on_onset()
        if self._endpointer.speaking or happened is Endpoint.END:
            self._steps.put_nowait(frame)
        else:
            self._pre_roll.append(frame)
        if happened is Endpoint.PAUSE:
            self._steps.put_nowait(_Pause(self._endpointer.pauses))
        elif happened is Endpoint.RESUMED:
            self._steps.put_nowait(_WentOn())
        elif happened is Endpoint.END:
            self._end_turn()

    def _end_turn(self) -> None:
        self._ends_due += 1
        self._ended.set()
        self._steps.put_nowait(
            _End(
                self._endpointer.onset_at_s,
                self._endpointer.voice_ended_at_s,
                self.now_s,
                self._during_prompt,
            )
        )

    async def last_words(self, within_s: float) -> None:
        """The voice is gone: what it was saying is a finished turn, and every turn is recognised."""
        if self._endpointer.cut():
            self._end_turn()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._steps.join()

    async def glimpse(self) -> Hypothesis | None:
        """What was said so far in the turn in progress; None when the service does not answer."""
        try:
            return await self._recognizer.speculate(self.alternatives)
        except SpeechUnavailable as fault:
            log.warning("glimpse_failed", fault=str(fault))
            return None

    async def _recognise(self) -> None:
        # One queue for audio and decodes: the next turn's first frames can never slip into this one.
        while True:
            step = await self._steps.get()
            try:
                await self._take(step)
            except Exception as fault:  # one bad turn must not make the rest of the call deaf
                log.error("ear_failed", fault=type(fault).__name__)
                self._on_deaf()
            finally:
                self._steps.task_done()

    async def _take(self, step: _Step) -> None:
        if isinstance(step, bytes):
            self._recognizer.feed(step)
        elif isinstance(step, _End):
            await self._finish(step)
        elif isinstance(step, _WentOn):
            self._ahead = False
        elif self._ends_due == 0:  # otherwise the decode of the end is the one that counts
            await self._read_at(step)

    async def _read_at(self, pause: _Pause) -> None:
        """Reads the turn at a pause, and gives up waiting when the turn ends first: the end asks by itself,
        and its answer has a deadline of its own."""
        looking = asyncio.ensure_future(self.glimpse())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({looking, ended}, return_when=asyncio.FIRST_COMPLETED)
            self._ahead = looking.done()
            heard = looking.result() if looking.done() else None
        finally:
            looking.cancel()
            ended.cancel()
        if heard is not None and heard.text and heard.confidence >= ASK_AGAIN:
            self._endpointer.conclude(pause.number, self._judge(heard.text))

    async def _finish(self, end: _End) -> None:
        try:
            heard = await self._recognizer.finalize(unchanged=self._ahead, alternatives=self.alternatives)
        except SpeechUnavailable as fault:
            log.error("turn_not_recognised", fault=str(fault))
            self._on_deaf()
            return
        finally:
            self._ends_due -= 1
            self._ahead = False
            if self._ends_due == 0:
                self._ended.clear()
        if heard.no_speech or not heard.text:
            self._on_wordless()
        else:
            self._on_utterance(
                Utterance(
                    heard.text,
                    heard.confidence,
                    end.start_s,
                    end.end_s,
                    end.during_prompt,
                    heard.alternatives,
                    end.committed_s,
                    self.now_s,
                )
            )

    async def close(self) -> None:
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        await self._recognizer.close()
