"""Recordings from before recordings were sealed: sealed when a process begins, and entered in the store.

They lie as `<attempt>.flac` in the runs' folders, and no row tells of them.  One whose process died lies as
`<attempt>.part.flac`, and its header does not say how long it is: what can be read of it is written anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import soundfile as sf
import structlog
from sqlalchemy import select

from voicebot.call.recording_file import attempt_of
from voicebot.campaign.salvage import PLAIN
from voicebot.clock import Clock
from voicebot.store.audit import moment_ms
from voicebot.store.bindings import recording_binding
from voicebot.store.database import Store
from voicebot.store.encryption import Unreadable
from voicebot.store.models import AttemptRow
from voicebot.store.recordings import recording_of
from voicebot.store.records import keep_late, record_of
from voicebot.store.sealed_file import SUFFIX, content_digest, seal_file

log = structlog.get_logger()
UNFINISHED = ".part.flac"
BLOCK = 4096
"""Frames: what is read of a broken file before it breaks off."""


def seal_plain(
    folders: Sequence[Path], store: Store, clock: Clock, told: Callable[[str], object] = lambda _: None
) -> list[str]:
    """Attempts whose recording was sealed; those of another store, and what cannot be read, stay."""
    done = []
    for file in (file for folder in folders for file in sorted(folder.glob(PLAIN))):
        try:
            if _sealed(_finished(file, store), store, clock):
                done.append(attempt_of(file))
        except (OSError, sf.SoundFileError, Unreadable) as fault:
            log.error("recording_not_sealed", attempt_id=attempt_of(file), fault=type(fault).__name__)
    if done:
        told(f"{len(done)} recordings that lay open: sealed")
    return done


def _finished(file: Path, store: Store) -> Path:
    """The whole file that an unfinished one of this store became; any other as it is."""
    if not file.name.endswith(UNFINISHED) or not _is_known(store, attempt_of(file)):
        return file
    whole = file.with_name(f"{attempt_of(file)}.flac")
    part = whole.with_name(f".{whole.name}")
    with sf.SoundFile(file) as broken, sf.SoundFile(part, "w", *_shape(broken), format="FLAC") as sound:
        try:
            while len(block := broken.read(BLOCK, "int16", always_2d=True)):
                sound.write(block)
        except sf.LibsndfileError:  # here it was cut off
            log.warning("recording_cut_off", attempt_id=attempt_of(file))
    part.replace(whole)
    file.unlink()
    return whole


def _shape(sound: sf.SoundFile) -> tuple[int, int, str]:
    return sound.samplerate, sound.channels, sound.subtype


def _sealed(file: Path, store: Store, clock: Clock) -> bool:
    """The plain file goes last: whatever breaks off is done again.  False when it is left as it is."""
    attempt_id = attempt_of(file)
    target, bound = file.with_name(file.name + SUFFIX), recording_binding(attempt_id)
    kept = recording_of(store, attempt_id)
    if not _is_known(store, attempt_id) or (kept is not None and kept.file != target):
        return False
    if kept is None:
        record = record_of(store, attempt_id)
        said = record.recording if record is not None else None
        seconds = said.seconds if said is not None else round(sf.info(file).duration, 2)
        digest = seal_file(file, target, store.keys, bound)
        # The record's word counts: a file that was changed since is not made good by its seal.
        sha256 = said.sha256 if said is not None else digest
        at_ms = moment_ms(clock.now())
        keep_late(store, attempt_id, file=target, sha256=sha256, seconds=seconds, state="sealed", at_ms=at_ms)
    elif kept.state == "deleted" or not _same(file, target, store, bound):
        return False
    file.unlink()
    return True


def _is_known(store: Store, attempt_id: str) -> bool:
    with store.reading() as connection:
        query = select(AttemptRow.id).where(AttemptRow.id == attempt_id)
        return connection.execute(query).first() is not None


def _same(plain: Path, sealed: Path, store: Store, bound: str) -> bool:
    with plain.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return content_digest(sealed, store.keys, bound) == digest
