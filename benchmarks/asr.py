"""How much of what callees say is recognised, by voice, codec, noise and lost packets.

    python benchmarks/asr.py [--engine auto] [--vosk-model FOLDER] [--audio FOLDER] [--json]

Method: the texts of asr/texts.yaml, each spoken by four synthetic voices at −20 dBFS (rendered once, into the
prompt cache), go over a telephone line (8 kHz, G.711, noise, losses) into the product's own engine, one at a
time, in this process.  Wrong characters are counted against the written text (Levenshtein; digits as
characters, no punctuation), and wrong syllables, without tones, which is what intents are matched by.  A
synthetic voice is easier than a person: the figures compare lines and engines, they promise nothing.

By voice: all texts over A-law with noise at −60 dBFS.  By line: one voice a text, in turn.

--audio FOLDER: WAV files (any rate) with FOLDER/manifest.json, {"file.wav": "its text", …}; nothing is done
to them, and no condition is judged.

Conditions (Whisper base): wrong characters ≤ 10 % over A-law, ≤ 20 % at 15 dB of noise, ≤ 16 % with 2 % of
the packets lost; ≤ 0.35 CPU seconds an utterance.  Exit code 1 when one does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile
import soxr
import yaml
from answer_sounds import a_law, at_level, lose_packets, noise
from pypinyin import lazy_pinyin
from verdict import conclude

from voicebot.call.barge_in import spoken_characters
from voicebot.errors import InputError, NotReady
from voicebot.settings import load_site
from voicebot.simulate.hearing import distance
from voicebot.speech.asr.engine import Engine, load_engine
from voicebot.speech.audio import SAMPLE_RATE, Samples, to_float, to_pcm
from voicebot.speech.spoken.digits import parse_digits
from voicebot.speech.spoken.numerals import DIGITS, plain
from voicebot.speech.tts.cache import PromptCache

TEXTS = Path(__file__).resolve().parent / "asr" / "texts.yaml"
VOICES = ("kokoro:zm_yunxi", "kokoro:zf_xiaoyi", "kokoro:zm_yunjian", "kokoro:zf_xiaobei")
SEED = 20260302
LIMITS = {"a-law": 0.10, "noise 15 dB": 0.20, "loss 2 %": 0.16}
MOST_CPU_S = 0.35
Line = Callable[[Samples, np.random.Generator], Samples]


def _noisy(snr_db: float) -> Line:
    def line(samples: Samples, dice: np.random.Generator) -> Samples:
        return a_law(np.clip(samples + _hiss(samples, -20.0 - snr_db, dice), -1, 1))

    return line


def _hiss(samples: Samples, dbfs: float, dice: np.random.Generator) -> Samples:
    return at_level(noise("pink", samples.size / SAMPLE_RATE + 0.02, dice), dbfs)[: samples.size]


def _lossy(share: float) -> Line:
    def line(samples: Samples, dice: np.random.Generator) -> Samples:
        return lose_packets(_noisy(40.0)(samples, dice), share, dice)

    return line


def _level(dbfs: float) -> Line:
    def line(samples: Samples, dice: np.random.Generator) -> Samples:
        return _noisy(40.0)(at_level(samples, dbfs), dice)

    return line


LINES: dict[str, Line] = {
    "16 bit, no noise": lambda samples, dice: samples,
    "a-law": _noisy(40.0),
    "noise 20 dB": _noisy(20.0),
    "noise 15 dB": _noisy(15.0),
    "noise 10 dB": _noisy(10.0),
    "noise 5 dB": _noisy(5.0),
    "loss 2 %": _lossy(0.02),
    "loss 5 %": _lossy(0.05),
    "quiet (−35 dBFS)": _level(-35.0),
    "clipped": lambda samples, dice: a_law(np.clip(4.0 * samples, -0.5, 0.5)),
}


@dataclass
class Tally:
    """Characters and syllables that were said, and how many came out wrong."""

    utterances: int = 0
    characters: int = 0
    wrong: int = 0
    syllables: int = 0
    wrong_syllables: int = 0
    nothing: int = 0
    "Utterances of which nothing was recognised."
    cpu_s: float = 0.0
    audio_s: float = 0.0
    examples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, said: str, heard: str, cpu_s: float, audio_s: float) -> None:
        one, other = written(said), written(heard)
        self.utterances += 1
        self.characters += len(one)
        self.wrong += distance(one, other)
        self.syllables += len(one)
        self.wrong_syllables += distance(lazy_pinyin(one), lazy_pinyin(other))
        self.nothing += not other
        self.cpu_s += cpu_s
        self.audio_s += audio_s
        if one != other and len(self.examples) < 5:
            self.examples.append((said, heard))

    def as_json(self) -> dict[str, Any]:
        return {
            "utterances": self.utterances,
            "cer": round(self.wrong / self.characters, 3) if self.characters else None,
            "syllables_wrong": round(self.wrong_syllables / self.syllables, 3) if self.syllables else None,
            "nothing": self.nothing,
            "cpu_s": round(self.cpu_s / self.utterances, 3) if self.utterances else None,
            "rtf": round(self.cpu_s / self.audio_s, 3) if self.audio_s else None,
        }


def written(text: str) -> str:
    """Only what is spoken, figures as characters (3721 and 三七二一 and 三七二幺 are the same)."""
    said = spoken_characters(plain(text)).replace("幺", "一")
    return "".join(DIGITS[int(c)] if c.isdigit() and c.isascii() else c for c in said)


class Bench:
    def __init__(self, engine: Engine) -> None:
        self._session = engine.open("live", ())
        self._process = psutil.Process()

    def recognise(self, samples: Samples) -> tuple[str, float]:
        """The text and the CPU seconds it took."""
        before = self._cpu()
        self._session.feed(to_pcm(samples))
        text = self._session.decode().text
        self._session.reset()
        return text, self._cpu() - before

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system


def _spoken(cache: PromptCache, voice: str, text: str) -> Samples:
    with wave.open(str(cache.path(voice, text)), "rb") as wav:
        return to_float(wav.readframes(wav.getnframes()))


def measure(engine: Engine) -> dict[str, Any]:
    site = load_site()
    texts: dict[str, list[str]] = yaml.safe_load(TEXTS.read_text("utf-8"))
    flat = [text for group in texts.values() for text in group]
    cache = PromptCache(site.prompts)
    for voice in VOICES:
        cache.render(voice, flat, site.models, site.tts.processes)
    bench, dice = Bench(engine), np.random.default_rng(SEED)
    voices = {voice: Tally() for voice in VOICES}
    kinds = {kind: Tally() for kind in texts}
    tails = [0, 0]
    for kind, group in texts.items():
        for text in group:
            for voice in VOICES:
                samples = LINES["a-law"](_spoken(cache, voice, text), dice)
                heard, cpu_s = bench.recognise(samples)
                for tally in (voices[voice], kinds[kind]):
                    tally.add(text, heard, cpu_s, samples.size / SAMPLE_RATE)
                if kind == "digits":
                    tails[0] += parse_digits(heard, 4) == parse_digits(text, 4)
                    tails[1] += 1
    lines = {name: Tally() for name in LINES}
    for name, line in LINES.items():
        for number, text in enumerate(flat):
            samples = line(_spoken(cache, VOICES[number % len(VOICES)], text), dice)
            heard, cpu_s = bench.recognise(samples)
            lines[name].add(text, heard, cpu_s, samples.size / SAMPLE_RATE)
    return {
        "by_voice": {name: tally.as_json() for name, tally in voices.items()},
        "by_kind": {name: tally.as_json() for name, tally in kinds.items()},
        "by_line": {name: tally.as_json() for name, tally in lines.items()},
        "tails_right": {"right": tails[0], "of": tails[1]},
        "examples": [pair for tally in kinds.values() for pair in tally.examples],
    }


def measure_folder(engine: Engine, folder: Path) -> dict[str, Any]:
    """A site's own recordings.  Raises InputError."""
    manifest = folder / "manifest.json"
    try:
        texts = dict(json.loads(manifest.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as fault:
        raise InputError(f"the manifest cannot be read: {fault}.", "See --help.", manifest) from None
    bench, tally = Bench(engine), Tally()
    for name, text in texts.items():
        try:
            samples, rate = soundfile.read(folder / name, dtype="float32", always_2d=True)
        except (OSError, RuntimeError) as fault:
            raise InputError(f"{name} cannot be read: {fault}.", "Mend or remove it.", manifest) from None
        mono = soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE).astype(np.float32)
        heard, cpu_s = bench.recognise(mono)
        tally.add(str(text), heard, cpu_s, mono.size / SAMPLE_RATE)
    return {"files": tally.as_json(), "examples": tally.examples}


def missed(found: dict[str, Any]) -> list[str]:
    """The conditions that do not hold."""
    lines = found.get("by_line")
    if lines is None or not found["engine"].startswith("whisper"):
        return []
    wrong = [
        f"{name}: {lines[name]['cer']:.3f} of the characters wrong, allowed {most}"
        for name, most in LIMITS.items()
        if lines[name]["cer"] > most
    ]
    if (cpu_s := lines["a-law"]["cpu_s"]) > MOST_CPU_S:
        wrong.append(f"{cpu_s} CPU seconds an utterance, allowed {MOST_CPU_S}")
    return wrong


def show(found: dict[str, Any]) -> None:
    print(f"{found['engine']}, {found['cores']} cores, load {found['load_before']}, {found['seconds']:.0f} s")
    for group in ("by_voice", "by_kind", "by_line", "files"):
        rows = found.get(group, {})
        for name, row in (rows if group != "files" else {"files": rows}).items():
            if row:
                print(
                    f"{name:<22} CER {row['cer']}  syllables {row['syllables_wrong']}  "
                    f"nothing {row['nothing']} of {row['utterances']}  {row['cpu_s']} CPU s  RTF {row['rtf']}"
                )
    if "tails_right" in found:
        print(f"four digits read rightly: {found['tails_right']['right']} of {found['tails_right']['of']}")
    for said, heard in found["examples"][:8]:
        print(f"  {said}  →  {heard}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="auto", help="auto, whisper or vosk")
    parser.add_argument("--vosk-model", type=Path)
    parser.add_argument("--audio", type=Path, help="WAV files with a manifest.json of their texts")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began, load = time.monotonic(), os.getloadavg()[0]
    try:
        engine = load_engine(asked.engine, load_site().models, 1, asked.vosk_model)
        found = measure_folder(engine, asked.audio) if asked.audio else measure(engine)
    except (InputError, NotReady) as fault:
        print(fault, file=sys.stderr)
        sys.exit(2)
    found |= {
        "engine": engine.name,
        "cores": psutil.cpu_count(),
        "load_before": round(load, 2),
        "seconds": round(time.monotonic() - began, 1),
    }
    conclude(found, missed(found), asked.json, show)


if __name__ == "__main__":
    main()
