"""From what a recorder wrote to a sealed recording: the same way at hang-up and when it is salvaged.

While a call lasts its sound lies in a plain file of samples, which loses a second at most when its process
dies.  At the end it is encoded, sealed under its final name, and the samples are deleted, in this order: at
every instant there is a file to salvage.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import soundfile as sf

from voicebot.call.record import RecordingRef
from voicebot.speech.audio import SAMPLE_RATE
from voicebot.store.bindings import recording_binding
from voicebot.store.encryption import KeyRing, Unreadable
from voicebot.store.sealed_file import SUFFIX, open_content, seal_file, unfinished

Format = Literal["flac", "opus"]
CHANNELS = 2
FRAME_BYTES = 2 * CHANNELS
PART = ".part.pcm"
"""16-bit samples, ours and theirs by turns."""
_KINDS = {"flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}
_BLOCK_FRAMES = SAMPLE_RATE * 60


def part_file(folder: Path, attempt_id: str, form: Format) -> Path:
    """Where the samples of a call lie while it lasts; the name says how it is to be kept."""
    return folder / f"{attempt_id}.{form}{PART}"


def sealed_name(part: Path) -> Path:
    """The sealed recording that a file of samples becomes."""
    return part.with_name(part.name.removesuffix(PART) + SUFFIX)


def samples_of(sealed: Path) -> Path:
    """The file of samples that a sealed recording was made from; it is there until it is whole."""
    return sealed.with_name(sealed.name.removesuffix(SUFFIX) + PART)


def attempt_of(file: Path) -> str:
    """Whose recording a file of a recordings folder is."""
    return file.name.partition(".")[0]


def seconds_of(part: Path) -> float:
    """How long the samples last; half a frame at the end, as a crash leaves it, does not count."""
    return part.stat().st_size // FRAME_BYTES / SAMPLE_RATE


def finish(part: Path, keys: KeyRing) -> tuple[Path, str]:
    """Encodes, seals and deletes the samples; returns the sealed file and the SHA-256 of the audio inside.

    OSError or soundfile.SoundFileError when the disk does not take it: the samples stay.
    """
    target, encoded = sealed_name(part), _encoded(part)
    _format, _subtype = _KINDS[part.name.removesuffix(PART).rpartition(".")[2]]
    try:
        with (
            part.open("rb") as samples,
            sf.SoundFile(encoded, "w", SAMPLE_RATE, CHANNELS, _subtype, format=_format) as audio,
        ):
            while block := samples.read(_BLOCK_FRAMES * FRAME_BYTES):
                audio.buffer_write(block[: len(block) // FRAME_BYTES * FRAME_BYTES], "int16")
        digest = seal_file(encoded, target, keys, recording_binding(attempt_of(part)))
    finally:
        encoded.unlink(missing_ok=True)
    part.unlink()
    return target, digest


def delete_samples(part: Path) -> None:
    """The samples, and what a sealing that broke off left beside them."""
    _encoded(part).unlink(missing_ok=True)
    unfinished(sealed_name(part)).unlink(missing_ok=True)
    part.unlink()


def _encoded(part: Path) -> Path:
    return part.with_name(part.name + ".encoded")


def open_recording(recording: RecordingRef, attempt_id: str, keys: KeyRing) -> io.BufferedReader:
    """The audio file inside a recording, to read and to seek in: soundfile takes it as it is.

    One from before recordings were sealed is opened as it lies.
    Unreadable when it is damaged, another call's or not sealed yet; OSError when it is not there.
    """
    if not recording.sealed:
        raise Unreadable("the recording waits for room on the disk to be sealed")
    return open_content(Path(recording.path), keys, recording_binding(attempt_id))


def audio_suffix(recording: RecordingRef) -> str:
    """.flac or .opus, as the audio inside would be called."""
    return Path(recording.path.removesuffix(SUFFIX)).suffix
