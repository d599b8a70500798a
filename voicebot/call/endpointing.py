"""When a turn of the callee begins, pauses and ends.

The VAD says for each 20 ms frame whether there is voice; this class turns that into four events:

    onset ──► pause (decode speculatively) ──► resumed │ end (commit the turn)

Pure and driven by frames: tests run it on made frames faster than real time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

FRAME_S = 0.02


class Endpoint(StrEnum):
    """What just happened in the callee's speech."""

    ONSET = "onset"
    PAUSE = "pause"
    RESUMED = "resumed"
    END = "end"


@dataclass(frozen=True)
class Patience:
    """How long a silence must last, in seconds, before something is made of it."""

    onset_s: float = 0.12
    "Voice within the last window that makes an onset; shorter is a click."
    onset_window_s: float = 0.2
    pause_s: float = 0.25
    "Silence after which the turn is decoded on suspicion (the text is right 23 times in 24)."
    end_s: float = 0.5
    "Silence that ends the turn."
    longest_s: float = 15.0
    "A turn is cut here: nobody listens longer than that without deciding."


ORDINARY = Patience()
DIGITS = Patience(end_s=1.1)
"""People pause between digits and while they look something up."""
DATES = Patience(end_s=0.7)
STORY = Patience(end_s=1.5)
"""Somebody tells what happened to them: nobody cuts in on a pause for breath."""


class Endpointer:
    """One callee's turn detector.  `feed` takes one frame and returns what happened, if anything."""

    def __init__(self, patience: Patience = ORDINARY) -> None:
        self.patience = patience
        self._recent: deque[bool] = deque(maxlen=round(patience.onset_window_s / FRAME_S))
        self._frames = 0
        self.speaking = False
        self._silence_s = 0.0
        self._paused = False
        self._turn_s = 0.0
        self.onset_at_s = 0.0
        "Where the current turn began, in seconds of fed frames."
        self.voice_ended_at_s = 0.0
        "Where its last voiced frame ended."

    @property
    def now_s(self) -> float:
        """Seconds of audio fed so far."""
        return self._frames * FRAME_S

    def feed(self, voiced: bool) -> Endpoint | None:
        """One 20 ms frame."""
        self._frames += 1
        if not self.speaking:
            return self._wait_for_onset(voiced)
        self._turn_s += FRAME_S
        if voiced:
            self._silence_s = 0.0
            self.voice_ended_at_s = self.now_s
            if self._paused:
                self._paused = False
                return Endpoint.RESUMED
        else:
            self._silence_s += FRAME_S
        if self._silence_s >= self.patience.end_s - 1e-9 or self._turn_s >= self.patience.longest_s:
            self._finish()
            return Endpoint.END
        if not self._paused and self._silence_s >= self.patience.pause_s - 1e-9:
            self._paused = True
            return Endpoint.PAUSE
        return None

    def _wait_for_onset(self, voiced: bool) -> Endpoint | None:
        self._recent.append(voiced)
        voiced_s = sum(self._recent) * FRAME_S
        if not voiced or voiced_s < self.patience.onset_s - 1e-9:
            return None
        self.speaking = True
        self._silence_s, self._paused = 0.0, False
        first = next(i for i, v in enumerate(self._recent) if v)
        self._turn_s = (len(self._recent) - first) * FRAME_S
        self.onset_at_s = self.now_s - self._turn_s
        self.voice_ended_at_s = self.now_s
        return Endpoint.ONSET

    def cut(self) -> bool:
        """The voice is gone.  True when that ended a turn."""
        was_speaking = self.speaking
        self._finish()
        return was_speaking

    def _finish(self) -> None:
        self.speaking = False
        self._recent.clear()
        self._paused = False
