"""What VAD and endpointing hear: speech in noise, the moment it begins and ends, and what is no speech.

    python benchmarks/vad.py [--json]

Method: the utterances of the ASR benchmark (four synthetic voices, A-law) stand on a line two seconds apart,
over pink noise.  A 20 ms frame of the clean audio that is within 30 dB of its utterance's loudest one counts
as speech, gaps below 100 ms included; frames within 60 ms of a border, and 300 ms after an utterance, are not
judged.  Onset and end are those of the endpointer, against the first and last frame of speech: the end is
where its silence begins.

Split: utterances in which the endpointing found more than one turn; `soonest` when every pause looked like
the end of a finished text.

No speech: coughs (bursts), clicks, ring-back, busy tone, hum, steady and swelling noise, and the bot's own
voice coming back as an echo.  Each is on the line for a stretch of its own; every onset in it is a false one.

Conditions: at 15 dB ≤ 2 % of the frames missed and ≤ 2 % of the rest voiced; onset p95 ≤ 300 ms; no false
onset by tones, hum and noise, ≤ 1 in 20 coughs; ≤ 0.005 CPU seconds a second of speech, ≤ 0.001 of silence.
Exit code 1 when one does not hold.
"""

from __future__ import annotations

import argparse
import os
import time
import wave
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import yaml
from answer_sounds import a_law, at_level, cadence, noise, rest, trimmed
from asr import SEED, TEXTS, VOICES
from verdict import conclude

from voicebot.call.completeness import Completeness
from voicebot.call.endpointing import Endpoint, Endpointer
from voicebot.settings import load_site
from voicebot.speech.audio import (
    FRAME_BYTES,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    Samples,
    level_dbfs,
    to_float,
    to_pcm,
)
from voicebot.speech.tts.cache import PromptCache
from voicebot.speech.vad import TwoStageVad

UTTERANCES = 48
APART_S = 2.0
SNRS_DB = (40, 20, 15, 10, 5)
SPEECH_DB = 30.0
SHORT_GAP = 5
BORDER = 3
"""Frames on each side of a border that belong to neither."""
TAIL = 15
"""Frames after an utterance in which the VAD may linger: `end_ms` tells what it costs."""
MISSED, FALSE, ONSET_MS = 0.02, 0.02, 300
CPU_SPEECH, CPU_SILENCE = 0.005, 0.001
COUGHS, MOST_COUGHS = 20, 1
SILENT_KINDS = ("ring-back", "busy tone", "hum", "steady noise −40", "swelling noise −35", "clicks")


def frames(samples: Samples) -> Iterator[bytes]:
    pcm = to_pcm(samples)
    for start in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
        yield pcm[start : start + FRAME_BYTES]


def speech_frames(clean: Samples) -> np.ndarray:
    """Which frames of a clean utterance are speech."""
    levels = np.array(
        [
            level_dbfs(clean[i : i + FRAME_SAMPLES])
            for i in range(0, clean.size - FRAME_SAMPLES + 1, FRAME_SAMPLES)
        ]
    )
    speech = levels > levels.max() - SPEECH_DB
    last = -SHORT_GAP
    for number in np.flatnonzero(speech).tolist():
        if 1 < number - last <= SHORT_GAP:
            speech[last:number] = True
        last = number
    return np.asarray(speech, bool)


