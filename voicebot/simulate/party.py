"""One end of a simulated call: it speaks over its line's noise, watches the other end, records both."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sip.leg import Leg, LegState
from voicebot.simulate.bot_watch import TICK_S, BotWatch, VoiceMatch, tick_level
from voicebot.simulate.measurement import Spoken
from voicebot.simulate.result import Said
from voicebot.simulate.stock import SpeechStock
from voicebot.speech.audio import SAMPLE_RATE
from voicebot.speech.tts.render_process import write_wav

LONGEST_SPEECH_S = 60.0
"""Nobody is listened to for longer than this without a pause."""
KEY_GAP_S = 0.35
"""A person presses about three keys a second."""

Waited = Literal["seen", "timeout", "ended"]


@dataclass
class _Wait:
    condition: Callable[[], bool]
    seen: asyncio.Future[bool]


class Party:
    """Owns `leg.on_tick`.  `known`: recordings (PCM) that are recognised; `recognised_at` tells when."""

    def __init__(
        self, leg: Leg, stock: SpeechStock, voice: str, noise_dbfs: float, known: tuple[bytes, ...] = ()
    ) -> None:
        self.leg, self._stock, self._voice, self._noise_dbfs = leg, stock, voice, noise_dbfs
        self.watch = BotWatch()
        self._known = [VoiceMatch(pcm) for pcm in known]
        self.recognised_at: int | None = None
        "Tick at which a known recording was heard."
        self.answered_tick: int | None = None
        self.theirs: list[float] = []
        self.ours: list[float] = []
        "Levels (dBFS) of every tick, of both directions."
        self.said: list[Spoken] = []
        self.keys = ""
        self._heard, self._sent = bytearray(), bytearray()
        self._wait: _Wait | None = None
        leg.on_tick = self._on_tick

    @property
    def tick(self) -> int:
        """Ticks so far: the party's own clock."""
        return self.watch.ticks

    def seconds(self, tick: int) -> float:
        """Seconds since the answer."""
        return round((tick - (self.answered_tick or 0)) * TICK_S, 3)

    def _on_tick(self, theirs: bytes, ours: bytes) -> None:
        if self.answered_tick is None and self.leg.state is LegState.CONNECTED:
            self.answered_tick = self.tick
        self._heard += theirs
        self._sent += ours
        level = tick_level(theirs)
        self.theirs.append(level)
        self.ours.append(tick_level(ours))
        self.watch.feed(level)
        for match in self._known:
            if match.feed(level):
                self.recognised_at = self.tick
        wait = self._wait
        if wait is not None and not wait.seen.done() and wait.condition():
            wait.seen.set_result(True)

    # ---- acting ----

    async def pick_up(self) -> None:
        """200 OK; returns when audio flows both ways, or the caller is gone."""
        await self.leg.answer(200)
        either: set[asyncio.Future[Any]] = {self.leg.answered, self.leg.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        await self.be_quiet()

    async def be_quiet(self) -> None:
        """Line noise from now on."""
        await self.leg.play(self._stock.noise(self._noise_dbfs), loop=True)

    async def say(self, text: str, *, to_bot: bool = True, greeting: bool = False) -> None:
        """Speaks; returns when it was said, or the leg is gone."""
        await self._play(self._stock.spoken(self._voice, text, self._noise_dbfs), text, to_bot, greeting)

    async def play(self, wav: Path, text: str) -> None:
        """Plays a prepared WAV in which a machine says `text`."""
        await self._play(wav, text, False, False)

    async def _play(self, wav: Path, text: str, to_bot: bool, greeting: bool) -> None:
        asked = self.tick
        playback = await self.leg.play(wav)
        await self._or_end(playback.done)
        self.said.append(Spoken(text, asked, self.tick, to_bot, greeting))
        await self.be_quiet()

    async def press(self, keys: str) -> None:
        """RFC 2833 digits, one after another."""
        for key in keys:
            await self.leg.send_dtmf(key)
            self.keys += key
            await self.rest(KEY_GAP_S)

    async def rest(self, seconds: float) -> None:
        """Lets time pass, not longer than the leg lives."""
        if seconds > 0:
            await asyncio.wait({self.leg.ended}, timeout=seconds)

    # ---- waiting ----

    async def until(self, condition: Callable[[], bool], within_s: float) -> Waited:
        """Looks at `condition` in every tick."""
        seen: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._wait = _Wait(condition, seen)
        try:
            either: set[asyncio.Future[Any]] = {seen, self.leg.ended}
            await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._wait = None
        if self.leg.ended.done():
            return "ended"
        return "seen" if seen.done() else "timeout"

    async def paused(self, since: int, within_s: float) -> Waited:
        """Until the other end has spoken after tick `since` and is silent again."""
        return await self.until(lambda: self.watch.paused_since(since), within_s)

    async def listen(self, since: int, within_s: float) -> Waited:
        """As `paused`, but only the silence before they speak is limited: who speaks is heard out."""
        began = await self.until(lambda: self.watch.heard_since(since), within_s)
        return began if began != "seen" else await self.paused(since, LONGEST_SPEECH_S)

    async def _or_end(self, future: asyncio.Future[bool]) -> None:
        either: set[asyncio.Future[Any]] = {future, self.leg.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)

    # ---- afterwards ----

    def sayings(self) -> list[Said]:
        return [
            Said(text=one.text, start_s=self.seconds(one.asked), end_s=self.seconds(one.over))
            for one in self.said
        ]

    def save(self, folder: Path, name: str) -> dict[str, str]:
        """Writes what was heard (`name`.heard.wav), and both sides as stereo, own side on the right.

        Gives the paths relative to the folder above `folder`; none when there was no audio.  Blocks.
        """
        if not self._heard:
            return {}
        folder.mkdir(parents=True, exist_ok=True)
        heard, stereo = folder / f"{name}.heard.wav", folder / f"{name}.stereo.wav"
        write_wav(heard, bytes(self._heard))
        sides = np.stack([np.frombuffer(self._heard, np.int16), np.frombuffer(self._sent, np.int16)], axis=1)
        write_stereo(stereo, sides)
        return {"heard": f"{folder.name}/{heard.name}", "stereo": f"{folder.name}/{stereo.name}"}


def write_stereo(path: Path, sides: np.ndarray) -> None:
    """`sides`: int16, one row a sample, left and right."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(sides.astype("<i2").tobytes())
