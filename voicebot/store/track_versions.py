"""Versions of talk tracks, whole, in the store: reading, hearing and building need no author's file.

Content-addressed: the digest is computed from the files' bytes by the one recipe of `dialogs.track`, so a
changed byte is another version, and a row that was changed by hand does not hold.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection, insert, select

from dialogs.track import Track, digest_of
from voicebot.errors import InputError
from voicebot.store.database import Store
from voicebot.store.models import TrackVersionRow
from voicebot.store.signatures import canonical

_REFERENCE = re.compile(r"([a-z][a-z0-9_]*)@([1-9][0-9]*)")


def parse_reference(text: str) -> tuple[str, int]:
    """ "reminder@3" → ("reminder", 3).  InputError for anything else."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r} names no version of a talk track", "Write it like reminder@3.")
    return found[1], int(found[2])


@dataclass(frozen=True)
class TrackContent:
    """What a reviewer reads: `files` are (path, text) in the digest's order, `main` is the track's own."""

    track: str
    version: int
    lint: int
    voices: tuple[str, ...]
    main: str
    files: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, track: Track) -> TrackContent:
        """The content of a track that was read from files; paths count from their common folder."""
        paths = [Path(os.path.abspath(file.path)) for file in (*track.files, *track.bank.files)]
        root = Path(os.path.commonpath([path.parent for path in paths]))
        named = [path.relative_to(root).as_posix() for path in paths]
        texts = [file.raw.decode("utf-8") for file in (*track.files, *track.bank.files)]
        files = tuple(zip(named, texts, strict=True))
        return cls(track.id, track.version, track.lint, track.voices, named[0], files)

    @property
    def reference(self) -> str:
        return f"{self.track}@{self.version}"

    @cached_property
    def digest(self) -> str:
        """What approvals are about."""
        return digest_of((PurePosixPath(path).name, text.encode("utf-8")) for path, text in self.files)

    @contextmanager
    def unpacked(self) -> Iterator[Path]:
        """The files in a folder of their own, for as long as the context lasts; yields the track's path."""
        with tempfile.TemporaryDirectory(prefix="voicebot-review-") as folder:
            for name, text in self.files:
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode("utf-8"))
            yield Path(folder) / self.main

    def load(self) -> Track:
        """The track.  TrackError as when reading files."""
        with self.unpacked() as path:
            return Track.load(path)

    def to_text(self) -> str:
        """Canonical JSON."""
        return canonical(
            {
                "track": self.track,
                "version": self.version,
                "lint": self.lint,
                "voices": list(self.voices),
                "main": self.main,
                "files": [list(file) for file in self.files],
            }
        ).decode()

    @classmethod
    def from_text(cls, text: str) -> TrackContent:
        """ValueError when this is no content, or names a file outside its folder."""
        try:
            data = json.loads(text)
            files = tuple((str(path), str(body)) for path, body in data["files"])
            content = cls(
                str(data["track"]),
                int(data["version"]),
                int(data["lint"]),
                tuple(str(voice) for voice in data["voices"]),
                str(data["main"]),
                files,
            )
        except (KeyError, TypeError) as fault:
            raise ValueError(f"this is no content of a talk track: {type(fault).__name__}") from None
        paths = [PurePosixPath(path) for path, _ in files]
        if content.main not in dict(files) or any(path.is_absolute() or ".." in path.parts for path in paths):
            raise ValueError("a file of this talk track lies outside its folder")
        return content


class TrackVersions:
    """The table of versions.  Only adds."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, track: str, version: int) -> TrackContent:
        """InputError when it was not submitted, or was changed since."""
        with self._store.reading() as connection:
            content = self.find_in(connection, track, version)
        if content is None:
            raise InputError(f"{track}@{version} was not submitted here", "See `scripts-review list`.")
        return content

    def find_in(self, connection: Connection, track: str, version: int) -> TrackContent | None:
        """The version, or None.  InputError when its content does not hash to its digest."""
        query = select(TrackVersionRow.__table__).where(
            TrackVersionRow.track == track, TrackVersionRow.version == version
        )
        row = connection.execute(query).first()
        if row is None:
            return None
        try:
            content = TrackContent.from_text(row.content)
            whole = content.digest == row.digest and (content.track, content.version) == (track, version)
        except ValueError:
            whole = False
        if not whole:
            raise InputError(
                f"the content of {track}@{version} was changed in the store", "Run: scripts-review verify."
            )
        return content

    def add_in(self, connection: Connection, content: TrackContent) -> None:
        """Keeps a version; the same again changes nothing.  InputError when it has another text already."""
        query = select(TrackVersionRow.digest).where(
            TrackVersionRow.track == content.track, TrackVersionRow.version == content.version
        )
        known = connection.execute(query).scalar()
        if known == content.digest:
            return
        if known is not None:
            raise InputError(
                f"{content.reference} was already submitted with another text",
                f"Raise the version in its header (track.version: {content.version + 1}).",
            )
        connection.execute(
            insert(TrackVersionRow).values(
                digest=content.digest,
                track=content.track,
                version=content.version,
                content=content.to_text(),
            )
        )

    def holds_in(self, connection: Connection, digest: str) -> bool:
        """Whether the content is there and still hashes to its digest."""
        query = select(TrackVersionRow.content).where(TrackVersionRow.digest == digest)
        text = connection.execute(query).scalar()
        try:
            return text is not None and TrackContent.from_text(text).digest == digest
        except ValueError:
            return False
