"""The stereo recording of one call: left is ours (bot, later also the agent), right is the callee.

One file from answer to end across a handoff, clocked by the conference's 20 ms ticks, streamed to
disk as FLAC.  Both channels come from the same tick, so they can never drift apart.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile as sf
import structlog

from voicebot.call.record import RecordingRef

log = structlog.get_logger()

SAMPLE_RATE = 8000
TICK_S = 0.02
FLUSH_TICKS = 50
"""One write a second: a crash loses at most that, and the disk is not asked 50 times a second."""
GAP_S = 0.1
"""Ticks that come this much later than their count says are a gap in the recording."""


class Recorder:
    """Takes ticks, writes them, and says at the end what it wrote."""

    def __init__(self, path: Path) -> None:
        """Opens the file at once: no recorder, no call.  Raises OSError when it cannot."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._part = path.with_suffix(".part.flac")
        self._file = sf.SoundFile(self._part, "w", SAMPLE_RATE, 2, "PCM_16", format="FLAC")
        self._ours: list[bytes] = []
        self._theirs: list[bytes] = []
        self.ticks = 0
        self.gaps = 0
        self._began: float | None = None
        self._behind_s = 0.0
        self.failed = False
        "The disk did not take it: no recorder, no call."

    def on_tick(self, theirs: bytes, ours: bytes, now_s: float) -> None:
        """One 20 ms tick of both sides (320 bytes each); `now_s` is any monotonic clock."""
        if self._began is None:
            self._began = now_s
        self.ticks += 1
        self._watch_gap(now_s - self._began - self.ticks * TICK_S)
        self._ours.append(ours)
        self._theirs.append(theirs)
        if len(self._ours) >= FLUSH_TICKS:
            self._flush()

    def _watch_gap(self, behind_s: float) -> None:
        # Ticks may bunch up behind a busy loop and catch up; only what never comes back is a gap.
        if behind_s - self._behind_s > GAP_S:
            self.gaps += 1
            self._behind_s = behind_s
        elif behind_s < self._behind_s:
            if self._behind_s - behind_s > GAP_S and self.gaps:
                self.gaps -= 1
            self._behind_s = max(0.0, behind_s)

    def _flush(self) -> None:
        if self._ours and not self.failed:
            left = np.frombuffer(b"".join(self._ours), "<i2")
            right = np.frombuffer(b"".join(self._theirs), "<i2")
            try:
                self._file.write(np.column_stack((left, right)))
            except (
                OSError,
                RuntimeError,
                AssertionError,
            ) as fault:  # all three: a full disk
                log.error("recorder_failed", fault=type(fault).__name__)
                self.failed = True
        self._ours.clear()
        self._theirs.clear()

    @property
    def seconds(self) -> float:
        return self.ticks * TICK_S

    def seal(self) -> RecordingRef | None:
        """Closes the file, gives it its final name and returns what the store keeps of it.

        None when the disk did not take it; what was written stays under its unfinished name.
        """
        self._flush()
        try:
            self._file.close()
        except (OSError, RuntimeError) as fault:
            log.error("recorder_failed", fault=type(fault).__name__)
            self.failed = True
        if self.failed:
            return None
        self._part.rename(self.path)
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return RecordingRef(
            path=str(self.path), sha256=digest, seconds=round(self.seconds, 2), gaps=self.gaps
        )

    def discard(self) -> None:
        """Throws the file away: the call was never answered."""
        self._file.close()
        self._part.unlink(missing_ok=True)
