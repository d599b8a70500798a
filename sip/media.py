"""Audio between the conference bridge and Python: tick pairs, and players on the C side.

Everything here belongs to the pj thread, except `onFrameReceived`, which pjmedia's clock thread calls.
"""

from __future__ import annotations

import ctypes
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pjsua2.pjsua2 as pj
import structlog

from sip.errors import SipError

log = structlog.get_logger()

TICK_MS = 20
CLOCK_RATE = 8000
SAMPLES_PER_TICK = CLOCK_RATE * TICK_MS // 1000
TICK_BYTES = SAMPLES_PER_TICK * 2
SILENCE = bytes(TICK_BYTES)

_word = ctypes.c_size_t.from_address
_AUDIO = pj.PJMEDIA_FRAME_TYPE_AUDIO
SHORTEST_WAV_BYTES = 400
"""pjmedia refuses anything shorter (PJMEDIA_EWAVETOOSHORT)."""


def frame_bytes(frame: pj.MediaFrame) -> bytes:
    """The PCM of a frame.

    `bytes(frame.buf)` walks the vector sample by sample (119 µs for 20 ms); the vector's own
    {begin, end, capacity} behind the SWIG proxy gives the same in 1.4 µs.  `check_frame_layout` proves it.
    """
    vector = int(frame.buf.this)
    begin = _word(vector).value
    return ctypes.string_at(begin, _word(vector + 8).value - begin)


def check_frame_layout() -> None:
    """Raises SipError when this build of pjsua2 lays its vectors out in another way."""
    vector = pj.ByteVector(b"abcd")
    address = int(vector.this)
    begin, end, capacity = (_word(address + 8 * word).value for word in range(3))
    if end - begin != 4 or capacity < end or ctypes.string_at(begin, 4) != b"abcd":
        raise SipError(
            "this build of pjsua2 stores audio frames in an unknown way.", "Install the pinned wheel."
        )


class _Port(pj.AudioMediaPort):  # type: ignore[misc]  # the binding has no types
    """A receive-only port; pjmedia calls it once in every tick, fed or not."""

    def __init__(self, name: str, on_frame: Callable[[bytes], None]) -> None:
        super().__init__()
        self._on_frame = on_frame
        wanted = pj.MediaFormatAudio()
        wanted.init(pj.PJMEDIA_FORMAT_PCM, CLOCK_RATE, 1, TICK_MS * 1000, 16)
        self.createPort(name, wanted)

    def close(self) -> None:
        """Forgets its owner."""
        self._on_frame = _nowhere

    def onFrameReceived(self, frame: pj.MediaFrame) -> None:  # pjsua2's name
        try:
            pcm = frame_bytes(frame) if frame.type == _AUDIO else SILENCE
            self._on_frame(pcm if len(pcm) == TICK_BYTES else SILENCE)
        except Exception as fault:  # escaping from here, it would keep pj objects alive
            self._on_frame = _nowhere
            log.error("sip.port_failed", fault=type(fault).__name__)


def _nowhere(pcm: bytes) -> None:
    """A port that failed stays silent: its audio goes nowhere."""


class TickPair:
    """Two ports of one leg that the bridge serves in the same tick: `theirs` first, then `ours`.

    The bridge serves its ports by ascending number, so the lower one stores and the higher one emits.
    Pairs are pooled and never destroyed while the clock runs: that would race with the callback.
    """

    def __init__(self, number: int, emit: Callable[[int, bytes, bytes], None]) -> None:
        self.leg_id = 0
        "The leg that gets the ticks; 0 while idle or while the leg's ticks have not begun."
        self._emit = emit
        self._stored = SILENCE
        ports = [_Port(f"first{number}", self._store), _Port(f"second{number}", self._complete)]
        if ports[0].getPortId() > ports[1].getPortId():
            raise SipError("the conference bridge numbered two new ports backwards.")
        self.theirs, self.ours = ports

    def destroy(self) -> None:
        """Lets go of both ports at once: as part of a cycle they would outlive the library."""
        for port in (self.theirs, self.ours):
            port.close()
        del self.theirs, self.ours

    def _store(self, pcm: bytes) -> None:
        self._stored = pcm

    def _complete(self, pcm: bytes) -> None:
        if self.leg_id:
            self._emit(self.leg_id, self._stored, pcm)


class PairPool:
    """Tick pairs, made when first needed and used again and again."""

    def __init__(self, emit: Callable[[int, bytes, bytes], None]) -> None:
        self._emit = emit
        self._idle: list[TickPair] = []
        self._made: list[TickPair] = []

    def take(self) -> TickPair:
        if not self._idle:
            pair = TickPair(len(self._made), self._emit)
            self._made.append(pair)
            return pair
        return self._idle.pop()

    def give_back(self, pair: TickPair) -> None:
        pair.leg_id = 0
        self._idle.append(pair)

    def destroy(self) -> None:
        """Only after the sound device is closed: then no callback can be running."""
        self._idle.clear()
        while self._made:
            self._made.pop().destroy()


@dataclass
class Player:
    """A running or paused C-side player of one leg."""

    id: int
    media: pj.AudioMediaPlayer
    paused: bool = False
    started: bool = False


def open_player(player_id: int, path: str, *, loop: bool) -> Player:
    """Opens a WAV file.  Raises pj.Error when pjmedia can't read it."""
    media = pj.AudioMediaPlayer()
    media.createPlayer(path, 0 if loop else pj.PJMEDIA_FILE_NO_LOOP)
    return Player(player_id, media)


def wav_samples(path: Path) -> int:
    """How many samples a prompt has.  Raises SipError unless it is 8 kHz mono 16-bit PCM."""
    try:
        with wave.open(str(path), "rb") as source:
            shape = (source.getframerate(), source.getnchannels(), source.getsampwidth())
            samples = source.getnframes()
    except FileNotFoundError:
        raise SipError("the sound file does not exist.", "Render it before the call.", where=path) from None
    except (wave.Error, EOFError) as fault:
        raise SipError(f"the sound file can't be read: {fault}.", where=path) from None
    if shape != (CLOCK_RATE, 1, 2):
        raise SipError(
            f"the sound file is {shape[0]} Hz, {shape[1]} channels, {8 * shape[2]} bits.",
            f"Make it {CLOCK_RATE} Hz, mono, 16 bits.",
            where=path,
        )
    if samples * 2 <= SHORTEST_WAV_BYTES:
        raise SipError(
            f"the sound file has only {samples} samples.", "The shortest is 201 (25 ms).", where=path
        )
    return samples
