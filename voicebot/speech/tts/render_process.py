"""Renders clauses in a process of its own: one JSON line {"text", "out"} in, one line {"out", "seconds"} or
{"out", "error"} back, until standard input closes."""

from __future__ import annotations

import json
import os
import sys
import wave
from pathlib import Path

from voicebot.errors import InputError
from voicebot.speech.audio import SAMPLE_RATE, Samples, to_pcm
from voicebot.speech.tts.clauses import spoken_length
from voicebot.speech.tts.engine import RenderError, Voice, load_voice
from voicebot.speech.tts.loudness import to_prompt

_MIN_SECONDS_A_CHARACTER = 0.05
"""Less audio than this for a character means that the engine swallowed some of the text."""


def render_prompt(voice: Voice, text: str) -> Samples:
    """8 kHz samples of one clause.  Raises RenderError for nothing to say or far too little audio."""
    if spoken_length(text) == 0:
        raise RenderError("the text has nothing to say")
    prompt = to_prompt(*voice.render(text))
    characters = sum(1 for c in text if "\u4e00" <= c <= "\u9fff")
    if prompt.size < max(0.1, characters * _MIN_SECONDS_A_CHARACTER) * SAMPLE_RATE:
        raise RenderError("the audio is too short for its text")
    return prompt


def write_wav(path: Path, pcm: bytes) -> None:
    """8 kHz mono int16 WAV, renamed into place: a reader sees all of it or nothing."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with wave.open(str(part), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(pcm)
    part.replace(path)


def main() -> int:
    """VOICE MODELS as arguments."""
    try:
        voice = load_voice(sys.argv[1], Path(sys.argv[2]))
    except InputError as error:
        print(json.dumps({"fatal": str(error)}), flush=True)
        return 2
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        out = Path(job["out"])
        try:
            prompt = render_prompt(voice, job["text"])
        except RenderError as error:
            print(json.dumps({"out": str(out), "error": str(error)}), flush=True)
            continue
        out.parent.mkdir(parents=True, exist_ok=True)
        write_wav(out, to_pcm(prompt))
        print(json.dumps({"out": str(out), "seconds": prompt.size / SAMPLE_RATE}), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
