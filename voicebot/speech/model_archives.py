"""Models that no package registry has: an archive from its maker's site, or a file that somebody brought.

The archive is compared with a sha256 before anything of it is unpacked, and goes into place in one step.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from voicebot.errors import InputError, NotReady
from voicebot.speech.models import sha256_of

BLOCK_BYTES = 1 << 20
ANSWER_S = 30.0
"""A server that says nothing for so long has gone."""
TELL_EVERY_BYTES = 100 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KINDS = {"am/final.mdl": "", "tokens.txt": "sherpa", "model.bin": "", "manifest.json": "recorded"}
"""A file that tells what a model is, and the folder below the models where its kind lives."""


def add(models: Path, name: str, source: str, sha256: str, say: Callable[[str], None]) -> Path:
    """Fetches (http, https) or takes a zip or tar, and unpacks it as the model `name`; returns its folder.

    A URL needs its sha256; a local file may do without.  Raises InputError for a wrong archive or name,
    NotReady when it cannot be fetched.  Nothing half-done is left.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a model.", "Use letters, digits, dot and dash.")
    remote = source.startswith(("http://", "https://"))
    if remote and not sha256:
        raise InputError("the sha256 of what is fetched is missing.", "Give --sha256.")
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=models) as work:
        archive = _fetch(source, Path(work) / "archive", say) if remote else Path(source)
        if not archive.is_file():
            raise InputError("there is no such file.", "Name an archive or a URL.", source)
        found = sha256_of(archive)
        if sha256 and found != sha256.lower():
            raise InputError(f"its sha256 is {found}, not the one that was given.", "Fetch it again.", source)
        say(f"sha256 {found}")
        content = Path(work) / "content"
        _unpack(archive, content, source)
        folder = _model_in(content, source)
        kind = next(kind for mark, kind in _KINDS.items() if (folder / mark).is_file())
        target = models / kind / name
        if target.exists():
            raise InputError("there is a model of this name.", "Remove it, or take another name.", target)
        target.parent.mkdir(exist_ok=True)
        folder.replace(target)
    return target


def _fetch(url: str, path: Path, say: Callable[[str], None]) -> Path:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as answer, path.open("wb") as out:
            done = told = 0
            while block := answer.read(BLOCK_BYTES):
                out.write(block)
                done += len(block)
                if done - told >= TELL_EVERY_BYTES:
                    told = done
                    say(f"{done >> 20} MB")
    except (urllib.error.URLError, OSError) as fault:
        raise NotReady(f"it cannot be fetched: {fault}", "Check the address and the network.", url) from None
    return path


def _unpack(archive: Path, content: Path, source: str) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                for entry in packed.infolist():
                    if not entry.is_dir():
                        with packed.open(entry) as file:
                            _put(content, entry.filename, file)
        else:
            with tarfile.open(archive) as packed_tar:
                for member, file in _files(packed_tar):
                    _put(content, member, file)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as fault:
        raise InputError(f"it is no whole zip or tar: {fault}.", "Fetch it again.", source) from None


def _files(packed: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in packed:
        if member.isfile() and (file := packed.extractfile(member)) is not None:
            yield member.name, file


def _put(content: Path, name: str, file: IO[bytes]) -> None:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        raise InputError("a file in it wants to lie outside of its folder.", "Do not use this archive.", name)
    path = content.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        shutil.copyfileobj(file, out)


def _model_in(content: Path, source: str) -> Path:
    """The folder that holds the model: the archive's top, or the only folder in it."""
    folders = [content, *(path for path in content.iterdir() if path.is_dir())] if content.is_dir() else []
    for folder in folders:
        if any((folder / mark).is_file() for mark in _KINDS):
            return folder
    raise InputError(
        "no model that is known is in it.",
        "It must hold am/final.mdl (Vosk), tokens.txt (sherpa-onnx), model.bin (Whisper) or manifest.json.",
        source,
    )
