"""The audio of benchmarks/answer.py: what is heard when a number is called, made from texts and a seed.

A case is what one line carries: 8 kHz PCM after A-law, with a level, line noise, lost packets (concealed by
the packet before) and a moment at which it begins.  Few renderings, many lines: speech comes from the prompt
cache.
"""

from __future__ import annotations

import io
import json
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import yaml
from answer_sounds import (
    a_law,
    at_level,
    cadence,
    first_words_s,
    lose_packets,
    melody,
    noise,
    rest,
    tone,
    trimmed,
)

from voicebot.errors import InputError
from voicebot.speech.audio import SAMPLE_RATE, Samples, to_float, to_pcm
from voicebot.speech.tts.cache import PromptCache

TEXTS = Path(__file__).resolve().parent / "answer" / "texts.yaml"
VOICES = (
    "kokoro:zf_xiaoxiao",
    "kokoro:zm_yunxi",
    "kokoro:zf_xiaoyi",
    "kokoro:zm_yunjian",
    "kokoro:zf_xiaobei",
    "kokoro:zm_yunxia",
)
CHILD_PITCH = 1.28
SPEECH_DBFS = (-28.0, -15.0)
NOISE_DBFS = (-65.0, -42.0)
LEAST_SNR_DB = 12.0
LOSSES = (0.0, 0.0, 0.0, 0.01, 0.03, 0.05)
AFTER_S = 3.0
"""Line noise after the material, in a case."""
PAUSE_S = (0.5, 1.4)
BEEP_HZ = (950.0, 1000.0, 1400.0, 2000.0)


@dataclass(frozen=True)
class Case:
    """`phase`: answered, or early (before the answer).  `expect`: human, VOICEMAIL, ASSISTANT or another
    disposition; none where a line only rings.  `begins_s`, `ends_s`: the first words' (or sounds')."""

    name: str
    group: str
    phase: str
    expect: str
    pcm: bytes
    begins_s: float = 0.0
    first_ends_s: float = 0.0
    beep_s: float | None = None
    "Where the mailbox's beep ends."


