"""Sounds of benchmarks/answer.py: tones, noises, melodies and songs, and what a line does to them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import soundfile

from voicebot.speech.audio import FRAME_SAMPLES, SAMPLE_RATE, Samples, level_dbfs

SCALE_HZ = (261.6, 293.7, 329.6, 392.0, 440.0, 523.3, 587.3, 659.3)
"""Five tones of C, two octaves, with the A of 440 Hz that lies within the network's 450 ± 25."""


def tone(hz: float, seconds: float, dbfs: float = -15.0) -> Samples:
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(np.sin(2 * np.pi * hz * t) * 10 ** (dbfs / 20) * np.sqrt(2), np.float32)


def rest(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def cadence(pattern: Sequence[float], seconds: float, hz: float = 450.0) -> Samples:
    """450 Hz on and off in turn."""
    parts: list[Samples] = []
    total = 0.0
    while total < seconds:
        for number, length in enumerate(pattern):
            parts.append(tone(hz, length) if number % 2 == 0 else rest(length))
            total += length
    return np.concatenate(parts)[: int(seconds * SAMPLE_RATE)]


def noise(kind: str, seconds: float, dice: np.random.Generator) -> Samples:
    """white, pink, hum (50 Hz and its multiples with hiss) or street (pink that swells), at −20 dBFS."""
    n = int(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(dice.standard_normal(n))
    if kind != "white":
        spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 20.0))
    samples = np.fft.irfft(spectrum, n)
    t = np.arange(n) / SAMPLE_RATE
    if kind == "hum":
        rms = float(np.sqrt(np.mean(samples**2)))
        samples = 0.3 * samples + rms * sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5))
    if kind == "street":
        samples = samples * (1 + 0.8 * np.sin(2 * np.pi * t / dice.uniform(2, 5)))
    return at_level(samples.astype(np.float32), -20.0)


def melody(kind: str, seconds: float, dice: np.random.Generator, voice: Samples | None = None) -> Samples:
    """A ring-back melody: plucked strings, an organ of chords, a plain ringing tune of even notes, or a song:
    the `voice` on the melody's pitch (a channel vocoder) over its notes."""
    beat = float(dice.choice([0.25, 0.3, 0.35, 0.5]))
    notes = dice.choice(SCALE_HZ, int(seconds / beat) + 1)
    parts = [_note(kind, float(hz), beat) for hz in notes]
    tune = np.concatenate(parts)[: int(seconds * SAMPLE_RATE)].astype(np.float32)
    if kind == "song" and voice is not None:
        return at_level(_sung(np.resize(voice, tune.size), tune), -20.0)
    return at_level(tune, -20.0)


def _note(kind: str, hz: float, seconds: float) -> Samples:
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    if kind == "tune":  # even notes with gaps between: the nearest to a cadence of the network
        return (np.sin(2 * np.pi * hz * t) * (t < 0.8 * seconds)).astype(np.float32)
    if kind == "organ":
        chord = sum(np.sin(2 * np.pi * hz * ratio * t) for ratio in (1, 1.25, 1.5, 2))
        return np.asarray(chord, np.float32)
    harmonics = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 7))
    decay = np.exp(-4 * t) if kind == "strings" else 1.0
    return np.asarray(harmonics * decay, np.float32)


def _sung(voice: Samples, carrier: Samples) -> Samples:
    """The voice's spectral shape on the carrier's notes, the carrier softly beneath."""
    size, step = 256, 64
    window = np.hanning(size)
    out = np.zeros(carrier.size + size)
    kernel = np.ones(9) / 9
    for start in range(0, carrier.size - size, step):
        shape = np.abs(np.fft.rfft(voice[start : start + size] * window))
        shape = np.convolve(shape, kernel, "same")
        notes = np.fft.rfft(carrier[start : start + size] * window)
        flat = np.convolve(np.abs(notes), kernel, "same") + 1e-6
        out[start : start + size] += np.fft.irfft(notes / flat * shape) * window
    sung = at_level(out[: carrier.size].astype(np.float32), -18.0)
    return sung + at_level(carrier, -30.0)


def at_level(samples: Samples, dbfs: float) -> Samples:
    """The loud parts' level set: pauses do not count."""
    frames = samples[: samples.size // 160 * 160].reshape(-1, 160)
    levels = np.array([level_dbfs(frame) for frame in frames])
    loud = frames[levels > levels.max(initial=-90.0) - 20]
    gain = dbfs - level_dbfs(loud.ravel())
    return (samples * 10 ** (gain / 20)).astype(np.float32)


# ---- the line ----


def a_law(samples: Samples) -> Samples:
    """There and back through G.711 A-law."""
    wav = io.BytesIO()
    soundfile.write(wav, samples, SAMPLE_RATE, format="WAV", subtype="ALAW")
    wav.seek(0)
    return np.asarray(soundfile.read(wav, dtype="float32")[0])


def lose_packets(samples: Samples, share: float, dice: np.random.Generator) -> Samples:
    """20 ms packets lost at random; each is replaced by the one before, 6 dB down."""
    out = samples.copy()
    for start in range(FRAME_SAMPLES, out.size - FRAME_SAMPLES, FRAME_SAMPLES):
        if dice.random() < share:
            out[start : start + FRAME_SAMPLES] = 0.5 * out[start - FRAME_SAMPLES : start]
    return out


def trimmed(samples: Samples) -> Samples:
    """Without the silence around."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1] if loud.size else samples


def first_words_s(samples: Samples) -> float:
    """Where the first pause of 240 ms begins, or the end."""
    step = SAMPLE_RATE // 50
    loud = np.array([np.abs(samples[i : i + step]).max() > 0.02 for i in range(0, samples.size, step)])
    quiet = 0
    for number, is_loud in enumerate(loud):
        quiet = 0 if is_loud else quiet + 1
        if quiet >= 12 and loud[: number - 11].any():
            return (number - 11) * 0.02
    return samples.size / SAMPLE_RATE
