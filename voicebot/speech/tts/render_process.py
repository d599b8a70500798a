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
from voicebot.speech.tts.soundness import fault_of

ENDINGS = ("", "。", "，")
"""A rendering that is not sound is done again; engines that always give the same get another ending."""


def render_prompt(voice: Voice, text: str) -> Samples:
    """8 kHz samples of one clause.  Raises RenderError for nothing to say, or when no try is sound."""
    if spoken_length(text) == 0:
        raise RenderError("the text has nothing to say")
    fault = ""
    for ending in ENDINGS:
        raw, rate = voice.render(text if not ending else text.rstrip("，。！？；：,!?;") + ending)
        prompt = to_prompt(raw, rate)
        if not (fault := fault_of(raw, prompt, text)):
            return prompt
    raise RenderError(f"the audio is not sound: {fault}")


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