class Studio:
    """Makes cases; the same seed gives the same ones."""

    def __init__(self, prompts: Path, models: Path, texts: Path = TEXTS, seed: int = 1) -> None:
        self._cache, self._models = PromptCache(prompts), models
        self._dice = np.random.default_rng(seed)
        self._cases: list[Case] = []
        self._texts: dict[str, Any] = yaml.safe_load(texts.read_text("utf-8"))

    def render(self) -> None:
        """Renders what the prompt cache lacks; blocks."""
        wanted: dict[str, list[str]] = {}
        for text, voice in self._wanted():
            wanted.setdefault(voice, []).append(text)
        for voice, texts in wanted.items():
            self._cache.render(voice, texts, self._models)

    def _wanted(self) -> Iterator[tuple[str, str]]:
        for group in self._texts.values():
            for number, text in enumerate(_flat(group["texts"])):
                for piece in (text[0] if isinstance(text, list) else text).split("|"):
                    for voice in self._voices(group["voices"], number):
                        yield piece, voice

    @staticmethod
    def _voices(count: int, number: int) -> list[str]:
        """Which voices say a group's text: they take turns."""
        return [VOICES[(number + k) % len(VOICES)] for k in range(count)]

    def speech(self, voice: str, text: str) -> Samples:
        """The pieces of a text, paused between."""
        parts: list[Samples] = []
        for piece in text.split("|"):
            if parts:
                parts.append(rest(float(self._dice.uniform(*PAUSE_S))))
            with wave.open(str(self._cache.path(voice, piece)), "rb") as wav:
                parts.append(trimmed(to_float(wav.readframes(wav.getnframes()))))
        return np.concatenate(parts)

    def english(self, text: str) -> Samples:
        """espeak-ng's English voice."""
        done = subprocess.run(
            ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", text], capture_output=True, check=True
        )
        samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
        return trimmed(soxr.resample(samples, rate, SAMPLE_RATE))

    # ---- the cases ----

    def cases(self) -> list[Case]:
        """All of them, in a fixed order."""
        self._people()
        self._machines()
        self._before_the_answer()
        return self._cases

    def _each(self, group: str) -> Iterator[tuple[str, str, str]]:
        """(expectation or "", voice, text)."""
        entry = self._texts.get(group, {"texts": [], "voices": 0})
        for number, (expect, text) in enumerate(_labelled(entry["texts"])):
            for voice in self._voices(entry["voices"], number):
                yield expect, voice, text

    def _people(self) -> None:
        dice = self._dice
        for group in ("people_short", "people_office", "people_long", "people_twice"):
            for _, voice, text in self._each(group):
                self._line(group, "answered", "human", self.speech(voice, text), dice.uniform(0.15, 0.7))
        for number, (_, voice, text) in enumerate(self._each("people_short")):
            if number % 4 == 0:
                self._line(
                    "people_late", "answered", "human", self.speech(voice, text), dice.uniform(2.5, 3.5)
                )
        for _, voice, text in self._each("child"):
            high = soxr.resample(self.speech(voice, text), SAMPLE_RATE * CHILD_PITCH, SAMPLE_RATE)
            self._line("child", "answered", "human", high, dice.uniform(0.2, 0.9))
        for _ in range(15):
            self._line("silent", "answered", "human", rest(6.0))
        for kind in ("white", "pink", "hum", "street"):
            for _ in range(4):
                self._line("noise", "answered", "human", noise(kind, 6.0, dice), loud_dbfs=-32.0)

    def _machines(self) -> None:
        dice = self._dice
        for _, voice, text in self._each("voicemail"):
            speech = self.speech(voice, text)
            beep_at = speech.size / SAMPLE_RATE + dice.uniform(0.3, 1.2)
            beep = tone(float(dice.choice(BEEP_HZ)), float(dice.uniform(0.25, 0.8)))
            both = np.concatenate([speech, rest(beep_at - speech.size / SAMPLE_RATE), beep])
            self._line("voicemail", "answered", "VOICEMAIL", both, dice.uniform(0.1, 0.8), beeps=True)
        for group, expect in (("assistant", "ASSISTANT"), ("answered_network", "")):
            for label, voice, text in self._each(group):
                speech = self.speech(voice, text)
                self._line(group, "answered", expect or label, speech, dice.uniform(0.1, 0.8))

    def _before_the_answer(self) -> None:
        dice = self._dice
        english = dict(_labelled(self._texts["announcements"]["texts"], english=True))
        for expect, voice, text in self._each("announcements"):
            speech = self.speech(voice, text)
            if expect in english:
                speech = np.concatenate([speech, rest(0.6), at_level(self.english(english[expect]), -20.0)])
            self._line("announcement", "early", expect, speech, dice.uniform(0.1, 1.5))
        for _, voice, text in self._each("waiting"):
            self._line("waiting", "early", "BUSY", self.speech(voice, text), dice.uniform(0.1, 1.5))
        for _, voice, text in self._each("ring_speech"):
            music = melody("strings", 8.0, dice)
            speech = self.speech(voice, text)
            both = at_level(np.resize(music, speech.size + SAMPLE_RATE), -30.0)
            both[: speech.size] += at_level(speech, -20.0)
            self._line("ring_speech", "early", "none", both, 0.2)
        songs = [self.speech(voice, text) for _, voice, text in self._each("people_long")]
        for kind in ("strings", "organ", "tune", "song"):
            for number in range(7):
                tune = melody(kind, 9.0, dice, songs[number % len(songs)] if songs else None)
                self._line("melody", "early", "none", tune, 0.1)
        for _ in range(5):
            self._line("ring_back", "early", "none", cadence((1.0, 4.0), 10.0), dice.uniform(0, 1))
            self._line("busy_tone", "early", "BUSY", cadence((0.35, 0.35), 6.0), dice.uniform(0, 1))
            self._line("congestion", "early", "UNREACHABLE", cadence((0.7, 0.7), 6.0), dice.uniform(0, 1))
            self._line("early_quiet", "early", "none", rest(8.0))
        for kind in ("white", "pink", "hum", "street"):
            self._line("early_noise", "early", "none", noise(kind, 8.0, dice), loud_dbfs=-35.0)

    def _line(
        self,
        group: str,
        phase: str,
        expect: str,
        sound: Samples,
        begins_s: float = 0.0,
        *,
        loud_dbfs: float | None = None,
        beeps: bool = False,
    ) -> None:
        """Puts a sound on a line of its own: level, noise, A-law, losses."""
        dice = self._dice
        quiet = not sound.any()
        speech_dbfs = float(dice.uniform(*SPEECH_DBFS)) if loud_dbfs is None else loud_dbfs
        floor_dbfs = min(float(dice.uniform(*NOISE_DBFS)), speech_dbfs - LEAST_SNR_DB)
        loss = float(dice.choice(LOSSES))
        kind = str(dice.choice(["white", "pink", "hum"]))
        begins_s = round(float(begins_s), 2)
        line = np.concatenate(
            [rest(begins_s), sound if quiet else at_level(sound, speech_dbfs), rest(AFTER_S)]
        )
        line = line + at_level(noise(kind, line.size / SAMPLE_RATE + 0.02, dice), floor_dbfs)[: line.size]
        line = lose_packets(a_law(np.clip(line, -1, 1)), loss, dice)
        name = f"{group}-{sum(case.group == group for case in self._cases) + 1:03d}"
        ends_s = begins_s + (0.0 if quiet else sound.size / SAMPLE_RATE)
        self._cases.append(
            Case(
                name,
                group,
                phase,
                expect,
                to_pcm(line),
                begins_s,
                begins_s if quiet else begins_s + first_words_s(sound),
                ends_s if beeps else None,
            )
        )


