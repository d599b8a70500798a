"""When a turn of the callee begins, pauses and ends.

The VAD says for each 20 ms frame whether there is voice; this class turns that into four events:

    onset ──► pause (decode speculatively) ──► resumed │ end (commit the turn)

How long a pause must last to be an end depends on three things: what was asked for (`Patience`), whether the
text so far looks finished (`conclude`), and how this callee pauses (`Pace`).

Pure and driven by frames: tests run it on made frames faster than real time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from voicebot.call.completeness import Completeness
from voicebot.call.pace import Pace

FRAME_S = 0.02
FAINT_DB = 30.0
"""Frames so much weaker than the turn's loudest one are no speech any more; the VAD lingers on them."""
NEAR_FLOOR_DB = 6.0
"""Nor are those that are no louder than the line's own noise."""
MOST_FAINT_S = 0.2
"""No more than this of them is taken for silence afterwards: the VAD lingers as long in noise."""
FLOOR_FOLLOWS = 0.1
"""Share of a frame in the noise floor: it follows within half a second."""


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
    pause_s: float = 0.12
    "Silence after which the turn is decoded on suspicion: the text is there when 0.4 s have passed."
    soonest_s: float | None = 0.4
    "Silence that ends a turn whose text is finished; None: never before `end_s`."
    end_s: float = 0.5
    "Silence that ends the turn."
    unfinished_s: float = 1.0
    "Silence that ends a turn whose text wants to go on."
    longest_s: float = 15.0
    "A turn is cut here: nobody listens longer than that without deciding."


ORDINARY = Patience()
DIGITS = Patience(soonest_s=0.5, end_s=1.1, unfinished_s=1.4)
"""People pause between digits and while they look something up; four of them are finished."""
DATES = Patience(soonest_s=0.45, end_s=0.7)
STORY = Patience(soonest_s=None, end_s=1.5, unfinished_s=2.0)
"""Somebody tells what happened to them: nobody cuts in on a pause for breath."""


class Endpointer:
    """One callee's turn detector.  `feed` takes one frame and returns what happened, if anything."""

    def __init__(self, patience: Patience = ORDINARY) -> None:
        self.patience = patience
        self.pauses = 0
        "Pauses so far: `conclude` names the one that it is about."
        self._pace = Pace()
        self._recent: deque[bool] = deque(maxlen=round(patience.onset_window_s / FRAME_S))
        self._frames = 0
        self.speaking = False
        self._silence_s = 0.0
        self._faint_s = 0.0
        self._loudest_dbfs = -100.0
        self._floor_dbfs = -70.0
        self._paused = False
        self._text_is: Completeness | None = None
        self._turn_s = 0.0
        self.onset_at_s = 0.0
        "Where the current turn began, in seconds of fed frames."
        self.voice_ended_at_s = -10.0
        "Where the last voiced frame ended."

    @property
    def now_s(self) -> float:
        """Seconds of audio fed so far."""
        return self._frames * FRAME_S

    def feed(self, voiced: bool, level_dbfs: float) -> Endpoint | None:
        """One 20 ms frame, with its level."""
        self._frames += 1
        if not self.speaking:
            return self._wait_for_onset(voiced, level_dbfs)
        self._turn_s += FRAME_S
        if voiced:
            self._loudest_dbfs = max(self._loudest_dbfs, level_dbfs)
            faint = level_dbfs < max(self._loudest_dbfs - FAINT_DB, self._floor_dbfs + NEAR_FLOOR_DB)
            self._faint_s = min(self._faint_s + FRAME_S, MOST_FAINT_S) if faint else 0.0
            if self._paused:
                self._paused = False
                self._pace.went_on(self._silence_s)
                self._hear_voice()
                return Endpoint.RESUMED
            self._hear_voice()
        else:
            if self._silence_s == 0.0:
                self._silence_s = self._faint_s
                self.voice_ended_at_s -= self._faint_s
            self._silence_s += FRAME_S
        if self._silence_s >= self._wait_s() - 1e-9 or self._turn_s >= self.patience.longest_s:
            self._finish()
            return Endpoint.END
        if not self._paused and self._silence_s >= self.patience.pause_s - 1e-9:
            self._paused, self._text_is = True, None
            self.pauses += 1
            return Endpoint.PAUSE
        return None

    def conclude(self, pause: int, text_is: Completeness) -> None:
        """What the text decoded at a pause looks like; of no effect when the callee went on meanwhile."""
        if self._paused and pause == self.pauses:
            self._text_is = text_is

    def _wait_s(self) -> float:
        """Silence that ends the turn now."""
        patience = self.patience
        if self._text_is is Completeness.UNFINISHED:
            return max(patience.unfinished_s, self._pace.at_least(patience.end_s))
        if self._text_is is Completeness.FINISHED and patience.soonest_s is not None:
            return self._pace.at_least(patience.soonest_s)
        return self._pace.at_least(patience.end_s)

    def _hear_voice(self) -> None:
        self._silence_s = 0.0
        self._text_is = None
        self.voice_ended_at_s = self.now_s

    def _wait_for_onset(self, voiced: bool, level_dbfs: float) -> Endpoint | None:
        self._recent.append(voiced)
        if not voiced:
            self._floor_dbfs += FLOOR_FOLLOWS * (level_dbfs - self._floor_dbfs)
        voiced_s = sum(self._recent) * FRAME_S
        if not voiced or voiced_s < self.patience.onset_s - 1e-9:
            return None
        self.speaking = True
        self._paused = False
        self._faint_s, self._loudest_dbfs = 0.0, -100.0
        first = next(i for i, v in enumerate(self._recent) if v)
        self._turn_s = (len(self._recent) - first) * FRAME_S
        self.onset_at_s = self.now_s - self._turn_s
        self._pace.began(self.onset_at_s - self.voice_ended_at_s)
        self._hear_voice()
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
        self._text_is = None
