"""What dead processes left of recordings: closed, sealed and marked, when the next process begins.

A recorder holds a lock on its samples while it lives, so that calls in progress are left alone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf
import structlog

from voicebot.call.recording_file import (
    PART,
    attempt_of,
    delete_samples,
    finish,
    samples_of,
    sealed_name,
    seconds_of,
)
from voicebot.clock import Clock
from voicebot.store.audit import moment_ms
from voicebot.store.bindings import recording_binding
from voicebot.store.bulk import Bulk, Query
from voicebot.store.database import Store
from voicebot.store.encryption import Unreadable
from voicebot.store.records import keep_late
from voicebot.store.sealed_file import SUFFIX, content_digest, open_sealed

log = structlog.get_logger()
FOLDER = "recordings"
PLAIN = "*.flac"
"""From before recordings were sealed; `seal_plain` looks after them."""
DELETED = "deleted"
SETTLED = ".settled"
"""Stamp of a folder in which nothing is left to do, as long as nothing happens in it."""
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
    folders: Sequence[Path], store: Store, clock: Clock, told: Callable[[str], object] = lambda _: None
) -> list[Salvaged]:
    """Looks through the recordings of these folders; those of another store's calls are left alone.

    Samples become a sealed recording; a sealed one that no record tells of is taken up as it is.
    """
    found: list[Salvaged] = []
    for folder in folders:
        look = _Look(folder, store, clock)
        found += look.salvaged()
        look.stamp()
    if found:
        told(f"{len(found)} recordings of calls that broke off: sealed and kept")
    return found


def unsettled(runs: Path) -> list[Path]:
    """Folders of recordings below `runs` in which something may be left to do: those that are not settled,
    and those in which something happened since they were."""
    return [folder for folder in sorted(runs.rglob(FOLDER)) if _is_unsettled(folder)] if runs.is_dir() else []


def _is_unsettled(folder: Path) -> bool:
    stamp = folder / SETTLED
    return not stamp.is_file() or stamp.stat().st_mtime_ns <= folder.stat().st_mtime_ns


class _Look:
    """One look through a folder: what can be salvaged, and whether anything is left for a later one."""

    def __init__(self, folder: Path, store: Store, clock: Clock) -> None:
        self._folder, self._store, self._clock = folder, store, clock
        self._settled = True

    def salvaged(self) -> Iterator[Salvaged]:
        parts = sorted(self._folder.glob(f"*{PART}"))
        sealed = sorted(self._folder.glob(f"*{SUFFIX}"))
        attempts = {attempt_of(file) for file in (*parts, *sealed)}
        known = _states(self._store, attempts)
        if attempts - known.keys():  # another store's: its own next run looks here, too
            self._settled = False
        for part in parts:
            if known.get(attempt_of(part), DELETED) != DELETED:
                with _left(part) as left:
                    if left and (sealed_now := _sealed(part, self._store)) is not None:
                        yield _keep(*sealed_now, self._store, self._clock)
                        known[attempt_of(part)] = "salvaged"
        for file in sealed:  # sealed, and its process died before anybody was told
            if known.get(attempt_of(file)) in ("", "unsealed") and not samples_of(file).is_file():
                yield from self._kept(file)

    def _kept(self, file: Path) -> Iterator[Salvaged]:
        """One that cannot be read stops no start: there is nothing to be done but to say so."""
        try:
            digest, seconds = _measured(file, self._store)
        except (Unreadable, OSError, sf.SoundFileError) as fault:
            log.error("recording_unreadable", attempt_id=attempt_of(file), fault=type(fault).__name__)
            self._settled = self._settled and not isinstance(fault, OSError)
            return
        yield _keep(file, digest, seconds, self._store, self._clock)

    def stamp(self) -> None:
        """Notes that nothing is left; samples (a call lives, no room) and plain recordings are left."""
        if not self._settled:
            return
        stamp = self._folder / SETTLED
        try:
            stamp.touch()
            os.utime(stamp)
            # After the stamp: what comes later is newer than it.
            if any(self._folder.glob(f"*{PART}")) or any(self._folder.glob(PLAIN)):
                stamp.unlink()
        except OSError as fault:  # a full disk: the next start looks again
            log.warning("recordings_not_stamped", fault=type(fault).__name__)


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


def _sealed(part: Path, store: Store) -> tuple[Path, str, float] | None:
    """What the samples became: file, digest, seconds; None when there is nothing in them, or no room."""
    target, seconds = sealed_name(part), seconds_of(part)
    if seconds == 0:
        delete_samples(part)
        return None
    try:
        if (digest := _whole(target, store)) is None:
            _target, digest = finish(part, store.keys)
        else:  # it died between the sealed file and the samples' end
            delete_samples(part)
    except (OSError, sf.SoundFileError) as fault:
        log.error("recording_not_salvaged", attempt_id=attempt_of(part), fault=type(fault).__name__)
        return None
    return target, digest, round(seconds, 2)


def _whole(target: Path, store: Store) -> str | None:
    """The digest of a sealed file; None when there is none, and of one that does not open: it goes."""
    try:
        digest = content_digest(target, store.keys, recording_binding(attempt_of(target)))
    except FileNotFoundError:
        return None
    except Unreadable:
        target.unlink()
        return None
    return digest


def _measured(file: Path, store: Store) -> tuple[str, float]:
    """The SHA-256 and the seconds of the audio inside."""
    bound = recording_binding(attempt_of(file))
    digest = content_digest(file, store.keys, bound)
    with open_sealed(file, store.keys, bound) as audio, sf.SoundFile(audio) as sound:
        return digest, round(len(sound) / sound.samplerate, 2)


def _keep(file: Path, digest: str, seconds: float, store: Store, clock: Clock) -> Salvaged:
    attempt_id, at_ms = attempt_of(file), moment_ms(clock.now())
    keep_late(store, attempt_id, file=file, sha256=digest, seconds=seconds, state="salvaged", at_ms=at_ms)
    log.warning("recording_salvaged", attempt_id=attempt_id, seconds=seconds)
    return Salvaged(attempt_id, file, seconds)
