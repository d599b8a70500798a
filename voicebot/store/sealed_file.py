"""Sealed files: AES-256-GCM in chunks under a data key of the file's own, wrapped by the site's key.

256 bytes of header: 8 of magic, two places of 61 bytes for the wrapped data key, zeros.  Then chunks of
64 KiB, each with its 16-byte tag; the nonce counts the chunks and marks the last one, so that none can be
changed, moved, left out or cut off.  Only the header changes when the site's key is rotated: the new
wrapping is written beside the old one, then the old one is wiped: a crash in between leaves one that opens.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from voicebot.store.encryption import KEY_BYTES, KeyRing, Unreadable

SUFFIX = ".sealed"
MAGIC = b"VBSEAL1\0"
HEADER = 256
WRAPPED = 61
PLACES = (len(MAGIC), len(MAGIC) + WRAPPED)
CHUNK = 64 * 1024
TAG = 16
_EMPTY = bytes(WRAPPED)


def seal_file(source: Path, target: Path, keys: KeyRing, bound_to: str) -> str:
    """Writes the sealed copy of `source`; returns the SHA-256 of what is inside.

    The target appears whole and on the disk, or not at all.  OSError when the disk does not take it.
    """
    part = unfinished(target)
    data_key, digest = AESGCM.generate_key(256), hashlib.sha256()
    cipher, bound = AESGCM(data_key), bound_to.encode()
    header = MAGIC + keys.wrap(data_key, bound_to)
    with source.open("rb") as plain, part.open("wb") as sealed:
        sealed.write(header.ljust(HEADER, b"\0"))
        index, chunk = 0, plain.read(CHUNK)
        while True:
            following = plain.read(CHUNK)
            digest.update(chunk)
            sealed.write(cipher.encrypt(_nonce(index, final=not following), chunk, bound))
            if not following:
                break
            index, chunk = index + 1, following
        sealed.flush()
        os.fsync(sealed.fileno())
    part.replace(target)
    _sync_folder(target.parent)
    return digest.hexdigest()


def unfinished(target: Path) -> Path:
    """What a sealed file is called until it is whole."""
    return target.with_name(target.name + ".part")


def open_sealed(path: Path, keys: KeyRing, bound_to: str) -> io.BufferedReader:
    """What is inside, to read and to seek in; a few chunks in memory at a time.

    Unreadable when the file is damaged, cut or another's, here or at a later read; OSError when it is away.
    """
    return io.BufferedReader(_Opened(path, keys, bound_to), CHUNK)


def open_content(path: Path, keys: KeyRing, bound_to: str) -> io.BufferedReader:
    """As `open_sealed`; a file that is not sealed, and does not say so by its name, as it lies there."""
    with path.open("rb") as file:
        plain = path.suffix != SUFFIX and file.read(len(MAGIC)) != MAGIC
    return path.open("rb") if plain else open_sealed(path, keys, bound_to)


def content_digest(path: Path, keys: KeyRing, bound_to: str) -> str:
    """The SHA-256 of what is inside.  Unreadable when a single byte of the file is not as it was sealed."""
    with path.open("rb") as file:
        _every_key(file.read(HEADER), keys, bound_to)
    with open_sealed(path, keys, bound_to) as plain:
        return hashlib.file_digest(plain, "sha256").hexdigest()


def rewrap(path: Path, keys: KeyRing, bound_to: str) -> bool:
    """Wraps the data key with the active key alone; False when that is so already."""
    with path.open("r+b") as file:
        header = file.read(HEADER)
        at, data_key = _data_key(header, keys, bound_to)
        other = PLACES[1 - PLACES.index(at)]
        used = header[other : other + WRAPPED] != _EMPTY
        if header[at] == keys.active and not used:
            return False
        if header[at] != keys.active:
            _write_at(file, other, keys.wrap(data_key, bound_to))
            at, other = other, at
        _write_at(file, other, _EMPTY)
    return True


class _Opened(io.RawIOBase):
    def __init__(self, path: Path, keys: KeyRing, bound_to: str) -> None:
        self._file, self._bound = path.open("rb"), bound_to.encode()
        try:
            header = self._file.read(HEADER)
            self._cipher = AESGCM(_data_key(header, keys, bound_to)[1])
            body = os.fstat(self._file.fileno()).st_size - HEADER
            self._chunks = -(-body // (CHUNK + TAG))
            self.size = body - self._chunks * TAG
            left = body - (self._chunks - 1) * (CHUNK + TAG)
            if left < TAG or (left == TAG and self._chunks > 1):
                raise Unreadable("the sealed file is cut off")
        except BaseException:
            self._file.close()
            raise
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at >= self.size and not (self.size == 0 and self._held[0] < 0):
            return 0
        index, start = divmod(self._at, CHUNK)
        piece = self._chunk(index)[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _chunk(self, index: int) -> bytes:
        if self._held[0] != index:
            self._file.seek(HEADER + index * (CHUNK + TAG))
            sealed = self._file.read(CHUNK + TAG)
            nonce = _nonce(index, final=index == self._chunks - 1)
            try:
                self._held = (index, self._cipher.decrypt(nonce, sealed, self._bound))
            except (InvalidTag, ValueError):
                raise Unreadable(f"chunk {index} of the sealed file was changed") from None
        return self._held[1]

    def close(self) -> None:
        self._file.close()
        super().close()


def _data_key(header: bytes, keys: KeyRing, bound_to: str) -> tuple[int, bytes]:
    """Where it is wrapped, and the key: one place that opens is enough, the active key's before the other."""
    fault = Unreadable("the sealed file has no data key")
    for at in sorted(_used(header), key=lambda place: header[place] != keys.active):
        try:
            return at, _unwrapped(header, at, keys, bound_to)
        except Unreadable as found:
            fault = found
    raise fault


def _every_key(header: bytes, keys: KeyRing, bound_to: str) -> None:
    """Unreadable when a place that is used does not open."""
    for at in _used(header):
        _unwrapped(header, at, keys, bound_to)


def _used(header: bytes) -> list[int]:
    """The places that hold a wrapped key.  Unreadable when this is no header."""
    if len(header) < HEADER or header[: len(MAGIC)] != MAGIC:
        raise Unreadable("this is no sealed file")
    if any(header[PLACES[1] + WRAPPED :]):
        raise Unreadable("the header of the sealed file was changed")
    return [at for at in PLACES if header[at : at + WRAPPED] != _EMPTY]


def _unwrapped(header: bytes, at: int, keys: KeyRing, bound_to: str) -> bytes:
    key = keys.unwrap(header[at : at + WRAPPED], bound_to)
    if len(key) != KEY_BYTES:
        raise Unreadable("the sealed file has no data key")
    return key


def _nonce(index: int, *, final: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([final])


def _write_at(file: BinaryIO, at: int, data: bytes) -> None:
    file.seek(at)
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