def utterances() -> list[Samples]:
    """Trimmed to whole frames."""
    site = load_site()
    texts = [text for group in yaml.safe_load(TEXTS.read_text("utf-8")).values() for text in group]
    cache = PromptCache(site.prompts)
    found = []
    for number in range(UTTERANCES):
        voice, text = VOICES[number % len(VOICES)], texts[number % len(texts)]
        cache.render(voice, [text], site.models)
        with wave.open(str(cache.path(voice, text)), "rb") as wav:
            clean = trimmed(to_float(wav.readframes(wav.getnframes())))
        found.append(clean[: clean.size // FRAME_SAMPLES * FRAME_SAMPLES])
    return found


def in_noise(
    spoken: list[Samples], snr_db: float, vad: TwoStageVad, dice: np.random.Generator
) -> dict[str, Any]:
    """One line with all utterances."""
    gap = rest(APART_S)
    clean = np.concatenate([part for one in spoken for part in (gap, one)] + [gap])
    truth = np.concatenate(
        [part for one in spoken for part in (np.zeros(gap.size // FRAME_SAMPLES, bool), speech_frames(one))]
        + [np.zeros(gap.size // FRAME_SAMPLES, bool)]
    )
    hiss = at_level(noise("pink", clean.size / SAMPLE_RATE + 0.1, dice), -20.0 - snr_db)[: clean.size]
    line = a_law(np.clip(clean + hiss, -1, 1))
    vad.reset()
    endpointer, eager = Endpointer(), Endpointer()
    voiced, onsets, ends, cuts = [], [], [], 0
    began = time.process_time()
    for frame in frames(line):
        heard = vad.feed(frame)
        voiced.append(heard.voiced)
        event = endpointer.feed(heard.voiced, heard.level_dbfs)
        if event is Endpoint.ONSET:
            onsets.append(len(voiced))
        elif event is Endpoint.END:
            ends.append(round(endpointer.voice_ended_at_s / 0.02))
        event = eager.feed(heard.voiced, heard.level_dbfs)
        if event is Endpoint.PAUSE:
            eager.conclude(eager.pauses, Completeness.FINISHED)
        cuts += event is Endpoint.END
    cpu_s = time.process_time() - began
    found = _judged(np.array(voiced), truth[: len(voiced)], spoken, onsets, ends, cpu_s)
    return {"snr_db": snr_db} | found | {"split_soonest": max(0, cuts - len(spoken))}


def _judged(
    voiced: np.ndarray,
    truth: np.ndarray,
    spoken: list[Samples],
    onsets: list[int],
    ends: list[int],
    cpu_s: float,
) -> dict[str, Any]:
    judged = np.ones(truth.size, bool)
    for border in np.flatnonzero(np.diff(truth.astype(int))) + 1:
        judged[max(0, border - BORDER) : border + (BORDER if truth[border] else TAIL)] = False
    speech, silence = truth & judged, ~truth & judged
    delays, tails, split, at = [], [], 0, 0
    for one in spoken:
        begin = at + round(APART_S * 50)
        at = begin + one.size // FRAME_SAMPLES
        mine = [onset for onset in onsets if begin <= onset < at + 50]
        if mine:
            delays.append((mine[0] - begin) * 20)
        last = [end for end in ends if begin < end <= at + 50]
        if last:
            tails.append((last[-1] - at) * 20)
        split += max(0, len(last) - 1)
    return {
        "missed": round(float((~voiced[speech]).mean()), 4),
        "false": round(float(voiced[silence].mean()), 4),
        "utterances_missed": len(spoken) - len(delays),
        "split": split,
        "onset_ms": {"p50": float(np.percentile(delays, 50)), "p95": float(np.percentile(delays, 95))},
        "end_ms": {"p50": float(np.percentile(tails, 50)), "p95": float(np.percentile(tails, 95))},
        "cpu_a_second": round(cpu_s / (truth.size / 50), 5),
    }


def no_speech(spoken: list[Samples], dice: np.random.Generator) -> dict[str, Samples]:
    """Sounds that are nobody's words, on a quiet line."""

    def bursts(count: int, seconds: float, dbfs: float) -> Samples:
        parts = []
        for _ in range(count):
            burst = noise("pink", seconds, dice)
            shape = np.exp(-np.arange(burst.size) / (0.3 * burst.size))
            parts += [rest(2.0), at_level((burst * shape).astype(np.float32), dbfs)]
        return np.concatenate([*parts, rest(2.0)])

    echo = at_level(np.concatenate(spoken[:12]), -20.0)
    return {
        "ring-back": cadence((1.0, 4.0), 20.0),
        "busy tone": cadence((0.35, 0.35), 20.0),
        "hum": at_level(noise("hum", 20.0, dice), -30.0),
        "steady noise −40": at_level(noise("pink", 20.0, dice), -40.0),
        "swelling noise −35": at_level(noise("street", 20.0, dice), -35.0),
        "clicks": bursts(20, 0.03, -20.0),
        "coughs": bursts(COUGHS, 0.3, -20.0),
        "echo −40": at_level(echo, -40.0),
        "echo −55": at_level(echo, -55.0),
    }


def false_onsets(sound: Samples, vad: TwoStageVad, dice: np.random.Generator) -> int:
    line = a_law(
        np.clip(
            sound + at_level(noise("white", sound.size / SAMPLE_RATE + 0.1, dice), -62.0)[: sound.size], -1, 1
        )
    )
    vad.reset()
    endpointer = Endpointer()
    return sum(
        endpointer.feed(heard.voiced, heard.level_dbfs) is Endpoint.ONSET
        for heard in (vad.feed(frame) for frame in frames(line))
    )


def cpu_of_silence(vad: TwoStageVad, dice: np.random.Generator) -> float:
    line = a_law(at_level(noise("white", 60.0, dice), -62.0))
    vad.reset()
    began = time.process_time()
    for frame in frames(line):
        vad.feed(frame)
    return (time.process_time() - began) / 60.0


def measure() -> dict[str, Any]:
    dice = np.random.default_rng(SEED)
    vad = TwoStageVad(load_site().models / "silero" / "silero_vad.onnx")
    spoken = [at_level(one, -20.0) for one in utterances()]
    load = os.getloadavg()[0]
    return {
        "utterances": len(spoken),
        "cores": psutil.cpu_count(),
        "load_before": round(load, 2),
        "in_noise": [in_noise(spoken, snr_db, vad, dice) for snr_db in SNRS_DB],
        "false_onsets": {
            name: false_onsets(sound, vad, dice) for name, sound in no_speech(spoken, dice).items()
        },
        "cpu_a_second_of_silence": round(cpu_of_silence(vad, dice), 5),
    }


def missed(found: dict[str, Any]) -> list[str]:
    """The conditions that do not hold."""
    row = next(row for row in found["in_noise"] if row["snr_db"] == 15)
    onsets = found["false_onsets"]
    limits = [
        ("frames of speech missed at 15 dB", row["missed"], MISSED),
        ("other frames voiced at 15 dB", row["false"], FALSE),
        ("onset at 15 dB, p95 ms", row["onset_ms"]["p95"], ONSET_MS),
        ("CPU a second of speech", row["cpu_a_second"], CPU_SPEECH),
        ("CPU a second of silence", found["cpu_a_second_of_silence"], CPU_SILENCE),
        ("onsets by coughs", onsets["coughs"], MOST_COUGHS),
        *((f"onsets by {kind}", onsets[kind], 0) for kind in SILENT_KINDS),
    ]
    return [f"{what}: {got}, allowed {most}" for what, got, most in limits if got > most]


def show(found: dict[str, Any]) -> None:
    print(f"{found['utterances']} utterances, {found['cores']} cores, load {found['load_before']}")
    print("SNR dB  missed   false  onset p50/p95 ms  end p50/p95 ms  split (soonest)  CPU a second")
    for row in found["in_noise"]:
        print(
            f"{row['snr_db']:>6}  {row['missed']:.2%}  {row['false']:.2%}  {row['onset_ms']['p50']:.0f}/"
            f"{row['onset_ms']['p95']:.0f}  {row['end_ms']['p50']:.0f}/{row['end_ms']['p95']:.0f}"
            f"  {row['split']} ({row['split_soonest']})  {row['cpu_a_second']}"
        )
    print("false onsets:", ", ".join(f"{name} {count}" for name, count in found["false_onsets"].items()))
    print(f"CPU a second of silence: {found['cpu_a_second_of_silence']}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure()
    conclude(found, missed(found), asked.json, show)


if __name__ == "__main__":
    main()
