"""The stereo recording of one call: left is ours (bot, later also the agent), right is the callee.

One file from answer to end across a handoff, clocked by the conference's 20 ms ticks and streamed to disk.
Both channels come from the same tick, so they can never drift apart.  At hang-up it is sealed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

import numpy as np
import soundfile as sf
import structlog

from voicebot.call.record import RecordingRef
from voicebot.call.recording_file import Format, finish, part_file
from voicebot.store.encryption import KeyRing

log = structlog.get_logger()

TICK_S = 0.02
FLUSH_TICKS = 50
"""One write a second: a crash loses at most that, and the disk is not asked 50 times a second."""
GAP_S = 0.1
"""Ticks that come this much later than their count says are a gap in the recording."""


class Recorder:
    """Takes ticks, writes them, and says at the end what it wrote."""

    def __init__(self, folder: Path, attempt_id: str, keys: KeyRing, form: Format = "flac") -> None:
        """Opens the file at once: no recorder, no call.  Raises OSError when it cannot."""
        folder.mkdir(parents=True, exist_ok=True)
        self._part, self._keys = part_file(folder, attempt_id, form), keys
        self._file = self._part.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held while this process lives: not salvaged
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
            samples = np.column_stack((left, right)).tobytes()
            try:
                if self._file.write(samples) != len(samples):
                    raise OSError("a short write")
            except OSError as fault:  # a full disk
                self._fail(fault)
        self._ours.clear()
        self._theirs.clear()

    def _fail(self, fault: Exception) -> None:
        log.error("recorder_failed", fault=type(fault).__name__)
        self.failed = True

    @property
    def seconds(self) -> float:
        return self.ticks * TICK_S

    def seal(self) -> RecordingRef | None:
        """Closes the recording, seals it and returns what the store keeps of it.

        When the disk has no room for the sealed copy the samples stay, unsealed, for the next start to seal;
        None when it did not even take the samples.
        """
        self._flush()
        try:
            os.fsync(self._file.fileno())
        except OSError as fault:
            self._fail(fault)
        if self.failed:
            self._file.close()
            return None
        sealed, path = True, self._part
        try:
            path, digest = finish(self._part, self._keys)
        except (OSError, sf.SoundFileError) as fault:
            log.error("recording_not_sealed", fault=type(fault).__name__)
            sealed, digest = False, self._samples_digest()
        finally:
            self._file.close()
        return RecordingRef(
            path=str(path), sha256=digest, seconds=round(self.seconds, 2), gaps=self.gaps, sealed=sealed
        )

    def _samples_digest(self) -> str:
        with self._part.open("rb") as samples:
            return hashlib.file_digest(samples, "sha256").hexdigest()

    def discard(self) -> None:
        """Throws the file away: the call was never answered."""
        self._file.close()
        self._part.unlink(missing_ok=True)
