"""One utterance by pyttsx3 in a process of its own: VOICE RATE OUT, text on standard input.

Exit code 0 only when OUT is a complete, non-empty WAV.
"""

from __future__ import annotations

import os
import sys
import threading
import wave

_WAIT_S = 10.0
_MIN_SAMPLES = 1000


def speak(voice: str, rate: int, out: str, text: str) -> int:
    """Renders and checks; the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # espeak's driver prints there
    import pyttsx3

    engine = pyttsx3.init("espeak")
    done = threading.Event()
    engine.connect("finished-utterance", lambda name, completed: done.set())
    engine.setProperty("voice", voice)
    engine.setProperty("rate", rate)
    engine.save_to_file(text, out)
    engine.runAndWait()  # returns before the file is written
    if not done.wait(_WAIT_S):
        return 2
    try:
        with wave.open(out) as wav:
            return 0 if wav.getnframes() > _MIN_SAMPLES else 4
    except (OSError, wave.Error, EOFError):
        return 3


if __name__ == "__main__":
    code = speak(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.stdin.buffer.read().decode())
    sys.stderr.flush()
    os._exit(code)  # pyttsx3's threads would keep the interpreter from ending