def _flat(texts: Any) -> list[Any]:
    if isinstance(texts, dict):
        return [text for group in texts.values() for text in group]
    return list(texts)


def _labelled(texts: Any, *, english: bool = False) -> Iterator[tuple[str, str]]:
    """(label, text) of a list, or of a mapping by label; the second language where a text has one."""
    groups = texts.items() if isinstance(texts, dict) else [("", texts)]
    for label, group in groups:
        for text in group:
            both = text if isinstance(text, list) else [text]
            if not english:
                yield label, both[0]
            elif len(both) > 1:
                yield label, both[1]


def load_folder(folder: Path) -> list[Case]:
    """WAV files with manifest.json: [{"file": ..., "phase": "answered" | "early", "expect": ...,
    "begins_s": 0.0, "first_ends_s": 0.0}, ...]; the last two are optional.  Raises InputError."""
    path = folder / "manifest.json"
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise InputError(f"the manifest cannot be read: {fault}.", "Give a folder with one.", path) from None
    return [_from_file(folder, entry, path) for entry in entries]


def _from_file(folder: Path, entry: dict[str, object], manifest: Path) -> Case:
    try:
        name, phase, expect = str(entry["file"]), str(entry.get("phase", "answered")), str(entry["expect"])
        samples, rate = soundfile.read(folder / name, dtype="float32", always_2d=True)
    except (KeyError, RuntimeError) as fault:
        raise InputError(f"an entry is not usable: {fault}.", "See --help.", manifest) from None
    if phase not in ("answered", "early"):
        raise InputError(f"unknown phase {phase!r}.", "Use answered or early.", manifest)
    mono = soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE).astype(np.float32)
    begins_s = float(str(entry.get("begins_s", 0.0)))
    ends_s = float(str(entry.get("first_ends_s", 0.0))) or first_words_s(mono)
    group = str(entry.get("group", "files"))
    return Case(name, group, phase, expect, to_pcm(mono), begins_s, ends_s)
