"""Recordings as the store knows them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from voicebot.store.bindings import recording_binding
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing, Unreadable
from voicebot.store.models import RecordingRow
from voicebot.store.sealed_file import SUFFIX, open_content, rewrap


@dataclass(frozen=True)
class KeptRecording:
    """One of a call.  `sha256` is of the audio inside the seal; `state` as in RECORDING_STATES."""

    attempt_id: str
    file: Path
    sha256: str
    seconds: float
    state: str
    saved_ms: int

    @property
    def suffix(self) -> str:
        """.flac or .opus, as the audio inside would be called; .pcm of samples that wait to be sealed."""
        return Path(self.file.name.removesuffix(SUFFIX)).suffix


def recording_of(store: Store, attempt_id: str) -> KeptRecording | None:
    """That of a call, or None when there is none."""
    with store.reading() as connection:
        query = select(RecordingRow.__table__).where(RecordingRow.attempt_id == attempt_id)
        row = connection.execute(query).one_or_none()
    return None if row is None else _kept(row)


def recordings_of(store: Store, campaign_id: str) -> list[KeptRecording]:
    """Those of a campaign."""
    query = select(RecordingRow.__table__).where(RecordingRow.campaign_id == campaign_id)
    with store.reading() as connection:
        return [_kept(row) for row in connection.execute(query)]


def open_kept(one: KeptRecording, keys: KeyRing) -> io.BufferedReader:
    """The audio file inside, to read and to seek in: soundfile takes it as it is.

    Unreadable when it is damaged, another call's, not sealed yet or deleted; OSError when it is not there.
    """
    if one.state == "deleted":
        raise Unreadable("the recording was deleted when its time had come")
    if one.state == "unsealed":
        raise Unreadable("the recording waits for room on the disk to be sealed")
    return open_content(one.file, keys, recording_binding(one.attempt_id))


def kept_recordings(store: Store) -> list[KeptRecording]:
    """Those that are there and sealed, the oldest first."""
    query = select(RecordingRow.__table__).where(RecordingRow.state.in_(("sealed", "salvaged")))
    with store.reading() as connection:
        return [_kept(row) for row in connection.execute(query.order_by(RecordingRow.saved_ms))]


def rewrapped(one: KeptRecording, keys: KeyRing) -> bool:
    """Wraps its data key with the active key; False when it was.  Unreadable or OSError when it cannot be."""
    return rewrap(one.file, keys, recording_binding(one.attempt_id))


def _kept(row: Any) -> KeptRecording:
    return KeptRecording(row.attempt_id, Path(row.file), row.sha256, row.seconds, row.state, row.saved_ms)
