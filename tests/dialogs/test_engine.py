"""A build that was made for another engine is not served, and not taken for a build."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dialogs.build import RASA_PYTHON, rasa_environment, sha256_of
from dialogs.manifest import Manifest
from dialogs.track import Track
from scripts_review.preparing import is_built
from tests.dialogs.small_track import write

LOAD = """
import sys
from pathlib import Path
from dialogs.rasa.brain import Brain, WrongModel
try:
    Brain(Path(sys.argv[1]))
except WrongModel as fault:
    print(fault)
"""


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """The folder of a version that an earlier program built."""
    manifest = Manifest.of(Track.load(write(tmp_path)))
    folder = tmp_path / "tracks" / manifest.digest
    folder.mkdir(parents=True)
    (folder / "model.tar.gz").write_bytes(b"made by another program")
    manifest.model_copy(update={"model": sha256_of(folder / "model.tar.gz")}).save(folder / "manifest.json")
    return folder


def of_before(folder: Path) -> None:
    manifest = Manifest.load(folder / "manifest.json")
    manifest.model_copy(update={"engine": "of before"}).save(folder / "manifest.json")


def test_it_is_not_taken_for_a_build(built: Path) -> None:
    site: Any = SimpleNamespace(tracks=built.parent)
    assert is_built(site, built.name)
    of_before(built)
    assert not is_built(site, built.name)


@pytest.mark.calls
def test_it_is_not_served(built: Path) -> None:
    of_before(built)
    done = subprocess.run(
        [str(RASA_PYTHON), "-c", LOAD, str(built)],
        env=rasa_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "built by another version of the program" in done.stdout
