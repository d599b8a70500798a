"""One line of benchmarks/answer.py through the classes of a call: leg, ringing, ear, opening, watch, mouth
and conversation are the product's; the SIP stack, dialog and prompts are stand-ins, and time is virtual.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from answer_asr import Decodes, Recognizer, Speech

from dialogs.policy import Command, LineRef, Reply, TurnEvent
from sip.cause import Cause, CauseKind
from sip.leg import Leg, LegState
from voicebot.call.conversation import CallConversation, Surroundings
from voicebot.call.inbox import Inbox
from voicebot.call.listening import Ear, Utterance
from voicebot.call.machine import MachineWatch
from voicebot.call.order import DialOrder
from voicebot.call.prompt_book import Prompt
from voicebot.call.ringing import Ringing
from voicebot.call.speaking import Mouth
from voicebot.call.transcript import SILENCE, Transcript
from voicebot.call.verification import KnowledgeCheck
from voicebot.simulate.virtual_time import on_virtual_time
from voicebot.speech.audio import FRAME_BYTES, FRAME_SECONDS, SAMPLE_RATE
from voicebot.speech.tts.render_process import write_wav
from voicebot.speech.vad import TwoStageVad
from voicebot.store.states import Disposition

LEAD_IN_S = 0.2
"""As a trunk has it when nothing is said."""
ON_THE_LINE_S = 0.04
"""From the order to play until the first sample leaves the bridge."""
PROMPT_S = 8.0
ENDS_AFTER_S = 4.0
"""A line that has nothing more to say hangs up after this (a mailbox: after the message)."""
LONGEST_S = 40.0


class Bridge:
    """The SIP stack under one leg: it plays prompts and notes when the first one is heard."""

    def __init__(self) -> None:
        self.first_audio_s: float | None = None
        self.messages: list[float] = []
        self.leg: Leg | None = None
        self._began: dict[int, float] = {}
        self._paused: dict[int, int] = {}

    async def ask(self, operation: str, *arguments: Any) -> Any:
        loop, leg = asyncio.get_running_loop(), self.leg
        assert leg is not None
        match operation:
            case "play":
                number = arguments[1]
                await asyncio.sleep(ON_THE_LINE_S)
                self.first_audio_s = loop.time() if self.first_audio_s is None else self.first_audio_s
                if "C.vm" in arguments[2]:
                    self.messages.append(loop.time())
                self._began[number] = loop.time()
                leg.happened("playing", (number, 0))
                return True
            case "position":
                return self._position(arguments[1])
            case "pause":
                number, stop = arguments[1:]
                if stop:
                    self._paused[number] = self._position(number)
                else:
                    self._began[number] = loop.time() - self._paused.pop(number) / SAMPLE_RATE
                    leg.happened("playing", (number, self._position(number)))
                return self._position(number)
            case "stop_player":
                return self._position(arguments[1])
            case "hangup":
                leg.happened("ended", Cause(200, "", CauseKind.NORMAL, remote=False))
        return None

    def _position(self, number: int) -> int:
        played = asyncio.get_running_loop().time() - self._began[number]
        return self._paused.get(number, min(round(played * SAMPLE_RATE), round(PROMPT_S * SAMPLE_RATE)))

    def forget(self, leg: Leg) -> None: ...


class Book:
    """Prompts of silence; only their length counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prompt(self, line_id: str, run_slots: object, *, level: int, listener: str) -> Prompt:
        path = self._folder / f"{line_id}.wav"
        if not path.is_file():
            write_wav(path, bytes(2 * round(PROMPT_S * SAMPLE_RATE)))
        return Prompt(line_id, line_id, path, PROMPT_S)


class Dialog:
    """A talk track of four lines: it greets, goes on, leaves a message, takes leave."""

    async def turn(self, event: TurnEvent) -> Reply:
        if event.kind == "machine":
            message = (LineRef("C.vm"),) if event.text == "VOICEMAIL" else ()
            return _says(*message, command=Command("hangup", event.text))
        if event.kind == "hangup":
            return _says(command=Command("hangup", "HUNG_UP"))
        return _says(LineRef("C.open" if event.kind == "start" else "C.more"))

    async def close(self) -> None: ...


def _says(*lines: LineRef, command: Command | None = None) -> Reply:
    return Reply(lines, command, "stage", 0, "unknown")


@dataclass(frozen=True)
class Answer:
    """What the call made of one line; times in seconds since the answer."""

    verdict: str
    verdict_s: float | None
    first_audio_s: float | None
    message_s: float | None
    heard: str


def _order() -> DialOrder:
    return DialOrder(
        attempt_id="a", campaign="c", case_id="c", phone_masked="", request_uri="sip:a@b",
        caller_uri="sip:b@b", caller="", digest="d", pack="p", voice="v", slots={}, run_slots={}, flags={},
        tail_mac=None, queue="q", ring_s=30, voicemail="leave_line", today=date(2026, 3, 2),
    )  # fmt: skip


