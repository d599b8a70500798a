"""What dead processes left of recordings: closed, sealed and marked, when the next process begins.

A recorder holds a lock on its samples while it lives, so that calls in progress are left alone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf
import structlog
from sqlalchemy import select

from voicebot.call.recording_file import (
    CHANNELS,
    PART,
    attempt_of,
    delete_samples,
    finish,
    sealed_name,
    seconds_of,
)
from voicebot.clock import Clock
from voicebot.store.audit import moment_ms
from voicebot.store.bindings import recording_binding
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.encryption import Unreadable
from voicebot.store.models import AttemptRow
from voicebot.store.outbox import post
from voicebot.store.records import SALVAGED, keep_recording
from voicebot.store.sealed_file import SUFFIX, content_digest, open_sealed

log = structlog.get_logger()
FOLDER = "recordings"
SEEN = ".looked-through"
_STATES = Query(
    """SELECT a.id, r.state FROM attempt AS a LEFT JOIN recording AS r ON r.attempt_id = a.id
        WHERE a.id IN ?text[]"""
)


@dataclass(frozen=True)
class Salvaged:
    """One recording that is in the store now."""

    attempt_id: str
    file: Path
    seconds: float


def salvage(
    runs: Path, store: Store, clock: Clock, told: Callable[[str], object] = lambda _: None
) -> list[Salvaged]:
    """Looks through the recordings of all runs below `runs`; those of another store's calls are left alone.

    Samples become a sealed recording; a sealed one that no record tells of is taken up as it is.
    """
    found = [one for folder in _folders(runs) for one in _of_folder(folder, store, clock)]
    if found:
        told(f"{len(found)} recordings of calls that broke off: sealed and kept")
    return found


def _folders(runs: Path) -> Iterator[Path]:
    """Those in which something happened since they were looked through."""
    for folder in sorted(runs.rglob(FOLDER)) if runs.is_dir() else ():
        seen = folder / SEEN
        if not seen.is_file() or seen.stat().st_mtime_ns < folder.stat().st_mtime_ns:
            yield folder
            seen.touch()
            os.utime(seen)


def _of_folder(folder: Path, store: Store, clock: Clock) -> Iterator[Salvaged]:
    parts = sorted(folder.glob(f"*{PART}"))
    sealed = sorted(folder.glob(f"*{SUFFIX}"))
    known = _states(store, {attempt_of(file) for file in (*parts, *sealed)})
    for part in parts:
        if attempt_of(part) in known:
            with _left(part) as left:
                if left and (file := _sealed(part, store)) is not None:
                    yield _kept(file, store, clock)
                    known[attempt_of(part)] = "salvaged"
    for file in sealed:
        if known.get(attempt_of(file)) == "":
            try:
                yield _kept(file, store, clock)
            except Unreadable as fault:  # nothing to be done but to say so
                log.error("recording_unreadable", attempt_id=attempt_of(file), fault=str(fault))


def _states(store: Store, attempts: set[str]) -> dict[str, str]:
    """Of the calls that this store knows: the state of their recording, empty when it knows of none."""
    with store.reading() as connection:
        return {ident: state or "" for ident, state in Bulk(connection).rows(_STATES, sorted(attempts))}


@contextmanager
def _left(part: Path) -> Iterator[bool]:
    """Whether nobody writes or salvages it; nobody else does for as long as the context lasts."""
    try:
        file = part.open("rb")
    except FileNotFoundError:  # its process has just sealed it
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = True
        except BlockingIOError:  # its process lives
            left = False
        yield left


def _sealed(part: Path, store: Store) -> Path | None:
    """The sealed file that the samples became; None when there is nothing in them, or no room."""
    target, bound = sealed_name(part), recording_binding(attempt_of(part))
    if seconds_of(part) == 0:
        delete_samples(part)
        return None
    try:
        if target.is_file():  # it died between the sealed file and the samples' end
            content_digest(target, store.keys, bound)
            delete_samples(part)
            return target
    except Unreadable:
        target.unlink()
    try:
        return finish(part, store.keys)[0]
    except (OSError, sf.SoundFileError) as fault:
        log.error("recording_not_salvaged", attempt_id=attempt_of(part), fault=type(fault).__name__)
        return None


def _kept(file: Path, store: Store, clock: Clock) -> Salvaged:
    """The row and the event, in one transaction."""
    attempt_id = attempt_of(file)
    bound = recording_binding(attempt_id)
    digest = content_digest(file, store.keys, bound)
    with open_sealed(file, store.keys, bound) as audio, sf.SoundFile(audio) as sound:
        assert sound.channels == CHANNELS
        seconds = round(len(sound) / sound.samplerate, 2)
    at_ms = moment_ms(clock.now())
    with store.begin() as connection:
        query = select(AttemptRow.campaign_id).where(AttemptRow.id == attempt_id)
        keep_recording(
            connection,
            attempt_id,
            connection.execute(query).scalar_one(),
            file=str(file),
            sha256=digest,
            seconds=seconds,
            state="salvaged",
            at_ms=at_ms,
        )
        about = {"sha256": digest, "seconds": seconds}
        post(Bulk(connection), at_ms, [(SALVAGED, attempt_id, about)], {})
    log.warning("recording_salvaged", attempt_id=attempt_id, seconds=seconds)
    return Salvaged(attempt_id, file, seconds)
