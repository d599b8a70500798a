"""A recorder's process that kills itself, as `kill -9` does, at a named moment of a recorded call.

`python -m tests.records.killed_recorder FOLDER ATTEMPT KEYS MOMENT`
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from voicebot.call import recording_file
from voicebot.call.recorder import Recorder
from voicebot.store import sealed_file
from voicebot.store.encryption import KeyRing

TICKS = 120
MOMENTS = ("opened", "talking", "hung up", "encoding", "sealing", "sealed", "samples deleted")


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, attempt_id: str, keys: KeyRing, moment: str) -> None:
    recorder = Recorder(folder, attempt_id, keys)
    if moment == "opened":
        die()
    for tick in range(TICKS):
        recorder.on_tick(bytes([tick, 1]) * 160, bytes([tick, 2]) * 160, tick * 0.02)
        if moment == "talking" and tick == 70:
            die()
    if moment == "hung up":
        die()
    elif moment == "encoding":
        recording_file.seal_file = die  # type: ignore[assignment]
    elif moment == "sealing":
        Path.replace = die  # type: ignore[method-assign,assignment]
    elif moment == "sealed":
        sealed_file._sync_folder = die
    recorder.seal()
    die()  # before anybody was told of it


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], KeyRing.load(Path(sys.argv[3])), sys.argv[4])