def frames_of(pcm: bytes) -> list[bytes]:
    return [pcm[i : i + FRAME_BYTES] for i in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


class AnsweredCall:
    """One answered leg."""

    def __init__(self, pcm: bytes, decodes: Decodes, vad: TwoStageVad, folder: Path, noise: bytes) -> None:
        self._frames, self._noise = frames_of(pcm), frames_of(noise)
        loop = asyncio.get_running_loop()
        self._bridge = Bridge()
        self._leg = self._bridge.leg = Leg(self._bridge, 1, LegState.CALLING)
        self._inbox = Inbox()
        self._transcript = Transcript(_order(), lambda: datetime.now(UTC), loop.time)
        self._ear = Ear(
            vad,
            Recognizer(decodes, "live"),  # type: ignore[arg-type]
            on_utterance=self._on_utterance,
            on_onset=self._inbox.onset,
        )
        self._watch = MachineWatch(self._ear, self._inbox.put, patient=True)
        mouth = Mouth(self._leg, Book(folder), self._ear, self._inbox, self._transcript)  # type: ignore[arg-type]
        self._conversation = CallConversation(
            self._leg,
            Dialog(),
            mouth,
            self._ear,
            self._inbox,
            KnowledgeCheck(None, lambda tail: tail),
            self._transcript,
            date(2026, 3, 2),
            Surroundings(self._noted, self._never),
            mailbox=self._watch,
            lead_in_s=LEAD_IN_S,
        )
        self._heard: list[str] = []

    async def _noted(self, command: Command) -> None: ...

    async def _never(self, command: Command) -> Any:
        raise AssertionError("nobody is called in here")

    def _on_utterance(self, utterance: Utterance) -> None:
        self._heard.append(utterance.text)
        if not self._watch.on_utterance(utterance):
            self._inbox.put(utterance)

    def _on_tick(self, theirs: bytes, ours: bytes) -> None:
        self._ear.hear(theirs)
        self._watch.on_tick(theirs)

    async def run(self) -> Answer:
        self._leg.on_tick = self._on_tick
        self._transcript.answered()
        self._leg.happened("answered", None)
        line = asyncio.ensure_future(self._play_line())
        outcome = await self._conversation.run()
        line.cancel()
        await self._watch.close()
        await self._ear.close()
        machine = next((e for e in self._transcript.events if e.kind == "machine"), None)
        verdict = "human" if machine is None else outcome.disposition.value
        return Answer(
            verdict,
            machine.at_s if machine else self._bridge.first_audio_s,
            self._bridge.first_audio_s,
            self._bridge.messages[0] if self._bridge.messages else None,
            " | ".join(self._heard),
        )

    async def _play_line(self) -> None:
        """The material, then the noise of the line; it hangs up when there is nothing more to learn."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        over_s = len(self._frames) * FRAME_SECONDS
        for number in range(round(LONGEST_S / FRAME_SECONDS)):
            at = began + number * FRAME_SECONDS
            if at > loop.time():
                await asyncio.sleep(at - loop.time())
            extra = number - len(self._frames)
            frame = self._frames[number] if extra < 0 else self._noise[extra % len(self._noise)]
            self._leg.happened("tick", (frame, SILENCE))
            waits_for_message = self._watch.verdict is not None and not self._bridge.messages
            if number * FRAME_SECONDS >= over_s + ENDS_AFTER_S and not waits_for_message:
                break
        self._leg.happened("ended", Cause(200, "", CauseKind.NORMAL, remote=True))


async def _ring(pcm: bytes, decodes: Decodes, vad: TwoStageVad) -> Answer:
    """Early media; it rings on for a while after the material and then rings out."""
    loop = asyncio.get_running_loop()
    bridge = Bridge()
    leg = bridge.leg = Leg(bridge, 1, LegState.CALLING)
    frames = frames_of(pcm)
    over_s = len(frames) * FRAME_SECONDS
    ringing = Ringing(leg, over_s + ENDS_AFTER_S, Speech(decodes), lambda: vad)  # type: ignore[arg-type]
    leg.on_tick = ringing.on_tick
    leg.happened("early_media", None)
    ringing.early_media()

    async def play() -> None:
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, number * FRAME_SECONDS - loop.time()))
            leg.happened("tick", (frame, SILENCE))

    line = asyncio.ensure_future(play())
    disposition = await ringing.wait()
    ended_s = loop.time()
    line.cancel()
    await ringing.close()
    rang_out = disposition is Disposition.NO_ANSWER and ended_s >= over_s + ENDS_AFTER_S - 0.1
    verdict = "none" if disposition is None or rang_out else disposition.value
    return Answer(verdict, ended_s, None, None, ringing.announcement)


def answered(pcm: bytes, decodes: Decodes, vad: TwoStageVad, folder: Path, noise: bytes) -> Answer:
    """What a call makes of somebody or something that picks up."""

    async def call() -> Answer:
        return await AnsweredCall(pcm, decodes, vad, folder, noise).run()

    vad.reset()
    return _rounded(on_virtual_time(call()))


def early(pcm: bytes, decodes: Decodes, vad: TwoStageVad) -> Answer:
    """What a call makes of the sound before an answer."""
    vad.reset()
    return _rounded(on_virtual_time(_ring(pcm, decodes, vad)))


def _rounded(answer: Answer) -> Answer:
    return replace(
        answer,
        verdict_s=_ms(answer.verdict_s),
        first_audio_s=_ms(answer.first_audio_s),
        message_s=_ms(answer.message_s),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
